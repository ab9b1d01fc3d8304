"""`scripts/train.py` as a command: mistakes, Ctrl-C, and a whole small run that `scripts/evaluate.py` gives again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grounding.commands.evaluate import evaluate_model, read_arguments
from grounding.core import Masklets, rle, save_masklets, write_video

Command = Callable[..., "subprocess.CompletedProcess[str]"]
TRAIN = Path(__file__).parents[2] / "scripts" / "train.py"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["traner.max_steps=1"], "traner"),
        (["task=tracking"], "Available options in 'task': box, gqa, progress, qa, rvos, stvg, vtg"),
        (["task=stvg", "task.name=vtg"], "'task.name=vtg' is no way to choose a task; give task=NAME"),
        (
            ["task=vtg", "data=scanrefer"],
            "data=scanrefer has no interval or intervals in its truths",
        ),
        (["task=stvg", "task.rewards=seed_bench_r1", "out=run"], "choice_match cannot score the answers of task=stvg"),
        (["task=vtg", "task.rewards=tubelet", "trainer.dry_run=true", "out=run"], "presets that fit: when, time_r1,"),
        (["model=nope"], "Available options in 'model': qwen2_5_vl, tiny"),
        (["trainer.max_steps=soon"], "soon"),
        (["steps"], "steps"),
        (["+trainer.stepps=1"], "trainer.stepps"),
        (["--multirun", "seed=1,2"], "unrecognized arguments: --multirun"),
        (["--config-dir", "/tmp"], "unrecognized arguments: --config-dir"),
        (["hydra.run.dir=made", "seed=1"], "hydra.run.dir=made"),
        (["trainer.prompts=0"], "trainer.prompts must be at least 1, got 0"),
        (["data=charades"], "data=charades has no tube or object_id in its truths (interval), which task=stvg needs"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(command: Command, tmp_path: Path, arguments: list[str], named: str) -> None:
    done = command("train.py", *arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_all_mistakes_of_values_come_at_once(command: Command) -> None:
    done = command("train.py", "data=jsonl", "objective.lr=0")
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 3  # objective.lr, data.root, data.annotations
    assert all(line.startswith("error: ") for line in lines)


def test_the_configuration_is_shown_without_training(command: Command, tmp_path: Path) -> None:
    done = command("train.py", "--cfg", "job", "--resolve", "seed=5")
    assert done.returncode == 0
    assert "seed: 5" in done.stdout.splitlines()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_with_one_line(tmp_path: Path, number: signal.Signals, status: int) -> None:
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, str(TRAIN), "out=run"], cwd=tmp_path, stdout=pipe, stderr=pipe, text=True)
    deadline = time.monotonic() + 300
    while not (tmp_path / "run" / "versions.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)  # then it is about to warm up
    child.send_signal(number)
    _, errors = child.communicate(timeout=300)
    assert child.returncode == status
    assert errors.splitlines()[-1] == "stopped"
    assert "Traceback" not in errors
    assert not (tmp_path / "run" / "summary.json").exists()


def test_a_run_that_was_told_to_stop_is_resumed_from_its_checkpoint(tmp_path: Path) -> None:
    small = ["warmup.max_steps=0", "trainer.max_steps=6", "trainer.prompts=2", "trainer.groups_per_pass=2"]
    sizes = ["objective.generations=2", "model.max_new_tokens=6", "data.eval_samples=2", "trainer.save_steps=2"]
    line = [sys.executable, str(TRAIN), *small, *sizes, "out=run", "resume=latest"]
    pipe = subprocess.PIPE
    child = subprocess.Popen(line, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True)
    run, deadline = tmp_path / "run", time.monotonic() + 300
    while not (run / "grpo" / "checkpoints" / "step-000002").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    child.send_signal(signal.SIGTERM)
    _, errors = child.communicate(timeout=300)
    assert (child.returncode, errors.splitlines()[-1]) == (143, "stopped")
    assert not list(run.rglob(".*.partial"))
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6]
    again = subprocess.run([*line[:-1], "resume=latest"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0
    assert "nothing to resume" in again.stdout


def test_evaluate_gives_the_figures_of_a_run_again(command: Command, tmp_path: Path) -> None:
    small = ["warmup.batch=8", "warmup.max_steps=4", "trainer.max_steps=1", "trainer.prompts=2"]
    sizes = ["trainer.groups_per_pass=1", "objective.generations=2", "data.eval_samples=5", "trainer.eval_batch=2"]
    done = command("train.py", "task=stvg", *small, *sizes, "model.max_new_tokens=24", "out=run")
    assert done.returncode == 0, done.stderr
    again = command("evaluate.py", "model=run/model", "out=again.json")
    assert again.returncode == 0, again.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    figures = json.loads((tmp_path / "again.json").read_text())
    assert figures["metrics"] == summary["after"]
    assert figures["ceilings"] == summary["ceilings"]
    assert figures["controls"] == summary["controls"]
    assert figures["controls"].keys() == {"blind", "other", "constant"}
    assert figures["intervals"]["controls"] == summary["intervals"]["controls"]
    assert all(word in again.stdout for word in ("blind", "other", "constant"))
    assert summary["after"]["count"] == 5
    # So short a run answers nothing that can be read: its figures agree at 0, so the words are compared as well.
    rows = [json.loads(line) for line in (tmp_path / "run" / "predictions_after.jsonl").read_text().splitlines()]
    result, _ = evaluate_model(read_arguments([f"model={tmp_path}/run/model"]).config)
    assert [p.text for p in result.predictions] == [row["text"] for row in rows]
    assert any(row["text"] for row in rows)


def write_hcstvg(root: Path) -> None:
    """Four clips of 2 s in HC-STVG's form, of a square that moves and one that rests; `gone` has no video."""
    rows = {}
    for place, name in enumerate(("a", "b", "c", "gone")):
        masks = np.zeros((2, 16, 84, 84), bool)
        for t in range(16):
            masks[0, t, 10 + place : 30 + place, 2 * t : 2 * t + 20] = masks[1, t, 50:70, 50:70] = True
        tracks = {3: masks[0], 5: masks[1]}
        counts = {i: tuple(rle.encode(mask) for mask in track) for i, track in tracks.items()}
        save_masklets(root / "masks" / f"{name}.masklets.json", Masklets((84, 84), 8.0, np.arange(16) / 8, counts))
        write_video(
            root / "videos" / f"{name}.mp4", (200 * masks.any(axis=0)[..., None].repeat(3, 3)).astype("u1"), 8.0
        )
        boxes = [[2 * t, 10 + place, 20, 20] for t in range(4, 12)]  # of frames 4 to 11, from 0.5 to 1.5 s
        row = {"bbox": boxes, "st_frame": 5, "st_time": 0.5, "ed_time": 1.5, "img_num": 16, "img_size": [84, 84]}
        rows[f"{name}.mp4"] = row | {"English": "The square that moves."}
    (root / "videos" / "gone.mp4").unlink()
    (root / "train.json").write_text(json.dumps(rows))
    (root / "val.json").write_text(json.dumps({name: rows[name] for name in ("b.mp4", "c.mp4")}))


