"""What the groups of a run scored, as its later draws may know it.

A generation is drawn, and its examples are perhaps made, while the one before it is still being answered. So a draw may
know what was scored two generations before its own or earlier, and nothing newer: then it is the same on all processes,
with any number of workers, and after a resume.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.checks import number, whole, within
from grounding.core.files import write_text
from grounding.core.reading import parse_json, read_text

GroupScore = tuple[int, float, float]  # index of a sample; mean and standard deviation of its group's scores


@dataclass(frozen=True, eq=False)
class Difficulty:
    """How well samples are answered, by `Task.score`.

    Args:
        mean: Of the scores of several answers to each sample, in [0, 1]: high is easy. Float, shape (n,); NaN where
            nothing is known.
        std: Their standard deviation, likewise.
    """

    mean: np.ndarray
    std: np.ndarray


class Scores:
    """The scores of a run's groups: the newest group of a sample says how difficult it is.

    Args:
        start: What is known before the run; its arrays are not changed.
    """

    def __init__(self, start: Difficulty) -> None:
        self._start = start
        self._groups: dict[int, list[GroupScore]] = {}  # by generation, in their order
        self._before = lru_cache(4)(self._found)

    def add(self, generation: int, groups: Sequence[GroupScore]) -> None:
        """Take what the groups of a generation scored; all processes give the same, in one order."""
        self._groups.setdefault(generation, []).extend(groups)

    def known(self, generation: int, every: int = 1) -> Difficulty:
        """What the draws of a generation may know; it changes only with every `every`-th generation."""
        return self._before(max(0, generation - 1) // every * every)

    def save(self, path: Path) -> None:
        """Write a line `[generation, sample, mean, std]` a group."""
        rows = [[generation, *one] for generation, groups in self._groups.items() for one in groups]
        write_text(path, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows))

    def load(self, path: Path) -> None:
        """Go on from what was saved.

        Raises:
            UserError: If the file cannot be read, or is no such file.
        """
        self._groups.clear()
        self._before.cache_clear()
        for place, line in enumerate(read_text(path, "scores").splitlines(), start=1):
            with within(f"{path}, row {place}"):
                generation, sample, mean, std = self._checked(parse_json(line, "the line"))
                self.add(generation, [(sample, mean, std)])

    def _checked(self, row: object) -> tuple[int, int, float, float]:
        if not isinstance(row, list) or len(row) != 4:
            raise UserError("expected [generation, sample, mean, std]; remove the checkpoint to resume before it")
        generation, sample = whole(row[0], "generation"), whole(row[1], "sample")
        if sample >= (count := len(self._start.mean)):
            raise UserError(f"there are {count} samples, got number {sample}; the scores are of other data")
        return generation, sample, number(row[2], "mean"), number(row[3], "std")

    def _found(self, end: int) -> Difficulty:
        """By the groups of all generations before `end`."""
        mean, std = self._start.mean.astype(float), self._start.std.astype(float)  # copies
        for generation in sorted(one for one in self._groups if one < end):
            for sample, *figures in self._groups[generation]:
                mean[sample], std[sample] = figures
        return Difficulty(mean, std)
