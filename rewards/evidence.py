"""Rewards for what the thinking rests on: boxes at moments, as Open-o3-Video has them cited."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from grounding.core import Answer, ParseFailure, UserError
from rewards.base import Meta, compare, reward
from rewards.format import think_answer_format
from rewards.spatial import Box, overlap

NEAR = 1.0  # seconds between a cited moment and a true one, Open-o3-Video's gate


@dataclass(frozen=True)
class Evidence:
    """An object's box at a moment.

    Args:
        time: Seconds.
        box: xyxy pixels.

    Raises:
        UserError: If a number is not finite, or the box is reversed.
    """

    time: float
    box: Box

    def __post_init__(self) -> None:
        x1, y1, x2, y2 = self.box
        if not all(map(math.isfinite, (self.time, *self.box))) or x2 < x1 or y2 < y1:
            raise UserError(f"evidence must be a finite time and (x1, y1, x2, y2) with x1 <= x2, y1 <= y2, got {self}")


@dataclass(frozen=True)
class CitingAnswer(Answer):
    """An answer with the evidence cited for it; of a truth, every object's box on the annotated frames.

    Args:
        evidence: In the order said; () where none is.
    """

    evidence: tuple[Evidence, ...] = ()


def cited(answer: Answer) -> Sequence[Evidence] | None:
    """The evidence, None where there is none."""
    return (answer.evidence or None) if isinstance(answer, CitingAnswer) else None


@reward(range=(0.0, 1.0))
def evidence_iou(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """Mean over all cited boxes of the IoU with the best true box of the nearest moment, 0 if that is 1 s away or more.

    Open-o3-Video's spatial term of the thinking. Two things are ours: moments are near on both sides (their code lets
    one pass that is any time too late), and each box counts by itself (there, of several boxes in one claim the best).
    Citing one sure box gets all of it.

    Returns:
        [0, 1]; 0 where nothing is cited; None where the truth has no evidence.
    """
    return compare(answer, truth, cited, lambda said, true: sum(_found(one, true) for one in said) / len(said))


@reward(range=(0.0, 1.0))
def evidence_format(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 for the form of `think_answer_format` with evidence, 0.5 for the form alone, else 0 (Open-o3-Video).

    Evidence was cited if the task's parser could read one claim; where the truth has none, none is asked for.

    Returns:
        0, 0.5 or 1, never None.
    """
    shown = cited(truth) is None or (isinstance(answer, Answer) and cited(answer) is not None)
    return (think_answer_format(answer, truth, meta) or 0.0) * (1.0 if shown else 0.5)


def _found(one: Evidence, true: Sequence[Evidence]) -> float:
    gaps = [abs(other.time - one.time) for other in true]
    nearest = min(gaps)
    if nearest >= NEAR:
        return 0.0
    return max(overlap(one.box, other.box)[0] for gap, other in zip(gaps, true, strict=True) if gap == nearest)
