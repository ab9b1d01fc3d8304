"""The command with a tiny random policy and a tiny random SAM 2, and mistakes in one line."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from benchmarks import lift, lift_work

from grounding.core import Answer, Clip, Interval, UserError, UserErrors
from grounding.ground3d.policies import PolicySteps
from grounding.policies.tiny import build_tiny
from grounding.tracking.models import TrackerName

CORPUS = ["When: the box none", "Where: the box", "<think>so</think> <answer>1.0 to 2.0</answer>"] * 4


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight views of six things, in ScanNet's layout, with a cloud."""
    folder = tmp_path_factory.mktemp("scans") / "scene 1"
    lift.write_scene(folder, lift_work.Work(20_000, 8, 6, (120, 160)))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    build_tiny(folder, CORPUS, seed=0)
    (folder / "tubelet.yaml").write_text(
        "model: {name: tiny, prompt: short, max_new_tokens: 8}\ndata: {name: rooms, fps: 2.0, max_frames: 8}\n"
    )
    return folder


@pytest.fixture
def script() -> Any:
    return importlib.import_module("ground3d")


@pytest.mark.slow
def test_many_queries(command: Any, scene: Path, model: Path, sam2_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "queries.txt").write_text(f"the box\n{'x' * 10_000}\n")
    line = ["--scene", str(scene), "--queries", "queries.txt", "--model", str(model), "--tracker", str(sam2_folder)]
    done = command("ground3d.py", *line, "--fps", "2", "--out", "out")
    assert done.returncode == 0, done.stderr
    told = [json.loads((tmp_path / "out" / name / "trace.json").read_text()) for name in ("0001", "0002")]
    assert told[0]["query"] == "the box" and len(told[0]["answers"]) == 4
    assert told[0]["how"]["tracker"] == str(sam2_folder)
    assert told[1]["outcome"] == "not_asked"
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"out/0001: {told[0]['outcome']}") and lines[1].startswith("out/0002: not_asked")
    again = command("ground3d.py", *line, "--fps", "2", "--out", "out")
    assert (again.returncode, again.stdout) == (0, "2 answered before\n")
    mistake = command("ground3d.py", *line, "--out", "out")
    assert mistake.returncode == 2
    assert mistake.stderr == "error: out/0001 holds an answer that differs in fps; choose another --out\n"


def test_models_are_joined_to_a_chain(
    scene: Path, model: Path, sam2_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy's words are replaced; the tracker is a random SAM 2, whose masks are of something."""
    from grounding.commands.ground3d import SceneJob, ground, one_query
    from grounding.commands.ground3d_models import load_steps

    shown: list[Clip] = []

    def snippets(self: PolicySteps, query: str, footage: Any) -> list[Answer]:
        shown.append(self.when.clip(footage))
        return [Answer(Interval(0.0, 0.2))]

    monkeypatch.setattr(PolicySteps, "snippets", snippets)
    monkeypatch.setattr(PolicySteps, "box", lambda *_: Answer(box=(300, 300, 900, 800)))
    tracker = TrackerName(str(sam2_folder), device="cpu")
    steps = load_steps(str(model), None, tracker, answers=2, patience=2.0, seed=0)
    ((_, found),) = ground(one_query("the box", tmp_path / "out"), SceneJob(scene), lambda: steps)
    assert shown[0].frames.shape[1:] == (56, 84, 3)  # as the rooms that its tubelet.yaml names
    views = found.track.masks.keys() | found.track.rejected.keys()
    assert views == set(range(8)) or found.outcome == "lost"
    assert json.loads((tmp_path / "out" / "trace.json").read_text())["outcome"] == found.outcome
    assert found.seconds.keys() >= {"snippets", "boxes", "masks"} and np.isfinite(list(found.seconds.values())).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query": None}, "give --query WORDS or --queries FILE, one of the two"),
        ({"queries": Path("q")}, "give --query WORDS or --queries FILE, one of the two"),
        ({"query": " "}, "the query is empty; give --query WORDS"),
        ({"query": None, "queries": Path("/nowhere/q")}, "cannot read queries /nowhere/q: No such file or directory"),
        ({"fps": 0.0}, "fps must be a number from 0.001 to 1000, got 0"),
        ({"format": "obj"}, "unknown format 'obj'"),
        ({"model": "/nowhere"}, "there is no model folder /nowhere"),
        ({"scene": Path("/nowhere")}, "/nowhere is no folder"),
    ],
)
def test_mistakes(script: Any, scene: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        script.main(**{"scene": scene, "out": tmp_path / "out", "model": "M", "query": "a"} | changes)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "given"),
    [("fps", 4.0), ("format", "glb"), ("tracker", TrackerName("mine")), ("query", "a"), ("layout", "tum")],
)
def test_what_rooms_have_no_use_for_is_refused(script: Any, tmp_path: Path, name: str, given: Any) -> None:
    rooms = script.ToyRooms(toy=1, oracle="snippet,box,masks")
    with pytest.raises(UserError, match=f"brings its own scenes, queries and tracker; leave --{name} out"):
        script.main(out=tmp_path / "out", rooms=rooms, **{name: given})


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("model: {prompt: long}", "model.prompt must be one of full, short, got 'long'"),
        ("model: {name: tiny}\ndata: {name: toy, fps: 0.0}", "data.fps must be a number > 0, got 0.0"),
        ("model: {name: tiny}\ndata: {name: toy, max_frames: 0}", "data.max_frames must be 1 to 1000000, got 0"),
        ("model: {max_new_tokens: 0}", "model.max_new_tokens must be 1 to 1000000, got 0"),
    ],
)
def test_a_configuration_that_cannot_work(model: Path, tmp_path: Path, yaml: str, message: str) -> None:
    from grounding.commands.ground3d_models import load_asker
    from grounding.tasks.table import TASKS

    (tmp_path / "tubelet.yaml").write_text(yaml)
    with pytest.raises(UserErrors, match="tubelet") as caught:
        load_asker(str(tmp_path), TASKS["vtg"], "cpu")
    assert message in str(caught.value)
