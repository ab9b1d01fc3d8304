"""`scripts/validate_data.py` as a command, on generated data in several schemas."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from grounding.core import UserError, write_video

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "validate_data.py"
    spec = importlib.util.spec_from_file_location("validate_data", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def charades(tmp_path: Path) -> Path:
    """Three rows of a video of 2 s, one of them reversed and one too long; one of a video that is not there."""
    write_video(tmp_path / "videos" / "AAAAA.mp4", [np.zeros((32, 48, 3), np.uint8)] * 20, 10.0)
    lines = ["AAAAA 0.0 1.0##a", "AAAAA 1.5 0.5##b", "AAAAA 1.0 2.5##c", "BBBBB 0 1##d"]
    (tmp_path / "test.txt").write_text("\n".join(lines))
    (tmp_path / "Charades_v1_test.csv").write_text("id,length\nAAAAA,2.0\n")
    other = {"AAAAA": {"duration": 2, "timestamps": [[0, 1]], "sentences": ["x"]}}
    (tmp_path / "train.json").write_text(json.dumps(other))
    return tmp_path


@pytest.mark.slow
def test_a_dirty_dataset_is_reported(command: Command, charades: Path, tmp_path: Path) -> None:
    arguments = ["data=charades", "data.annotations=test.txt", "data.root=videos", "against=train.json", "out=r.json"]
    done = command("validate_data.py", *arguments)
    assert done.returncode == 0, done.stderr
    assert "wrote r.json: 3 of 4 rows make samples, 3 findings" in done.stdout
    assert "rejected (reversed): row 2 (AAAAA_1): span [1.5, 0.5] s ends before it starts" in done.stderr
    assert "clamped (beyond): row 3 (AAAAA_2)" in done.stderr
    assert "'BBBBB.mp4' not found" in done.stderr
    assert "leakage: 1 videos are in train.json, too" in done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert {(one["kind"], one["action"], one["rows"]) for one in report["counts"]} == {
        ("reversed", "rejected", 1),
        ("beyond", "clamped", 1),
        ("video", "kept", 1),
    }
    assert report["videos"] == {"named": 2, "good": 1, "missing": 1}
    assert report["leakage"] == {"train.json": ["AAAAA.mp4"]}
    assert [one["amount"] for one in report["findings"] if one["kind"] == "beyond"] == [0.5]  # 2.5 - 2


@pytest.mark.slow
def test_policies_and_no_videos(command: Command, charades: Path, tmp_path: Path) -> None:
    common = ["data=charades", "data.annotations=test.txt", "data.root=videos", "--no-videos"]
    done = command("validate_data.py", *common, "data.cleaning.reversed=clamp", "data.cleaning.beyond=reject")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "validation_charades.json").read_text())
    assert (report["rows"], report["kept"], report["videos"]) == (4, 3, {"named": 2})
    assert sorted((one["kind"], one["action"]) for one in report["findings"]) == [
        ("beyond", "rejected"),
        ("reversed", "clamped"),
    ]


@pytest.mark.slow
def test_no_sign_of_the_data_steers_the_terminal(command: Command, tmp_path: Path) -> None:
    good = {"qid": "1", "query": "a", "vid": "v", "duration": 3, "relevant_windows": [[0, 1]]}
    red = {"qid": "\x1b[31mred", "vid": "\x1b]0;title\x07", "relevant_windows": [["\x1b[2J", 1]]}
    rows = [good, *({**good, "qid": f"bad{key}", key: value} for key, value in red.items())]
    (tmp_path / "\x1b[31ma.jsonl").write_text("\n".join(map(json.dumps, rows)))
    options = ["data=qvhighlights", "data.annotations=\x1b[31ma.jsonl", "against=\x1b[31ma.jsonl", "--no-videos"]
    done = command("validate_data.py", *options, "out=\x1b[32mr.json")
    assert done.returncode == 0, done.stderr
    assert "\x1b[31m" not in done.stdout + done.stderr and "\x1b[32m" not in done.stdout
    assert not any(sign in done.stdout + done.stderr for sign in ("\x07", "\x1b]", "\x1b[2J"))
    assert "wrote \\x1b[32mr.json: 1 of 4 rows" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "link", "dangling", "folder"])
def test_what_is_there_stays(command: Command, charades: Path, kind: str) -> None:
    out = charades / "r.json"
    if kind == "folder":
        out.mkdir()
    elif kind == "file":
        out.write_text("mine")
    else:
        out.symlink_to(charades / ("test.txt" if kind == "link" else "nowhere"))
    before = (charades / "test.txt").read_text()
    done = command("validate_data.py", "data=charades", "data.annotations=test.txt", "--no-videos", "out=r.json")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert (charades / "test.txt").read_text() == before and not (charades / "nowhere").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["data=charades"], "data.annotations=... is missing"),
        (["data.annotations=test.txt"], "data=... is missing"),
        (["data=charade", "data.annotations=test.txt"], "there is no dataset 'charade'"),
        (["data=charades", "data.annotations=none.txt"], "is neither a file nor a folder"),
        (["data=charades", "data.annotations=test.txt", "data.fps=2"], "there is no option 'data.fps=2'"),
        (["data=charades", "data.annotations=test.txt", "loud"], "there is no option 'loud'"),
        (["data=charades", "data.annotations=test.txt", "data.cleaning.x=keep"], "there is no data.cleaning.x"),
        (["data=charades", "data.annotations=test.txt", "data.cleaning.box=no"], "cleaning.box must be one of"),
        (["data=charades", "data.annotations=test.txt", "out=test.txt"], "test.txt exists already"),
        (["data=charades", "data.annotations=test.txt", "data.masklets=."], "is read for data=vidstg only"),
    ],
)
def test_mistakes_are_one_line_and_status_2(command: Command, charades: Path, arguments: list[str], named: str) -> None:
    done = command("validate_data.py", *arguments)
    assert done.returncode == 2 and named in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.slow
def test_help(command: Command) -> None:
    done = command("validate_data.py", "--help")
    assert done.returncode == 0 and "data.cleaning.KIND=ACTION" in done.stdout


def test_own_rows_are_validated_too(script: ModuleType, tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", [np.zeros((32, 48, 3), np.uint8)] * 10, 10.0)
    masks = tmp_path / "masks"
    masks.mkdir()
    for frame in range(10):
        labels = np.zeros((32, 48), np.uint8)
        labels[4:14, 4:14] = 1
        Image.fromarray(labels).save(masks / f"{frame:05}.png")
    row = {"id": "a", "video": "v.mp4", "query": "q", "interval": [0, 0.5], "masklets": "masks", "object_id": 1}
    rows = [row, {**row, "id": "b", "object_id": 9}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    opened = script.own(tmp_path, "a.jsonl", None, "stvg")
    assert ([one.id for one in opened.samples], opened.rows) == (["a"], 2)
    (found,) = opened.findings
    assert (found.row, found.action) == (2, "rejected") and "object_id 9 is not in the masks" in found.message


def test_own_rows_are_validated_for_a_task(command: Command, tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", [np.zeros((32, 48, 3), np.uint8)] * 10, 10.0)
    row = {"id": "a", "video": "v.mp4", "query": "Fold it.", "segment": [0, 0.5], "number": 0}
    rows = [row, {**row, "id": "b", "segment": [0, 1]}, {**row, "id": "c", "number": 300}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = command("validate_data.py", "data=jsonl", "data.annotations=a.jsonl", "data.root=.", "task=progress")
    assert done.returncode == 0 and "2 of 3 rows make samples, 1 findings" in done.stdout
    assert "row 3 (c): a progress must be 0 to 100 (percent)" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data": "jsonl", "task": "none"}, "there is no task 'none'; known: stvg, "),
        ({"data": "charades", "task": "vtg"}, "task is for data=jsonl"),
    ],
)
def test_only_rows_of_ones_own_are_for_a_task(script: ModuleType, options: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        script.opened_of({"data.annotations": "a.jsonl", **options})


@pytest.mark.parametrize("option", ["data.cleaning.box", "data.masklets"])
def test_options_that_rows_of_ones_own_do_not_know_are_refused(script: ModuleType, option: str) -> None:
    with pytest.raises(UserError, match=r"data=jsonl has no data\.cleaning and no data\.masklets"):
        script.opened_of({"data": "jsonl", "data.annotations": "a.jsonl", option: "keep"})


def test_vidstg_gets_its_boxes(script: ModuleType, tmp_path: Path) -> None:
    span = {"begin_fid": 1, "end_fid": 3}
    entry = {"vid": "77", "fps": 10, "frame_count": 4, "width": 64, "height": 36, "temporal_gt": span}
    entry |= {"used_segment": {"begin_fid": 0, "end_fid": 3}}
    entry["captions"] = [{"description": name, "target_id": target} for name, target in (("a", 0), ("b", 5))]
    (tmp_path / "a.json").write_text(json.dumps([entry, {**entry, "vid": "78"}]))
    box = {"tid": 0, "bbox": {"xmin": 1, "ymin": 2, "xmax": 11, "ymax": 12}}
    (tmp_path / "vidor" / "0001").mkdir(parents=True)
    (tmp_path / "vidor" / "0001" / "77.json").write_text(json.dumps({"trajectories": [[box]] * 4}))
    options = {"data": "vidstg", "data.annotations": str(tmp_path / "a.json"), "data.masklets": str(tmp_path / "vidor")}
    opened = script.opened_of(options)
    tubes = [one.truth.tube for one in opened.samples]
    assert tubes[0].boxes.tolist() == [[1, 2, 11, 12]] * 2 and tubes[1:] == [None] * 3
    assert [one.sample_id for one in opened.findings] == ["0_c1", "1_c0", "1_c1"]


def test_annotations_of_other_splits_and_benchmarks(script: ModuleType, charades: Path) -> None:
    path = charades / "train.json"
    others = script.others_of(f"{path},activitynet:{path}", "charades")
    assert [len(samples) for samples in others.values()] == [1, 1]
    assert script.others_of("", "charades") == {}
    with pytest.raises(UserError):
        script.others_of("none.json", "charades")


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_official_charades_test_split(command: Command, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "vtg" / "charades"
    done = command("validate_data.py", "data=charades", f"data.annotations={folder}", "data.split=test", "--no-videos")
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "validation_charades.json").read_text())
    assert report["counts"] == [{"kind": "beyond", "action": "clamped", "rows": 562}]
