"""Rewards for answering when, with several segments; () means 'never', which is right where the truth is ()."""

from __future__ import annotations

from collections.abc import Sequence

from grounding.core import Answer, Interval, ParseFailure
from rewards.base import Meta, compare, reward

Segments = Sequence[Interval]


def segments(answer: Answer) -> Segments | None:
    """The segments in the order said."""
    return answer.segments


def merged(said: Segments) -> list[Interval]:
    """The same stretches of time as disjoint intervals in the order of time."""
    found: list[Interval] = []
    for one in sorted(said):
        if found and one.start <= found[-1].end:
            found[-1] = Interval(found[-1].start, max(found[-1].end, one.end))
        else:
            found.append(one)
    return found


@reward(range=(0.0, 1.0))
def segments_iou(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """IoU of the unions of all segments, in seconds (VideoChat-R1's grounded QA).

    Returns:
        [0, 1], None where the truth has no segments.
    """
    return compare(answer, truth, segments, lambda said, true: _overlap(said, true)[0])


@reward(range=(0.0, 1.0))
def segments_f1(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """F1 of the seconds said, 2 P R / (P + R): MUSEG's global matching.

    Ours: true segments that overlap are merged too, so that nothing counts twice.

    Returns:
        [0, 1], None where the truth has no segments.
    """
    return compare(answer, truth, segments, lambda said, true: _overlap(said, true)[1])


@reward(range=(0.0, 1.0))
def segments_in_order(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """Mean of (1 + GIoU) / 2 over pairs of segments taken in order: MUSEG's local matching.

    A segment without partner counts as 0, which is what MUSEG's far-away dummies come to.

    Returns:
        [0, 1], None where the truth has no segments.
    """

    def score(said: Segments, true: Segments) -> float:
        if not said or not true:
            return float(not said and not true)
        pairs = zip(said, true, strict=False)  # the longer side's rest adds 0 to the sum
        return min(1.0, sum(_half_giou(a, b) for a, b in pairs) / max(len(said), len(true)))

    return compare(answer, truth, segments, score)


@reward(range=(0.0, 1.0))
def best_segment_iou(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """IoU of the one said interval with the true segment that it fits best (NExT-GQA's IoU over several golds).

    Whoever says several segments gets 0: with a best over both sides, guessing would pay.

    Returns:
        [0, 1], None where the truth has no segments.
    """

    def score(said: Segments, true: Segments) -> float:
        return max((said[0].iou(one) for one in true), default=0.0) if len(said) == 1 else 0.0

    return compare(answer, truth, segments, score)


def _overlap(said: Segments, true: Segments) -> tuple[float, float]:
    """IoU and F1 of two unions of segments."""
    if not said or not true:
        never = float(not said and not true)
        return never, never
    a, b = merged(said), merged(true)
    both, i, j = 0.0, 0, 0
    while i < len(a) and j < len(b):
        both += a[i].shared(b[j])
        i, j = (i + 1, j) if a[i].end < b[j].end else (i, j + 1)
    sizes = sum(one.duration for one in a) + sum(one.duration for one in b)
    return (min(1.0, both / (sizes - both)), min(1.0, 2 * both / sizes)) if both > 0 else (0.0, 0.0)


def _half_giou(a: Interval, b: Interval) -> float:
    hull = max(a.end, b.end) - min(a.start, b.start)
    union = a.duration + b.duration - a.shared(b)
    return max(0.0, (a.iou(b) + union / hull) / 2) if hull > 0 else 0.0
