"""Where else an event may be: what an annotation leaves of a video, and what several replies about it agree on.

Pure functions on time ranges in seconds. What is annotated is given as `annotated`: disjoint ranges in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from grounding.core import Interval
from rewards.segments import merged

Spans = Sequence[Interval]


@dataclass(frozen=True)
class Margin:
    """How far from an annotated range an event must be to be another one: the larger of the two.

    Args:
        seconds: At least, >= 0.
        share: Of the range's length, >= 0.
    """

    seconds: float
    share: float

    def of(self, span: Interval) -> float:
        """In seconds."""
        return max(self.seconds, self.share * span.duration)


@dataclass(frozen=True)
class Found:
    """A time range that was found outside of the annotated ones.

    Args:
        span: The median start and end of what was said.
        votes: How many replies said it.
        near: Whether it goes on from an annotated range, so that this range may be wrong but no event is missing.
    """

    span: Interval
    votes: int
    near: bool


def outside(spans: Spans, duration: float) -> list[Interval]:
    """What some ranges leave of a video of so many seconds, in order; nothing has no length."""
    ends, left = 0.0, list[Interval]()
    for one in [*merged(spans), Interval(duration, duration)]:
        if ends < (start := min(one.start, duration)):
            left.append(Interval(ends, start))
        ends = max(ends, one.end)
    return left


def pieces(annotated: Spans, duration: float, margin: Margin, least: float) -> list[Interval]:
    """Where another event can be: outside of the annotated ranges and their margins, for `least` seconds or more."""
    wide = [Interval(max(0.0, one.start - margin.of(one)), one.end + margin.of(one)) for one in annotated]
    return [piece for piece in outside(wide, duration) if piece.duration >= least]


def near(span: Interval, annotated: Spans, margin: Margin) -> bool:
    """Whether a range overlaps an annotated one, or is within its margin."""
    return any(max(span.start - one.end, one.start - span.end) < margin.of(one) for one in annotated)


def clipped(span: Interval, places: Spans) -> list[Interval]:
    """The parts of a range that lie in some places."""
    parts = [(max(span.start, one.start), min(span.end, one.end)) for one in places]
    return [Interval(start, end) for start, end in parts if start < end]


def voted(said: Sequence[Sequence[tuple[Interval, bool]]], iou: float) -> list[Found]:
    """What replies agree on, the range of the most votes first; each range of a reply counts for one of them.

    Args:
        said: For each reply its ranges, and whether each is near an annotated one.
        iou: From which intersection over union on two ranges are the same.

    Returns:
        All of it, also what only one reply said.
    """
    ranges = [(reply, span, close) for reply, spans in enumerate(said) for span, close in spans]
    alike = np.array([[one.iou(other) >= iou or one == other for _, other, _ in ranges] for _, one, _ in ranges])
    replies = np.array([reply for reply, _, _ in ranges])
    left, found = np.ones(len(ranges), bool), list[Found]()
    while left.any():
        own = alike & left & left[:, None]
        votes = np.array([len({*replies[row]}) for row in own])
        group = np.flatnonzero(own[votes.argmax()])
        starts, ends = ([getattr(ranges[one][1], name) for one in group] for name in ("start", "end"))
        close = sum(ranges[one][2] for one in group)
        found.append(Found(Interval(median(starts), median(ends)), int(votes.max()), 2 * close > len(group)))
        left[group] = False
    return found
