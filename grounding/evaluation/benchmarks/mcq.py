"""Multiple choice with letters, for any benchmark: accuracy, overall and by group."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.checks import printable, shown
from grounding.datasets.entries import field, object_of
from grounding.evaluation.answers import letter
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.bootstrap import Figure, mean
from grounding.evaluation.entries import OWN, predicted, read_truths


@dataclass(frozen=True)
class Truth:
    """The right letter, and the group of the question, "" for none."""

    letter: str
    group: str


def read_truth(path: Path) -> dict[str, Truth]:
    """Rows `{"id", "answer": "B", "group": ...}`; the group is optional.

    Raises:
        UserError: Naming file and row of the first that has no letter, or whose id is taken.
    """
    return read_truths(path, _truth)


def _truth(value: Any) -> Truth:
    row = object_of(value, "a row")
    right = _letter(field(row, "answer"))
    if not right:
        raise UserError(f'"answer" must be a letter, got {reprlib.repr(row["answer"])}')
    return Truth(right, printable(str(row.get("group") or "")))


def read_letter(value: Any, _truth: Any = None) -> str | None:
    """A letter, alone or under `prediction`, `pred` or `answer`; null and a text that is no letter are no answer, None.

    Raises:
        UserError: If it is no text, or only an `answer` beside the truth (see `predicted`).
    """
    said = value
    if isinstance(value, dict):
        said = predicted(object_of(value, "a prediction"), "answer", own=OWN)
    return _letter(said)


def _letter(said: Any) -> str | None:
    if not (said is None or isinstance(said, str)):
        raise UserError(f"an answer must be a letter, got {shown(said)}")
    return None if said is None else letter(said)


def figures(truths: Sequence[Truth], answers: Sequence[str | None], _mode: str) -> dict[str, Figure]:
    """`accuracy`, and `accuracy <group>`, in [0, 1]."""
    right = np.array([answer == truth.letter for truth, answer in zip(truths, answers, strict=True)], float)
    groups = np.array([truth.group for truth in truths])
    result = {"accuracy": mean(right)}
    for group in sorted(set(groups.tolist()) - {""}):
        result[f"accuracy {group}"] = mean(np.where(groups == group, right, np.nan))
    return result


MCQ = Benchmark(
    truth='rows {"id", "answer": "B", "group": optional}',
    predictions='rows {"id", "answer": "B"}, or {id: "B"}; (B), b and B. are letters, longer texts are no answer',
    truths=read_truth,
    answer=read_letter,
    figures=figures,
)
