"""Checkpoints are whole or absent; the last few and the best stay."""

from __future__ import annotations

import json
import resource
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import PartialState
from safetensors.torch import save_file

from grounding.core import UserError
from grounding.jobs.checkpoints import NOTE, STATE, Checkpoint, Checkpoints


def save(checkpoints: Checkpoints, step: int, reward: float | None) -> None:
    with checkpoints.saving(step, reward) as folder:
        (folder / "weights").write_text(f"of step {step}")


def steps(checkpoints: Checkpoints) -> list[int]:
    return [checkpoint.step for checkpoint in checkpoints.found()]


def test_the_last_ones_and_the_best_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    assert checkpoints.latest() is None
    kept = []
    for step, reward in [(2, 0.1), (4, 0.9), (6, 0.3), (8, 0.5), (10, 0.9), (12, None), (14, 0.2), (16, 0.1)]:
        save(checkpoints, step, reward)
        kept.append(steps(checkpoints))
    # 4 is the best until 10 is as good and newer.
    assert kept == [[2], [2, 4], [4, 6], [4, 6, 8], [8, 10], [10, 12], [10, 12, 14], [10, 14, 16]]
    newest = checkpoints.latest()
    assert newest is not None
    assert (newest.step, newest.reward, newest.path.name) == (16, 0.1, "step-000016")
    assert (newest.path / "weights").read_text() == "of step 16"
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["step-000010", "step-000014", "step-000016"]


def test_without_rewards_only_the_last_ones_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1)
    for step in (1, 2, 3):
        save(checkpoints, step, None)
    assert steps(checkpoints) == [3]


def test_what_a_kill_left_is_no_checkpoint_and_goes(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=3)
    save(checkpoints, 1, 0.0)
    for name in (".step-000002.partial", ".step-000000.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / NOTE).write_text(note(step=9))
    assert steps(checkpoints) == [1]
    save(checkpoints, 3, 0.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000001", "step-000003"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_a_save_that_is_interrupted_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1)
    save(checkpoints, 1, 0.5)
    with pytest.raises(error), checkpoints.saving(2, 0.9) as folder:
        (folder / "half").write_text("h")
        raise error
    assert steps(checkpoints) == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]


def whole(tmp_path: Path, state: str = '{"global_step": 2, "log_history": [{"loss": 0.5}]}') -> Checkpoint:
    """A checkpoint of step 2 with the files of one process."""
    checkpoints = Checkpoints(tmp_path, keep=1)
    with checkpoints.saving(2, 0.5) as folder:
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "global_step2/rank_1_states.pt"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("moments")
        (folder / STATE).write_text(state)
    found = checkpoints.latest()
    assert found is not None
    return found


def test_a_checkpoint_is_gone_on_from_by_as_many_processes(tmp_path: Path) -> None:
    checkpoint = whole(tmp_path)
    checkpoint.check(1)
    with pytest.raises(UserError, match="was saved by 1 processes, and 2 would go on; launch as many"):
        checkpoint.check(2)


def test_one_that_trains_alone_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forever(self: PartialState) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr(PartialState, "num_processes", property(lambda self: 2), raising=False)
    monkeypatch.setattr(PartialState, "wait_for_everyone", forever)
    checkpoints = Checkpoints(tmp_path, keep=1, alone=True)
    save(checkpoints, 1, None)
    newest = checkpoints.latest()
    assert newest is not None
    assert (newest.processes, checkpoints.processes, Checkpoints(tmp_path, keep=1).processes) == (1, 1, 2)


@pytest.mark.parametrize(
    "name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", STATE, "global_step2/rank_1_states.pt"]
)
def test_a_checkpoint_that_lacks_a_file_is_refused(tmp_path: Path, name: str) -> None:
    checkpoint = whole(tmp_path)
    file = checkpoint.path / name
    file.write_text(file.read_text()[:-1] + "?")
    with pytest.raises(UserError, match=f"no longer whole: {name} missing or changed"):
        checkpoint.check(1)
    file.write_text(file.read_text()[:-1])
    with pytest.raises(
        UserError, match=rf"step-000002 is no longer whole: {name} missing or changed; remove the folder"
    ):
        checkpoint.check(1)
    file.unlink()
    with pytest.raises(UserError, match=f"no longer whole: {name} missing or changed"):
        checkpoint.check(1)
    file.mkdir()
    with pytest.raises(UserError, match=f"no longer whole: {name} missing or changed"):
        checkpoint.check(1)


@pytest.mark.parametrize(
    "state",
    [
        *("", "{", "[]", "{}", "null", "[" * 100_000, '{"global_step": 3}', '{"global_step": 2, "unheard": 1}'),
        *('{"global_step": "2"}', '{"global_step": 2, "log_history": 5}', '{"global_step": 2, "log_history": [5]}'),
        '{"global_step": 2, "global_step": 2}',
    ],
)
def test_a_damaged_state_is_one_line(tmp_path: Path, state: str) -> None:
    with pytest.raises(UserError, match=r"trainer_state\.json is damaged.*remove the folder") as caught:
        whole(tmp_path, state).check(1)
    assert "\n" not in str(caught.value)


def test_a_large_file_is_known_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grounding.jobs.checkpoints.LARGE", 7)
    checkpoint = whole(tmp_path)
    assert checkpoint.files["optimizer.pt"] == (7, zlib.crc32(b"moments"))
    assert checkpoint.files[STATE][1] is None
    checkpoint.check(1)


@contextmanager
def small_disk() -> Iterator[None]:
    """No file may grow beyond 10 kB: what a full disk does to a writer, without filling one.

    No fixture: pytest itself writes between a test and its teardown, perhaps to a log that is longer.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("how", ["torch", "safetensors", "python"])
def test_a_full_disk_is_one_line_and_the_older_checkpoint_stays(tmp_path: Path, how: str) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1)
    save(checkpoints, 1, 0.5)
    numbers = torch.arange(20_000.0)
    expected = pytest.raises(UserError, match=r"cannot write .*step-000002.*intact; free some space")
    with small_disk(), expected as caught, checkpoints.saving(2, 0.9) as folder:
        if how == "torch":
            torch.save(numbers, folder / "large")
        elif how == "safetensors":
            save_file({"x": numbers}, folder / "large")
        else:
            (folder / "large").write_bytes(numbers.numpy().tobytes())
    assert "\n" not in str(caught.value)
    assert steps(checkpoints) == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]


def note(**changes: Any) -> str:
    return json.dumps({"step": 2, "reward": 0.5, "processes": 1, "files": {}} | changes)


@pytest.mark.parametrize(
    "note",
    [
        *("{", "{}", "[]", "7", "[" * 100_000, note(step="x"), note(step=3), note(step=2.0), note(reward="high")),
        *(note(reward=[1]), note(processes=0), note(files=[]), note(files={"a": "bc"}), note(files=None)),
        *(note(files={"a": 1}), note(files={"a": [1]}), note(files={"a": [-1, 2]})),
        '{"step": 2, "reward": NaN, "processes": 1, "files": {}}',
        '{"step": 2, "reward": 1}',
    ],
)
def test_a_damaged_note_is_one_line(tmp_path: Path, note: str) -> None:
    (tmp_path / "step-000002").mkdir()
    (tmp_path / "step-000002" / NOTE).write_text(note)
    with pytest.raises(UserError, match="remove the folder") as caught:
        Checkpoints(tmp_path, 1).latest()
    assert "\n" not in str(caught.value)
