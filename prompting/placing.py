"""Where every mark of a clip goes: inside its object, steady over time, beside it where it is small, none over another.

All of it is arithmetic on a few numbers an object and frame; no picture is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from prompting.parting import GAP, part, settled, within
from prompting.smoothing import SIGMA, smooth
from prompting.spots import Spots

ANCHORS = ("inside", "centre", "above")
QUICK = SIGMA / 3  # seconds; smoothed no more than this, a fast object's mark stays on it
LAG = 0.2  # of an object's box, across or down; by so much its mark may fall behind how it moves as a whole
SMALL = 0.5  # of the mark's box; an object of less area gets it beside
WAYS = np.array(
    [(0, -1), (1, -1), (-1, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (0, 1)], float
)  # the first is liked best

Extent = Callable[[int, float], tuple[int, int]]  # object id, height -> (height, width) of its mark in pixels


@dataclass(frozen=True)
class Rules:
    """How marks are placed.

    Args:
        smallest: Objects of less area, in pixels, get no mark.
        space: What a mark keeps clear on its left and right, of its height, lest 1 beside 2 read as 12.
        anchor: Where a mark stands if nothing is in its way: "inside", where its object is deepest; "centre", in the
            middle of its box; "above", on the upper edge of its box.
        parts: A mark's corner lies on one of so many places within a pixel, in either direction; 1: on whole pixels.
    """

    smallest: float
    space: float
    anchor: str = "inside"
    parts: int = 1


@dataclass(frozen=True, eq=False)
class Places:
    """Where the marks go.

    Args:
        centres: Middles (x, y), pixels, shape (T, N, 2).
        corners: Left upper corners (x, y), pixels, on the places within them that the rules allow, shape (T, N, 2).
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


def place(spots: Spots, heights: np.ndarray, extent: Extent, room: tuple[int, int], rules: Rules) -> Places:
    """Find a place for every mark.

    Args:
        spots: The objects.
        heights: Of the marks, shape (T, N).
        extent: How large a mark of an id and height is.
        room: (height, width) of the frame.
        rules: How they are placed.
    """
    wanted = spots.areas >= rules.smallest
    extents = np.ones((*wanted.shape, 2), np.int64)
    for t, n in np.argwhere(wanted).tolist():
        extents[t, n] = extent(spots.ids[n], float(heights[t, n]))
    sides = extents[..., ::-1]
    halves = (sides + (rules.parts > 1)) / 2  # a mark that begins within a pixel covers one more
    least = np.full_like(halves, GAP / 2)
    wide = np.maximum(least, heights[..., None] * (rules.space, 0))
    alone, beside = _centres(spots, rules.anchor, wanted, halves, room)
    pushes = part(alone, halves, wide, wanted, room) - alone  # smoothed apart from the motion, which has been smoothed
    centres = part(alone + smooth(pushes, wanted, spots.times), halves, least, wanted, room)
    centres, drawn = settled(centres, halves, wanted, spots.areas, room)
    # Halves go up: of two middle pixels the pole is the first, so an even mark on an even object is centred exactly.
    corners = np.floor(np.round(centres - sides / 2, 6) * rules.parts + 0.5) / rules.parts
    corners = np.clip(corners, 0, np.array(room[::-1]) - sides)
    return Places(centres, corners, heights, extents, drawn, beside & drawn)


def steady_radii(spots: Spots) -> np.ndarray:
    """The radii without their flicker, shape (T, N), >= 0."""
    return smooth(spots.radii[..., None], spots.seen, spots.times)[..., 0].clip(0)


def _anchored(spots: Spots, halves: np.ndarray, anchor: str) -> Spots:
    """The objects as if they were where the middles of their marks are to be."""
    if anchor == "inside":
        return spots
    poles = (spots.boxes[..., :2] + spots.boxes[..., 2:]) / 2
    if anchor == "centre":
        return replace(spots, poles=poles)
    up = np.stack([np.zeros_like(spots.areas), spots.boxes[..., 1] - halves[..., 1] - poles[..., 1]], axis=-1)
    return replace(spots, poles=poles + up, boxes=spots.boxes + np.tile(up, 2))


def _centres(
    spots: Spots, anchor: str, wanted: np.ndarray, halves: np.ndarray, room: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Middles of the marks as if each were alone, shape (T, N, 2), and which stand beside, bool (T, N)."""
    there = _anchored(spots, halves, anchor)
    steady = smooth(there.poles, wanted, spots.times)
    # Fast motion outruns smoothing: back into the disc inside the object, and when smoothed again after its box.
    steady = smooth(_pulled(steady, there), wanted, spots.times) + _missed(there, wanted)
    centres = np.clip(steady, there.boxes[..., :2], there.boxes[..., 2:])
    small = (spots.areas < SMALL * (2 * halves).prod(axis=-1)) & wanted
    if not small.any():
        return centres, small
    share = smooth(small[..., None].astype(float), wanted, spots.times).clip(0, 1)
    ways = _ways(spots, there.poles, wanted, halves, room, np.flatnonzero(small.any(axis=0)))
    return centres + share * ways, (share[..., 0] > 0.5) & wanted


def _pulled(centres: np.ndarray, spots: Spots) -> np.ndarray:
    """Centres brought back into the disc that lies inside each object in each frame."""
    off = centres - spots.poles
    back = np.minimum(1.0, spots.radii / np.maximum(np.hypot(off[..., 0], off[..., 1]), 1e-9))
    return spots.poles + off * back[..., None]


def _missed(spots: Spots, wanted: np.ndarray) -> np.ndarray:
    """By how much more than is allowed smoothing twice falls behind the motion of objects' boxes, shape (T, N, 2)."""
    low, high = spots.boxes[..., :2], spots.boxes[..., 2:]
    quick = smooth((low + high) / 2, wanted, spots.times, QUICK)
    once = smooth(np.concatenate([(low + high) / 2, high - low], axis=-1), wanted, spots.times)
    behind = quick - smooth(once[..., :2], wanted, spots.times)
    allowed = LAG * once[..., 2:].clip(0)
    return behind - np.clip(behind, -allowed, allowed)


def _ways(
    spots: Spots, start: np.ndarray, wanted: np.ndarray, halves: np.ndarray, room: tuple[int, int], small: np.ndarray
) -> np.ndarray:
    """How far each mark moves from its start to stand clear of its object, (T, N, 2): one way an object for all frames.

    Only those in the columns `small`; the others stay. It is the way on which, over all frames, the mark lies least
    over other objects and beyond the frame.
    """
    sides = (spots.boxes[..., 2:] - spots.boxes[..., :2]) / 2
    middles = (spots.boxes[..., 2:] + spots.boxes[..., :2]) / 2 - start
    moved = np.zeros_like(start)
    for n in small.tolist():
        seen = wanted[:, n]
        gap = halves[seen, n].min(axis=-1, keepdims=True)
        offsets = middles[seen, n] + WAYS[:, None] * (sides + halves)[seen, n] + WAYS[:, None] * gap  # (8, t, 2)
        centres = start[seen, n] + offsets
        beyond = np.abs(centres - within(centres, halves[seen, n], room)).sum(axis=(1, 2))
        low = np.maximum((centres - halves[seen, n])[:, :, None], spots.boxes[seen, :, :2])
        high = np.minimum((centres + halves[seen, n])[:, :, None], spots.boxes[seen, :, 2:])
        over = np.clip(high - low, 0, None).prod(axis=-1).sum(axis=(1, 2))
        moved[seen, n] = offsets[(beyond * gap.sum() + over).argmin()]
    return moved
