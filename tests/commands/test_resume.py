"""A run that is killed at any moment and resumed ends bit-equal to one that was not."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from grounding.jobs.checkpoints import Checkpoints

# Figures of the work done, not of what came of it: a kept feature is encoded again after a resume.
TIMING = ("seconds/", "tokens_per_second", "step_time", "profiling/", "vision/")
Start = Callable[..., Any]


@pytest.fixture(scope="module")
def start() -> Start:
    """`start(out, group={"option": value})` begins or resumes the small run in a process of its own."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(Path(__file__).parent))
    patch.setenv("PYTHONPATH", str(Path(__file__).parent))  # for the server, which imports before it is told sys.path
    from small_run import go

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["small_run"])  # imports once, not once a kill

    def begin(out: Path, **changes: dict[str, Any]) -> Any:
        process = context.Process(target=go, args=(out, changes))
        process.start()
        return process

    return begin


def finish(start: Start, out: Path, **changes: dict[str, Any]) -> None:
    process = start(out, **changes)
    process.join()
    assert process.exitcode == 0
    assert (out / "summary.json").exists()


def without_timing(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith(TIMING)}


def rows(path: Path) -> list[dict[str, Any]]:
    return [without_timing(json.loads(line)) for line in path.read_text().splitlines()]


def assert_equal_runs(one: Path, other: Path) -> None:
    for name in ("warmup/model", "model"):
        if (one / name).exists():
            a, b = (load_file(out / name / "model.safetensors") for out in (one, other))
            assert a.keys() == b.keys()
            assert all(torch.equal(a[key], b[key]) for key in a), name
    assert rows(one / "metrics.jsonl") == rows(other / "metrics.jsonl")
    for name in ("predictions_before.jsonl", "predictions_after.jsonl"):
        assert (one / name).read_text() == (other / name).read_text()
    for stage in ("warmup", "grpo"):
        found = [Checkpoints(out / stage / "checkpoints", 1).found() for out in (one, other)]
        assert [c.step for c in found[0]] == [c.step for c in found[1]]
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        with torch.serialization.safe_globals([*_numpy_types()]):
            x, y = (torch.load(its[-1].path / name, weights_only=True) for its in found)
        assert flat(x) == flat(y), name


def _numpy_types() -> list[Any]:
    from transformers.trainer_pt_utils import safe_globals

    with safe_globals():
        return torch.serialization.get_safe_globals()


def flat(value: Any) -> Any:
    """Tensors and arrays as bytes, so that == compares everything exactly."""
    if isinstance(value, dict):
        return {key: flat(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [flat(inner) for inner in value]
    return value.numpy().tobytes() if isinstance(value, torch.Tensor) else getattr(value, "tobytes", lambda: value)()


@pytest.fixture(scope="module")
def uninterrupted(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    finish(start, out)
    return out


def test_the_uninterrupted_run_learns_and_keeps_the_last_checkpoints(uninterrupted: Path) -> None:
    grpo = [row for row in rows(uninterrupted / "metrics.jsonl") if row["phase"] == "grpo"]
    assert [row["step"] for row in grpo] == [1, 2, 3, 4, 5, 6]
    assert sum(row["grad_norm"] > 0 for row in grpo) >= 3
    found = Checkpoints(uninterrupted / "grpo" / "checkpoints", 2).found()
    assert [checkpoint.step for checkpoint in found][-2:] == [4, 6]
    # The mean reward of steps 3 and 4, as the run logged it.
    assert found[-2].reward == pytest.approx((grpo[2]["reward"] + grpo[3]["reward"]) / 2)
    assert not list(uninterrupted.rglob("training_args.bin"))


def test_killed_in_the_warm_up(start: Start, uninterrupted: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    folder = out / "warmup" / "checkpoints"
    kill_when(start(out), lambda: any(folder.glob(".step-000002.partial/*")))
    assert Checkpoints(folder, 1).latest() is None
    kill_when(start(out), (folder / "step-000002").exists)
    before = (folder / "step-000002").stat().st_mtime_ns
    kill_when(start(out), lambda: any((out / "warmup").glob(".model.partial/*")))
    assert not (out / "warmup" / "model").exists()
    finish(start, out)
    assert (folder / "step-000002").stat().st_mtime_ns == before  # it was not begun again
    assert_equal_runs(uninterrupted, out)


def kill_when(process: Any, condition: Callable[[], bool], then_wait: float = 0.0) -> None:
    while process.is_alive() and not condition():
        time.sleep(0.001)
    time.sleep(then_wait)
    process.kill()
    process.join()


def test_killed_in_a_save_after_it_and_at_the_end(start: Start, uninterrupted: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    folder = out / "grpo" / "checkpoints"
    kill_when(start(out), lambda: any(folder.glob(".step-000002.partial/*")))
    assert Checkpoints(folder, 1).latest() is None
    kill_when(start(out), lambda: (folder / "step-000002").exists(), 0.1)
    kill_when(start(out), lambda: any(folder.glob(".step-000006.partial/checkpoint-6/model*")))
    newest = Checkpoints(folder, 1).latest()
    assert newest is not None
    assert newest.step == 4
    kill_when(start(out), (out / "model").exists)
    finish(start, out)
    assert_equal_runs(uninterrupted, out)


@pytest.mark.slow
def test_killed_twenty_times(start: Start, uninterrupted: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    chance = random.Random(0)
    kills = 0
    for number in range(1000):
        process = start(out)
        # Longer and longer, for a run that is always killed at once would never end.
        process.join(chance.uniform(0.0, 0.5 + 0.15 * number))
        if process.exitcode is not None:
            if kills >= 20:
                break
            assert_equal_runs(uninterrupted, out)
            shutil.rmtree(out)
            continue
        process.kill()
        process.join()
        kills += 1
    assert kills >= 20
    assert_equal_runs(uninterrupted, out)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"objective": {"iterations": 2}, "model": {"freeze_vision": True}},
        {"model": {"lora_rank": 2}, "objective": {"beta": 0.04}},
        {"objective": {"beta": 0.04}},
        {"mask": {"shape": "linear", "buckets": None}, "data": {"fps": 4.0, "eval_samples": 3}},
    ],
    ids=["two updates a generation", "adapter", "reference", "masked"],
)
def test_other_ways_of_training_resume_too(start: Start, tmp_path: Path, changes: Any) -> None:
    changes = {**changes, "warmup": {"max_steps": 0}}
    finish(start, tmp_path / "whole", **changes)
    out = tmp_path / "killed"
    kill_when(start(out, **changes), (out / "grpo" / "checkpoints" / "step-000004").exists)
    finish(start, out, **changes)
    assert_equal_runs(tmp_path / "whole", out)


def test_a_complete_run_is_left_as_it_is(start: Start, uninterrupted: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*") if path.is_file()}
    process = start(uninterrupted)
    process.join()
    assert process.exitcode == 0
    assert {path: path.stat().st_mtime_ns for path in uninterrupted.rglob("*") if path.is_file()} == before
