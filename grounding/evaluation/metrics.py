"""Metrics of spatio-temporal video grounding; a failure scores 0 and stays in the denominator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grounding.core import Answer, Interval, Masklets, ParseFailure, UserError
from grounding.evaluation.bootstrap import Estimate, Figure, differences, estimates, mean

THRESHOLDS = (0.3, 0.5, 0.7)
CEILINGS = ("oracle_id_oracle_time", "oracle_id_predicted_time", "predicted_id_oracle_time")
KNOWN = ("both known", "ID known", "time known")  # the same in tables


@dataclass(frozen=True)
class Score:
    """How good one answer is.

    Args:
        tiou: Temporal IoU in seconds, [0, 1].
        viou: Volume IoU over native frames, [0, 1].
        id_correct: The right object was named.
        parsed: The text held a valid answer.
    """

    tiou: float
    viou: float
    id_correct: bool
    parsed: bool


def score(answer: Answer | ParseFailure, truth: Answer) -> Score:
    """Score one decoded answer; a part that it lacks scores 0.

    Args:
        answer: Decoded prediction, or why there is none.
        truth: With interval and tube. Without an id no answer names the right object.

    Raises:
        UserError: If the truth lacks interval or tube.
    """
    if truth.interval is None or truth.tube is None:
        raise UserError("an answer can only be scored against a truth with interval and tube")
    if isinstance(answer, ParseFailure):
        return Score(0.0, 0.0, id_correct=False, parsed=False)
    return Score(
        tiou=answer.interval.iou(truth.interval) if answer.interval else 0.0,
        viou=answer.tube.viou(truth.tube) if answer.tube else 0.0,
        id_correct=answer.object_id is not None and answer.object_id == truth.object_id,
        parsed=True,
    )


def columns(scores: Sequence[Score]) -> dict[str, np.ndarray]:
    """What each sample adds to each metric, by the metric's name.

    `vIoU@R` is the share with vIoU strictly greater than R, as TubeDETR and HC-STVG have it (STVG-R1's code counts
    equality too).

    Returns:
        `m_tIoU, m_vIoU, vIoU@0.3, vIoU@0.5, vIoU@0.7, id_accuracy, parse_rate`, each in [0, 1], shape (n,).
    """
    viou = np.array([s.viou for s in scores])
    return {
        "m_tIoU": np.array([s.tiou for s in scores]),
        "m_vIoU": viou,
        **{f"vIoU@{threshold}": viou > threshold for threshold in THRESHOLDS},
        "id_accuracy": np.array([s.id_correct for s in scores]),
        "parse_rate": np.array([s.parsed for s in scores]),
    }


def summarise(scores: Sequence[Score]) -> dict[str, float]:
    """Means over all samples, failures included.

    Returns:
        The metrics of `columns`, each in [0, 1], and `count`.

    Raises:
        UserError: If there are no scores.
    """
    if not scores:
        raise UserError("there are no scores to summarise; expected one a sample")
    return {**{name: float(column.mean()) for name, column in columns(scores).items()}, "count": float(len(scores))}


def intervals(scores: Sequence[Score]) -> dict[str, Estimate]:
    """The same means (without `count`) with their bootstrap 95 % intervals; {} for no scores."""
    return estimates(_figures(scores), len(scores)) if scores else {}


def gains(before: Sequence[Score], after: Sequence[Score]) -> dict[str, Estimate]:
    """After minus before, sample by sample, with the intervals of a paired bootstrap; {} if their numbers differ."""
    same = len(before) == len(after) > 0
    return differences(_figures(before), _figures(after), len(after)) if same else {}


def _figures(scores: Sequence[Score]) -> dict[str, Figure]:
    return {name: mean(column) for name, column in columns(scores).items()}


def ceiling_scores(answer: Answer | ParseFailure, truth: Answer, masklets: Masklets) -> tuple[Score, ...]:
    """What one answer would score if its id, its time, or both had been right: what the masks and each part cost.

    Tubes are decoded through the masklets, so both oracles together show the ceiling that the masks set. A parse
    failure stays one, and scores 0, wherever a part of it would be needed.

    Args:
        answer: Decoded prediction, or why there is none.
        truth: With interval and tube.
        masklets: The masks of the sample's video.

    Returns:
        A score for each name in `CEILINGS`.

    Raises:
        UserError: If the truth lacks interval or tube.
    """
    return tuple(score(mixed, truth) for mixed in _mixtures(answer, truth, masklets))


def summarise_ceilings(rows: Sequence[tuple[Score, ...]]) -> dict[str, dict[str, float]]:
    """For each name in `CEILINGS`, what `summarise` gives; `rows` hold the `ceiling_scores` of one sample each.

    Raises:
        UserError: If there are no rows.
    """
    return {name: summarise([row[index] for row in rows]) for index, name in enumerate(CEILINGS)}


def _mixtures(
    answer: Answer | ParseFailure, truth: Answer, masklets: Masklets
) -> tuple[Answer, Answer | ParseFailure, Answer | ParseFailure]:
    """The answers of `CEILINGS`, in that order."""
    both = _through(masklets, truth.object_id, truth.interval)
    if isinstance(answer, ParseFailure):
        return both, answer, answer
    right_id = _through(masklets, truth.object_id, answer.interval)
    right_time = _through(masklets, answer.object_id, truth.interval)
    return both, right_id, right_time


def _through(masklets: Masklets, object_id: int | None, interval: Interval | None) -> Answer:
    """An answer with its tube; without one if there is no interval, or no such id."""
    if interval is None or object_id is None or object_id not in masklets.tracks:
        return Answer(interval, object_id)
    return Answer(interval, object_id, masklets.tube(object_id, interval))
