"""Where every mark of a clip goes: inside its object, steady over time, beside it where it is small, none over another.

All of it is arithmetic on a few numbers an object and frame; no picture is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from prompting.parting import GAP, part, settled, within
from prompting.smoothing import smooth
from prompting.spots import Spots

SMALL = 0.5  # of the mark's box; an object of less area gets it beside
WAYS = np.array(
    [(0, -1), (1, -1), (-1, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (0, 1)], float
)  # the first is liked best

Extent = Callable[[int, float], tuple[int, int]]  # object id, height -> (height, width) of its mark in pixels


@dataclass(frozen=True, eq=False)
class Places:
    """Where the marks go.

    Args:
        centres: Middles (x, y), pixels, shape (T, N, 2).
        corners: Left upper corners (x, y), whole pixels, shape (T, N, 2).
        heights: As asked of the mark, pixels, shape (T, N).
        extents: (height, width) of each mark, pixels, shape (T, N, 2).
        drawn: Which marks are drawn, bool (T, N).
        beside: Which stand beside their object, bool (T, N).
    """

    centres: np.ndarray
    corners: np.ndarray
    heights: np.ndarray
    extents: np.ndarray
    drawn: np.ndarray
    beside: np.ndarray


def place(
    spots: Spots, heights: np.ndarray, extent: Extent, room: tuple[int, int], smallest: float, space: float
) -> Places:
    """Find a place for every mark.

    Args:
        spots: The objects.
        heights: Of the marks, shape (T, N).
        extent: How large a mark of an id and height is.
        room: (height, width) of the frame.
        smallest: Objects of less area, in pixels, get no mark.
        space: What a mark keeps clear on its left and right, of its height, lest 1 beside 2 read as 12.
    """
    wanted = spots.areas >= smallest
    extents = np.ones((*wanted.shape, 2), np.int64)
    for t, n in np.argwhere(wanted).tolist():
        extents[t, n] = extent(spots.ids[n], float(heights[t, n]))
    halves = extents[..., ::-1] / 2
    least = np.full_like(halves, GAP / 2)
    wide = np.maximum(least, heights[..., None] * (space, 0))
    alone, beside = _centres(spots, wanted, halves, room)
    pushes = part(alone, halves, wide, wanted, room) - alone  # smoothed apart from the motion, which has been smoothed
    centres = part(alone + smooth(pushes, wanted, spots.times), halves, least, wanted, room)
    centres, drawn = settled(centres, halves, wanted, spots.areas, room)
    # Halves go up: of two middle pixels the pole is the first, so an even mark on an even object is centred exactly.
    corners = np.floor(np.round(centres - halves, 6) + 0.5).astype(np.int64)
    corners = np.clip(corners, 0, np.array(room[::-1]) - extents[..., ::-1])
    return Places(centres, corners, heights, extents, drawn, beside & drawn)


def steady_radii(spots: Spots) -> np.ndarray:
    """The radii without their flicker, shape (T, N), >= 0."""
    return smooth(spots.radii[..., None], spots.seen, spots.times)[..., 0].clip(0)


def _centres(
    spots: Spots, wanted: np.ndarray, halves: np.ndarray, room: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the marks as if each were alone, shape (T, N, 2), and which stand beside, bool (T, N)."""
    steady = smooth(spots.poles, wanted, spots.times)
    # Fast motion outruns smoothing: back into the disc inside the object, and when smoothed again into its box.
    centres = np.clip(smooth(_pulled(steady, spots), wanted, spots.times), spots.boxes[..., :2], spots.boxes[..., 2:])
    small = (spots.areas < SMALL * (2 * halves).prod(axis=-1)) & wanted
    if not small.any():
        return centres, small
    share = smooth(small[..., None].astype(float), wanted, spots.times).clip(0, 1)
    return centres + share * _ways(spots, wanted, halves, room), (share[..., 0] > 0.5) & wanted


def _pulled(centres: np.ndarray, spots: Spots) -> np.ndarray:
    """Centres brought back into the disc that lies inside each object in each frame."""
    off = centres - spots.poles
    back = np.minimum(1.0, spots.radii / np.maximum(np.hypot(off[..., 0], off[..., 1]), 1e-9))
    return spots.poles + off * back[..., None]


def _ways(spots: Spots, wanted: np.ndarray, halves: np.ndarray, room: tuple[int, int]) -> np.ndarray:
    """How far each mark moves to stand clear of its object, shape (T, N, 2): for each object one way for all frames.

    It is the way on which, over all frames, the mark lies least over other objects and beyond the frame.
    """
    sides = (spots.boxes[..., 2:] - spots.boxes[..., :2]) / 2
    middles = (spots.boxes[..., 2:] + spots.boxes[..., :2]) / 2 - spots.poles
    moved = np.zeros_like(spots.poles)
    for n in range(len(spots.ids)):
        seen = wanted[:, n]
        gap = halves[seen, n].min(axis=-1, keepdims=True)
        offsets = middles[seen, n] + WAYS[:, None] * (sides + halves)[seen, n] + WAYS[:, None] * gap  # (8, t, 2)
        centres = spots.poles[seen, n] + offsets
        beyond = np.abs(centres - within(centres, halves[seen, n], room)).sum(axis=(1, 2))
        low = np.maximum((centres - halves[seen, n])[:, :, None], spots.boxes[seen, :, :2])
        high = np.minimum((centres + halves[seen, n])[:, :, None], spots.boxes[seen, :, 2:])
        over = np.clip(high - low, 0, None).prod(axis=-1).sum(axis=(1, 2))
        moved[seen, n] = offsets[(beyond * gap.sum() + over).argmin()]
    return moved
