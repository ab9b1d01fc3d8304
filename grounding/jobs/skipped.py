"""What is left out of a run: samples that turn out to be broken, each listed once in `skipped.jsonl`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from grounding.core import OnBroken, Sample, Source, UserError
from grounding.core.files import write_text
from grounding.core.reading import parse_json, read_text
from grounding.datasets.jsonl import JsonlSource
from grounding.datasets.problems import Problem
from grounding.policies.saving import writing

_log = logging.getLogger(__name__)


class Skipped:
    """What is left out of a run, or nothing may be.

    Args:
        path: `skipped.jsonl`; all processes of a run add to it, and a resumed run goes on with it.
        annotations: The file of the rows.
        allowed: Whether samples may be left out; else the first broken one stops the run.
    """

    def __init__(self, path: Path, annotations: str, *, allowed: bool) -> None:
        self.path, self.annotations, self.allowed = path, annotations, allowed
        self._known: set[Problem] = set()

    def begin(self, problems: Iterable[Problem]) -> None:
        """List what is known before any sample is needed, and what a stopped run met.

        Raises:
            UserError: If the file of the stopped run is damaged, or cannot be written.
        """
        listed = dict.fromkeys([*problems, *self.listed()])
        self._known = set(listed)
        if listed:
            write_text(self.path, "".join(map(_line, listed)), overwrite=True)

    def on_broken(self, source: Source) -> OnBroken | None:
        """What takes the samples of a source that turn out to be broken; None if one of them stops the run."""
        if not self.allowed:
            return None
        return lambda sample, why: self._add(problem_of(source, sample, why, self.annotations))

    def listed(self) -> list[Problem]:
        """All that was left out so far, each once.

        Raises:
            UserError: If the file is damaged.
        """
        if not self.path.exists():
            return []
        lines = read_text(self.path, "skipped rows").rpartition("\n")[0].split("\n")  # the last may be half-written
        try:
            rows = [parse_json(line, str(self.path)) for line in lines if line]
            return list(dict.fromkeys(Problem(**row) for row in rows))
        except (UserError, TypeError) as error:
            raise UserError(f"{self.path} is damaged: {error}; remove it, and it is written again") from error

    def _add(self, problem: Problem) -> None:
        if problem in self._known:
            return
        self._known.add(problem)
        _log.warning("left out: %s", problem.line())
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(_line(problem))


def problem_of(source: Source, sample: Sample, why: str, annotations: str) -> Problem:
    """The row of a sample that turned out to be broken when it was needed."""
    row = source.rows[sample.id].number if isinstance(source, JsonlSource) else sample.meta.get("row", 0)
    for said in (Problem(annotations, row, sample.id, "").line(), f"sample {sample.id}: "):
        why = why.removeprefix(said)
    return Problem(annotations, row, sample.id, why)


def _line(problem: Problem) -> str:
    return json.dumps(asdict(problem)) + "\n"
