"""Rewards for answering when, with one interval or one moment."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grounding.core import Answer, Interval, ParseFailure
from rewards.base import Meta, compare, reward

TAU, GAIN = 0.8, 0.01  # TempSamp-R1's threshold and its slope above
BEST_SHAPED = TAU + GAIN * math.log(2 - TAU)  # of IoU 1


def when(answer: Answer) -> Interval | None:
    """The one interval."""
    return answer.interval


@reward(range=(0.0, 1.0))
def temporal_iou(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """Intersection over union of the two intervals in seconds (Time-R1's r_tIoU in its code, STVG-R1's r_t).

    The interval is taken as it was said: what lies beyond the end of the video counts against it.

    Returns:
        [0, 1]; 0 for a parse failure or no interval; None where the truth has no interval.
    """
    return compare(answer, truth, when, Interval.iou)


@reward(range=(0.0, 1.0))
def boundary_iou(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """IoU that falls with the distance of both bounds: IoU * (1 - |s - s*| / D) * (1 - |e - e*| / D).

    Time-R1's timestamp-aware IoU. Ours: each factor is at least 0, for bounds said far past the end of the video would
    make a product of two negative ones positive.

    Returns:
        [0, 1], None where the truth has no interval. Needs the video's duration D.
    """

    def score(said: Interval, true: Interval) -> float:
        duration = meta.need("duration")
        start = max(0.0, 1 - abs(said.start - true.start) / duration)
        end = max(0.0, 1 - abs(said.end - true.end) / duration)
        return said.iou(true) * start * end

    return compare(answer, truth, when, score)


@reward(range=(0.0, BEST_SHAPED))
def shaped_iou(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """TempSamp-R1's shaping of the IoU, tau = 0.8, alpha = 1: steep below tau, almost flat above.

    IoU >= tau: tau + 0.01 ln(IoU - tau + 1); else tau - (e^(tau - IoU) - 1) / (e - 1), which is 0.087 at IoU 0: an
    interval elsewhere is worth more than none at all.

    Returns:
        [0, 0.802], None where the truth has no interval.
    """

    def score(said: Interval, true: Interval) -> float:
        iou = said.iou(true)
        return TAU + GAIN * math.log1p(iou - TAU) if iou >= TAU else TAU - math.expm1(TAU - iou) / math.expm1(1)

    return compare(answer, truth, when, score)


@reward(range=(0.0, 1.0))
def temporal_iop(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """Share of the said interval that is right, |P & G| / |P| (NExT-GQA's IoP).

    A short guess within the truth gets all of it: weigh it together with `temporal_recall` or an IoU. Ours: a moment
    gets 0, where the benchmark's metric gives 1.

    Returns:
        [0, 1], None where the truth has no interval.
    """
    return compare(answer, truth, when, lambda said, true: _share(said, true, said.duration))


@reward(range=(0.0, 1.0))
def temporal_recall(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """Share of the true interval that was said, |P & G| / |G|.

    The whole video gets all of it: weigh it together with `temporal_iop` or an IoU.

    Returns:
        [0, 1], None where the truth has no interval.
    """
    return compare(answer, truth, when, lambda said, true: _share(said, true, true.duration))


@reward(range=(0.0, 1.0))
def time_proximity(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """Nearness of the cited moments to the true ones, under a width that narrows as training goes on.

    Open-o3-Video's temporal term: the mean over cited moments of exp(-d^2 / 2 sigma^2), d the seconds to the nearest
    true moment, sigma = 4 (1 - p) and from p = 3/4 on 1. Ours: a segment counts as the moment in its middle.

    Returns:
        [0, 1], None where the truth has no segment. Needs the training's progress p.
    """

    def score(said: Sequence[Interval], true: Sequence[Interval]) -> float:
        if not said or not true:
            return 0.0
        progress = meta.need("progress")
        sigma = 4 * (1 - progress) if progress < 0.75 else 1.0
        middles = [_middle(one) for one in true]
        nearest = [min(abs(_middle(one) - middle) for middle in middles) for one in said]
        return sum(math.exp(-0.5 * (distance / sigma) ** 2) for distance in nearest) / len(nearest)

    return compare(answer, truth, lambda one: one.segments, score)


def _share(a: Interval, b: Interval, of: float) -> float:
    return min(1.0, a.shared(b) / of) if of > 0 else 0.0


def _middle(one: Interval) -> float:
    return one.start + one.duration / 2
