"""What a run tells while it goes: progress on the console, every figure in metrics.jsonl."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from transformers import TrainerCallback

from grounding.core import UserError
from grounding.core.checks import printable, within
from grounding.core.files import write_text
from grounding.core.reading import read_bytes
from grounding.evaluation.curves import parse_metrics

SHOWN = {"loss": "loss", "exact": "exact", "reward": "reward", "parse_rate": "parsed", "frac_reward_zero_std": "flat"}


class RunLog:
    """Writes figures to a file as they come, and shows some of them beside a progress bar.

    Args:
        path: `metrics.jsonl`; one object a line with `phase`, `step` and the figures of that step.
        quiet: Show and write nothing (all processes but the first).
    """

    def __init__(self, path: Path, *, quiet: bool = False) -> None:
        try:
            self.file = (Path(os.devnull) if quiet else path).open("a", encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror or error}") from error
        self.console = Console(quiet=quiet, stderr=False)

    @contextmanager
    def phase(self, name: str, total: int, done: int = 0) -> Iterator[Phase]:
        """A part of the run with a progress bar of its own; `done` steps of it are done already."""
        columns = [
            TextColumn(f"{name:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
        ]
        with Progress(*columns, console=self.console) as bar:
            yield Phase(self, name, bar, bar.add_task("", total=total, completed=done), done)

    def write(self, phase: str, step: int, figures: dict[str, float]) -> None:
        """Append one line; figures that are not finite become null."""
        finite = {k: v if not isinstance(v, float) or math.isfinite(v) else None for k, v in figures.items()}
        try:
            self.file.write(json.dumps({"phase": phase, "step": step, **finite}) + "\n")
            self.file.flush()
        except OSError as error:
            raise UserError(f"cannot write {self.file.name}: {error.strerror or error}; free some space") from error

    def table(self, title: str, columns: list[str], rows: Iterable[list[str]]) -> None:
        """Show a table."""
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def say(self, line: str) -> None:
        """Show a line."""
        self.console.print(printable(line), highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        """Close the file."""
        with suppress(
            OSError
        ):  # every line is flushed when it is written; what is left could not be, and `write` said so
            self.file.close()


class Phase:
    """A running part of a run: call it with each step's figures, or wrap an iteration."""

    def __init__(self, log: RunLog, name: str, bar: Progress, task: TaskID, step: int) -> None:
        self.log, self.name, self.bar, self.task, self.step = log, name, bar, task, step

    def __call__(self, figures: dict[str, float]) -> None:
        """Record the figures of one more step."""
        self.step += 1
        self.log.write(self.name, self.step, figures)
        shown = "  ".join(f"{label} {figures[key]:.3f}" for key, label in SHOWN.items() if figures.get(key) is not None)
        self.bar.update(self.task, completed=self.step, description=shown)

    def at(self, done: int, total: int) -> None:
        """Move the bar to where so much of all is done."""
        self.bar.update(self.task, completed=done, total=total)

    def over(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the items, moving the bar."""
        for item in items:
            yield item
            self.bar.advance(self.task)


def cut_metrics(path: Path, last: Mapping[str, float]) -> dict[str, set[int]]:
    """Remove what a stopped run wrote after the point that it is resumed from.

    Args:
        path: `metrics.jsonl`; its last line may be half-written.
        last: Last step to keep of each phase; phases that are not named go.

    Returns:
        The steps that were kept, by phase.

    Raises:
        UserError: Naming file and row of a line that holds no figures; or if the file cannot be read or written.
    """
    steps: dict[str, set[int]] = {}
    if not path.exists():
        return steps
    kept = []
    for row, line in enumerate(read_bytes(path, "metrics").rpartition(b"\n")[0].split(b"\n"), start=1):
        if line.strip():
            with within(f"{path}, row {row}"):
                step, phase, _ = parse_metrics(line)
            if step <= last.get(phase, 0):
                kept.append(line.decode() + "\n")
                steps.setdefault(phase, set()).add(step)
    write_text(path, "".join(kept), overwrite=True)
    return steps


class LogCallback(TrainerCallback):
    """Hands TRL's figures to a `Phase`, or whatever else takes them."""

    def __init__(self, phase: Callable[[dict[str, float]], None]) -> None:
        self.phase = phase

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """One optimizer step's figures; the closing summary of the whole training is left out."""
        if logs and "learning_rate" in logs:
            self.phase({name: float(value) for name, value in logs.items() if isinstance(value, (int, float))})
