"""Checkpoints of a run: each whole or absent, the last few and the best of them kept."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from accelerate import PartialState
from safetensors import SafetensorError
from transformers import TrainerState

from grounding.core import UserError
from grounding.core.checks import number, whole
from grounding.core.reading import read_json
from grounding.policies.saving import partial_of, whole_folder, writing

NOTE = "checkpoint.json"  # in each checkpoint, written last: what a `Checkpoint` knows
STATE = "trainer_state.json"  # transformers' own note
LARGE = 1 << 26  # bytes; larger files are known by their size alone, for reading all of a large model takes minutes
Mark = tuple[int, int | None]
_REMEDY = "remove the folder to go on from the checkpoint before it"
_FOREIGN = (LookupError, RuntimeError, ValueError, TypeError, AttributeError)  # of what holds something else
_NAME = re.compile(r"step-\d{6,12}")


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint.

    Args:
        path: Its folder.
        step: Optimizer steps taken.
        reward: Mean reward of the steps since the checkpoint before; None if none was known.
        processes: How many wrote it, each its own part.
        files: How to know every file in it again, by the path within: its bytes, and its CRC-32 unless it is large.
    """

    path: Path
    step: int
    reward: float | None
    processes: int
    files: dict[str, Mark]

    def check(self, processes: int) -> None:
        """See to it that a run of so many processes can go on from it as if it had never stopped.

        What trains on without a file of it (the optimizer's moments, a process's random numbers) becomes another model.

        Raises:
            UserError: Naming what is missing or damaged.
        """
        found = _files(self.path)
        wrong = [name for name, mark in self.files.items() if found.get(name) != mark]
        if wrong:
            some = ", ".join(wrong[:5]) + (", ..." if len(wrong) > 5 else "")
            raise UserError(f"{self.path} is no longer whole: {some} missing or changed; {_REMEDY}")
        if self.processes != processes:
            raise UserError(
                f"{self.path} was saved by {self.processes} processes, and {processes} would go on; launch as many"
            )
        try:
            state = TrainerState(**read_json(self.path / STATE, "state"))
        except (UserError, TypeError) as error:
            raise UserError(f"{self.path / STATE} is damaged ({error}); {_REMEDY}") from error
        logged = state.log_history
        if state.global_step != self.step or not (
            isinstance(logged, list) and all(isinstance(x, dict) for x in logged)
        ):
            raise UserError(f"{self.path / STATE} is damaged: it is not that of step {self.step}; {_REMEDY}")


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints `step-N` of a folder.

    Args:
        folder: Made with the first checkpoint.
        keep: The last so many stay, and the one with the highest reward.
        alone: Whether the first process trains while the others wait for its end; else all write their parts.
    """

    folder: Path
    keep: int
    alone: bool = False

    @property
    def processes(self) -> int:
        """How many write a checkpoint."""
        return 1 if self.alone else PartialState().num_processes

    def found(self) -> list[Checkpoint]:
        """All whole checkpoints, oldest first.

        Raises:
            UserError: If the note of one cannot be read.
        """
        if not self.folder.exists():
            return []
        found = [_read(path) for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda checkpoint: checkpoint.step)

    def latest(self) -> Checkpoint | None:
        """The newest whole checkpoint."""
        return next(reversed(self.found()), None)

    @contextmanager
    def saving(self, step: int, reward: float | None) -> Iterator[Path]:
        """Give all that write a folder to write to; it becomes the checkpoint of the step when the block ends well.

        Raises:
            UserError: If the disk is full or not writable; older checkpoints are as they were.
        """
        first, path = PartialState().is_main_process, self.folder / f"step-{step:06d}"
        if first:
            self.clean()
        with whole_folder(path) if self.alone else shared_folder(path) as partial:
            yield partial
            if not self.alone:
                PartialState().wait_for_everyone()
            if first:
                note = {"step": step, "reward": reward, "processes": self.processes}
                text = json.dumps({**note, "files": _files(partial)}, indent=1)
                (partial / NOTE).write_text(text + "\n", encoding="utf-8")
        if first:
            self._prune()

    def clean(self) -> None:
        """Remove what a killed process left half-written or half-removed."""
        for path in self.folder.glob(".step-*"):
            shutil.rmtree(path)

    def _prune(self) -> None:
        found = self.found()
        kept = found[-self.keep :]
        scored = [checkpoint for checkpoint in found if checkpoint.reward is not None]
        if scored:
            kept = [*kept, max(scored, key=lambda c: (c.reward, c.step))]
        for checkpoint in found:
            if checkpoint not in kept:
                # Renamed first: a folder that is half removed must not look like a whole one.
                doomed = checkpoint.path.rename(self.folder / f".{checkpoint.path.name}.old")
                shutil.rmtree(doomed)


@contextmanager
def reading(checkpoint: str | Path | None) -> Iterator[None]:
    """Say in one line why a checkpoint cannot be gone on from, whichever library reads it.

    Raises:
        UserError: If it is damaged, or another program's.
    """
    try:
        yield
    except (OSError, SafetensorError, pickle.UnpicklingError, EOFError, *_FOREIGN) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"cannot read the checkpoint {checkpoint}: {why}; remove it to resume before it") from error


@contextmanager
def shared_folder(path: Path) -> Iterator[Path]:
    """`whole_folder` for all processes of a run: each may write to it, and it appears when all of them are done."""
    state = PartialState()
    with writing(path), whole_folder(path) if state.is_main_process else nullcontext(partial_of(path)) as partial:
        state.wait_for_everyone()
        yield partial
        state.wait_for_everyone()


def _files(folder: Path) -> dict[str, Mark]:
    """The mark of every file in a folder but the note, by the path within."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / NOTE)
    return {str(path.relative_to(folder)): _mark(path) for path in paths}


def _mark(path: Path) -> Mark:
    size = path.stat().st_size
    return size, zlib.crc32(path.read_bytes()) if size <= LARGE else None


def _read(path: Path) -> Checkpoint:
    try:
        note = read_json(path / NOTE, "note")
        step, reward, processes, files = (note[key] for key in ("step", "reward", "processes", "files"))
        if path.name != f"step-{whole(step, 'step'):06d}":
            raise UserError(f"it is of step {step}")
        reward = None if reward is None else number(reward, "reward")
        marks = {str(name): (whole(size, "size"), crc) for name, (size, crc) in files.items()}
        return Checkpoint(path, step, reward, whole(processes, "processes", 1), marks)
    except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path / NOTE} is no note of a checkpoint ({error}); remove the folder {path}") from error
