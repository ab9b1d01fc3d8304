"""Regions: where something is on every frame of a video, pixel by pixel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """The pixels of one object, or of several taken together, on every source frame.

    Args:
        size: (height, width) of the source frames in pixels.
        frames: For each source frame the compressed masks that make up the region; () where nothing is.
    """

    size: tuple[int, int]
    frames: tuple[tuple[bytes, ...], ...]

    @classmethod
    def of(cls, tracks: Collection[Sequence[bytes | None]], size: tuple[int, int], count: int) -> Region:
        """The region of objects that have a mask, or None, on each of `count` frames; without objects it is empty."""
        frames = ([track[frame] for track in tracks] for frame in range(count))
        return cls(size, tuple(tuple(counts for counts in frame if counts) for frame in frames))
