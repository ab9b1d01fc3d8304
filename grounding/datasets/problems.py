"""What is wrong with a row of an annotation file: said in one line, and kept in `skipped.jsonl` where it is skipped."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from grounding.core.checks import printable
from grounding.core.errors import UserError, UserErrors
from grounding.core.files import write_text

TOLD = 100  # bad rows that are told of when they stop; a file that is no annotations has thousands
TOLD_OF_ALL = 10  # the same where no row is good, for then one mistake is behind all


@dataclass(frozen=True)
class Problem:
    """One broken row.

    Args:
        file: The annotation file, as the user named it.
        row: Line number in that file, 1-based, blank lines counted: what an editor shows.
        sample_id: The row's id, or None where it has none that can be read.
        message: Everything that is wrong with the row, and how to mend it.
    """

    file: str
    row: int
    sample_id: str | None
    message: str

    def line(self) -> str:
        """The problem in one printable line: `annotations.jsonl, row 3 (schoolgirls_02): ...`."""
        named = f" ({self.sample_id})" if self.sample_id is not None else ""
        return printable(f"{self.file}, row {self.row}{named}: {' '.join(self.message.split())}")


@contextlib.contextmanager
def collecting(errors: list[str]) -> Iterator[None]:
    """Append the message of a user's mistake to `errors` and go on after the block, so that more can be found."""
    try:
        yield
    except UserErrors as found:
        errors.extend(found.errors)
    except UserError as found:
        errors.append(str(found))


def settle(
    problems: list[Problem], notes: list[Problem], *, good: int, rows: int, file: str, on_error: Literal["stop", "skip"]
) -> None:
    """Put what was found into the order of the file, and stop if that is wanted or no row is good.

    Args:
        problems: The bad rows.
        notes: Findings about rows that can be used.
        good: How many rows can be used.
        rows: How many there are in all.
        file: The annotation file, as the user named it.
        on_error: Whether bad rows stop, or are left out.

    Raises:
        UserErrors: If rows are bad and `on_error` is "stop": a line for each of the first 100, or of the first 10 where
            no row is good, and what can be done.
        UserError: If no row is good.
    """
    for found in (problems, notes):
        found.sort(key=lambda problem: problem.row)
    summary = f"{file}: {len(problems)} of {rows} rows cannot be used"
    if problems and on_error == "stop":
        lines = [problem.line() for problem in problems[: TOLD if good else TOLD_OF_ALL]]
        if len(problems) == 1:
            raise UserErrors([f"{lines[0]}; or leave the row out with data.on_error=skip"])
        mend = "mend them, or leave them out with data.on_error=skip" if good else "mend them"
        raise UserErrors([*lines, f"{summary}; {mend}"])
    if not good:
        raise UserError(f"{summary}, so none is left; the first: {problems[0].line()}")


def write_skipped(path: Path, problems: Iterable[Problem]) -> None:
    """Write `skipped.jsonl`, one object `{"file", "row", "sample_id", "message"}` a problem, whole or not at all.

    Raises:
        UserError: If `path` exists or cannot be written.
    """
    write_text(path, "".join(json.dumps(asdict(problem)) + "\n" for problem in problems))
