"""`scripts/train.py` as a command: mistakes, Ctrl-C, and a whole small run that `scripts/evaluate.py` gives again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grounding.training.evaluation import evaluate_model, read_arguments

Command = Callable[..., "subprocess.CompletedProcess[str]"]
TRAIN = Path(__file__).parents[2] / "scripts" / "train.py"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["traner.max_steps=1"], "traner"),
        (["model=nope"], "Available options in 'model': qwen2_5_vl, tiny"),
        (["trainer.max_steps=soon"], "soon"),
        (["steps"], "steps"),
        (["+trainer.stepps=1"], "trainer.stepps"),
        (["trainer.prompts=0"], "trainer.prompts must be at least 1, got 0"),
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
    while not (run / "checkpoints" / "step-000002").exists() and time.monotonic() < deadline:
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
    assert summary["after"]["count"] == 5
    # So short a run answers nothing that can be read: its figures agree at 0, so the words are compared as well.
    rows = [json.loads(line) for line in (tmp_path / "run" / "predictions_after.jsonl").read_text().splitlines()]
    result, _ = evaluate_model(read_arguments([f"model={tmp_path}/run/model"]).config)
    assert [p.text for p in result.predictions] == [row["text"] for row in rows]
    assert any(row["text"] for row in rows)