def test_a_run_on_hcstvg_and_its_figures_again(command: Command, tmp_path: Path) -> None:
    write_hcstvg(tmp_path / "hc")
    data = ["data=hcstvg", "data.root=hc/videos", "data.annotations=hc", "data.masklets=hc/masks"]
    splits = ["data.train_split=train", "data.eval_split=val"]
    small = ["warmup.max_steps=0", "trainer.max_steps=1", "trainer.prompts=2", "trainer.groups_per_pass=1"]
    line = ["train.py", "task=stvg", *data, *splits, *small, "objective.generations=2", "model.max_new_tokens=6"]
    stopped = command(*line, "out=run")
    assert (stopped.returncode, stopped.stderr.count("\n")) == (2, 1), stopped.stderr
    assert "train.json, row 4 (gone.mp4): 'gone.mp4' not found in" in stopped.stderr
    assert "or leave the row out with data.on_error=skip" in stopped.stderr
    assert not (tmp_path / "run").exists()
    done = command(*line, "data.on_error=skip", "out=run")
    assert done.returncode == 0, done.stderr
    assert "3 training samples, 2 to evaluate" in done.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["data"], summary["after"]["count"], summary["skipped"]) == ("hcstvg", 2, 1)
    # The squares' own masks and the true times leave nothing to be wished for: frames 4 to 11 with their boxes.
    assert summary["ceilings"]["oracle_id_oracle_time"]["m_vIoU"] == pytest.approx(1.0)
    (left_out,) = [json.loads(row) for row in (tmp_path / "run" / "skipped.jsonl").read_text().splitlines()]
    assert (left_out["row"], left_out["sample_id"]) == (4, "gone.mp4")
    again = command("evaluate.py", "model=run/model", "out=again.json")
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "again.json").read_text())["metrics"] == summary["after"]
