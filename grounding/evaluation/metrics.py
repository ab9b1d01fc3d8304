"""From the figures of each answer to those of a run: means with their bootstrap intervals; a failure counts as 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from grounding.core import Answer, UserError
from grounding.evaluation.bootstrap import Estimate, Figure, differences, estimates, mean
from grounding.tasks.task import Said, Task

Score = Mapping[str, float]  # figures of one answer, by name, in [0, 1], or what its task gathers


def score(task: Task, said: Said, truth: Answer) -> dict[str, float]:
    """The task's figures of one answer, and `parse_rate`: whether the text held one.

    Raises:
        UserError: If the truth lacks what the task measures.
    """
    return {**task.measure(said, truth), "parse_rate": float(isinstance(said, Answer))}


def summarise(scores: Sequence[Score]) -> dict[str, float]:
    """Means over all samples that have a figure, failures included, and `count`, the number of samples.

    Raises:
        UserError: If there are no scores.
    """
    if not scores:
        raise UserError("there are no scores to summarise; expected one a sample")
    means = {name: float(np.nanmean(column)) for name, column in columns(scores).items()}
    return {**means, "count": float(len(scores))}


def intervals(scores: Sequence[Score]) -> dict[str, Estimate]:
    """The same means (without `count`) with their bootstrap 95 % intervals; {} for no scores."""
    return estimates(_figures(scores), len(scores)) if scores else {}


def gains(before: Sequence[Score], after: Sequence[Score]) -> dict[str, Estimate]:
    """After minus before, sample by sample, with the intervals of a paired bootstrap; {} if their numbers differ."""
    same = len(before) == len(after) > 0
    return differences(_figures(before), _figures(after), len(after)) if same else {}


def columns(scores: Sequence[Score]) -> dict[str, np.ndarray]:
    """What each sample adds to each figure, by name, shape (n,); NaN where a sample does not have the figure."""
    names = dict.fromkeys(name for one in scores for name in one)
    return {name: np.array([one.get(name, np.nan) for one in scores], float) for name in names}


def _figures(scores: Sequence[Score]) -> dict[str, Figure]:
    return {name: mean(column) for name, column in columns(scores).items()}
