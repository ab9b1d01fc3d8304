"""What is wrong with a row of an annotation file: said in one line, and kept in `skipped.jsonl` where it is skipped."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from grounding.core.checks import printable
from grounding.core.errors import UserError, UserErrors
from grounding.core.files import write_text


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


def write_skipped(path: Path, problems: Iterable[Problem]) -> None:
    """Write `skipped.jsonl`, one object `{"file", "row", "sample_id", "message"}` a problem, whole or not at all.

    Raises:
        UserError: If `path` exists or cannot be written.
    """
    write_text(path, "".join(json.dumps(asdict(problem)) + "\n" for problem in problems))
