"""Time intervals in seconds, and the one place where they become frame ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from grounding.core.errors import UserError


@dataclass(frozen=True, order=True)
class Interval:
    """A stretch of time `[start, end)` in seconds.

    Raises:
        UserError: If a bound is not a finite number >= 0, or `end` lies before `start`.
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        for name, value in (("start", self.start), ("end", self.end)):
            if not math.isfinite(value) or value < 0:
                raise UserError(f"interval {name} must be a finite number of seconds >= 0, got {value!r}")
        if self.end < self.start:
            raise UserError(f"interval end {self.end} s lies before its start {self.start} s; swap the two")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    def shared(self, other: Interval) -> float:
        """Seconds that lie in both."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def iou(self, other: Interval) -> float:
        """Intersection over union of the two intervals, in [0, 1]; 0 when both are empty."""
        shared = self.shared(other)
        union = self.duration + other.duration - shared
        return min(1.0, shared / union) if union > 0 else 0.0


def frame_midpoints(pts: np.ndarray, fps: float) -> np.ndarray:
    """The middle of the time during which each frame is shown.

    Args:
        pts: Presentation times in seconds, ascending, shape (T,).
        fps: Frame rate that tells how long the last frame stays.

    Returns:
        Seconds, shape (T,).
    """
    following = np.append(pts[1:], pts[-1] + 1.0 / fps) if len(pts) else pts
    return (pts + following) / 2


def nearest_frames(pts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Index of the frame whose presentation time is nearest to each time; the earlier one of two equally near.

    Args:
        pts: Presentation times in seconds, ascending, shape (T,), T >= 1.
        times: Seconds, any shape.

    Returns:
        Indices into `pts`, the shape of `times`.
    """
    after = np.searchsorted(pts, times).clip(0, len(pts) - 1)
    before = (after - 1).clip(0)
    return np.where(times - pts[before] <= pts[after] - times, before, after)


def frames_within(interval: Interval, pts: np.ndarray, fps: float) -> range:
    """The frames whose middle lies in the interval, as a half-open range of indices.

    A bound that was rounded by less than half a frame still selects the frames it was made from,
    so `[first / fps, last / fps)` gives back `range(first, last)`.
    """
    middles = frame_midpoints(pts, fps)
    first, last = np.searchsorted(middles, [interval.start, interval.end], side="left")
    return range(int(first), int(last))
