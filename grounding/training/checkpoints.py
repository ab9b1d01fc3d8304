"""Checkpoints of a run: each whole or absent, the last few and the best of them kept."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from accelerate import PartialState

from grounding.core import UserError
from grounding.policies.saving import partial_of, whole_folder, writing

NOTE = "checkpoint.json"  # in each checkpoint: its step and mean reward
_NAME = re.compile(r"step-\d{6,12}")


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint.

    Args:
        path: Its folder.
        step: Optimizer steps taken.
        reward: Mean reward of the steps since the checkpoint before; None if none was known.
    """

    path: Path
    step: int
    reward: float | None


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints `step-N` of a folder.

    Args:
        folder: Made with the first checkpoint.
        keep: The last so many stay, and the one with the highest reward.
    """

    folder: Path
    keep: int

    def found(self) -> list[Checkpoint]:
        """All whole checkpoints, oldest first.

        Raises:
            UserError: If the note of one cannot be read.
        """
        if not self.folder.is_dir():
            return []
        found = [_read(path) for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(found, key=lambda checkpoint: checkpoint.step)

    def latest(self) -> Checkpoint | None:
        """The newest whole checkpoint."""
        return next(reversed(self.found()), None)

    @contextmanager
    def saving(self, step: int, reward: float | None) -> Iterator[Path]:
        """Give every process a folder to write to; it becomes the checkpoint of the step when the block ends well.

        Raises:
            UserError: If the disk is full or not writable; older checkpoints are as they were.
        """
        first = PartialState().is_main_process
        if first:
            self.clean()
        with shared_folder(self.folder / f"step-{step:06d}") as partial:
            yield partial
            if first:
                (partial / NOTE).write_text(json.dumps({"step": step, "reward": reward}) + "\n", encoding="utf-8")
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
def shared_folder(path: Path) -> Iterator[Path]:
    """`whole_folder` for all processes of a run: each may write to it, and it appears when all of them are done."""
    state = PartialState()
    with writing(path), whole_folder(path) if state.is_main_process else nullcontext(partial_of(path)) as partial:
        state.wait_for_everyone()
        yield partial
        state.wait_for_everyone()


def _read(path: Path) -> Checkpoint:
    try:
        note = json.loads((path / NOTE).read_text(encoding="utf-8"))
        reward = note["reward"]
        return Checkpoint(path, int(note["step"]), None if reward is None else float(reward))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path / NOTE} is no note of a checkpoint ({error}); remove the folder {path}") from error
