"""Masks looked at through a coarse grid: fine enough to find an object's middle, and quick to make from RLE.

Nothing is decoded to full frames: all masks of a stretch of video are read together, run by run, and each is laid on a
grid of its own around its object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from grounding.core import UserError, rle

Key = tuple[int, int]  # object id, source frame

CELLS = 48  # cells along an object's longer side, roughly; smaller objects have one a pixel


@dataclass(frozen=True, eq=False)
class Sampled:
    """One mask on its grid.

    Args:
        cells: uint8, 0 or 1, shape (h, w), with an empty edge of one cell all around; (0, 0) for an empty mask.
        origin: (x, y) of the middle of cell [0, 0], pixels of the mask.
        step: Pixels from one cell to the next, >= 1.
        area: Pixels of the mask.
        box: Tight xyxy, pixels, half-open.
    """

    cells: np.ndarray
    origin: tuple[float, float]
    step: int
    area: int
    box: tuple[int, int, int, int]


EMPTY = Sampled(np.zeros((0, 0), np.uint8), (0.0, 0.0), 1, 0, (0, 0, 0, 0))


def sample_dense(mask: np.ndarray) -> Sampled:
    """A dense mask on its grid.

    Args:
        mask: bool (h, w).
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return EMPTY
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    inner = mask[box[1] : box[3], box[0] : box[2]]
    step, origin, _ = _grids(box[None])
    x, y = origin[0] + step - box[:2]
    cells = np.pad(inner[y :: step[0], x :: step[0]].astype(np.uint8), 1)
    across = np.flatnonzero(inner.T)
    column, row = divmod(int(across[len(across) // 2]), len(inner))
    return _sampled(cells, origin[0], step[0], len(across), box, (box[0] + column, box[1] + row))


def sample_runs(counts: Mapping[Key, bytes], size: tuple[int, int]) -> dict[Key, Sampled]:
    """Compressed masks on their grids.

    Args:
        counts: Compressed COCO counts, as `Masklets` holds them, by (object id, source frame).
        size: (height, width) of every mask in pixels.

    Raises:
        UserError: If the runs of a mask do not fill its picture.
    """
    if not counts:
        return {}
    bounds, lengths = _bounds(counts, size)
    first = np.cumsum(lengths) - lengths
    turn = np.arange(len(bounds), dtype=np.int32) - np.repeat(first, lengths).astype(np.int32)
    areas = np.add.reduceat(np.where(turn & 1, np.diff(bounds, prepend=0), 0), first)
    boxes = rle.boxes(list(counts.values()), size).astype(np.int32)
    step, origin, shape = _grids(boxes)
    cells = _fill(bounds, turn, size[0], *(np.repeat(of, lengths, axis=0) for of in (step, origin, shape)))
    ends = np.cumsum(shape.prod(axis=1)).tolist()
    inside = np.stack(np.divmod(bounds[first + lengths // 4 * 2], size[0]), axis=1)  # where a run in the middle begins
    return {
        key: _sampled(cells[end - w * h : end].reshape(w, h).T, origin[i], step[i], areas[i], boxes[i], inside[i])
        if areas[i]
        else EMPTY
        for i, (key, end, (w, h)) in enumerate(zip(counts, ends, shape.tolist(), strict=True))
    }


def _sampled(cells: np.ndarray, origin: Any, step: int, area: int, box: np.ndarray, inside: Any) -> Sampled:
    """Close the edge, and see to it that an object thinner than the grid has a cell."""
    cells[0] = cells[-1] = cells[:, 0] = cells[:, -1] = 0  # runs from one column into the next one cross the edge
    if not cells.any():
        cells = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.uint8)
        origin, step = (inside[0] - 1, inside[1] - 1), 1
    left, top, right, bottom = (int(side) for side in box)
    return Sampled(
        cells, (float(origin[0]) + 0.5, float(origin[1]) + 0.5), int(step), int(area), (left, top, right, bottom)
    )


def _grids(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps (N,), pixels (x, y) of cells [0, 0] (N, 2) and (columns, rows) of cells (N, 2) for boxes (N, 4)."""
    sides = boxes[:, 2:] - boxes[:, :2]
    step = np.maximum(1, (sides.max(axis=1) + CELLS // 2) // CELLS)
    begin = np.minimum(step[:, None] - 1, np.maximum(sides - 1, 0)) // 2  # the first sample within the box
    shape = -(-(sides - begin) // step[:, None]) + 2
    return step, boxes[:, :2] + begin - step[:, None], shape


def _bounds(counts: Mapping[Key, bytes], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where every run ends, int32, masks one after another, and how many runs each mask has.

    Compressed counts are numbers in groups of 5 bits, low first, bit 6 set where one goes on, the sign in the last
    group's highest bit; from the fourth on each is a difference to the one two before.
    """
    groups = np.frombuffer(b"".join(counts.values()), np.uint8).astype(np.int32) - 48
    stops = np.cumsum([len(c) for c in counts.values()])
    for key, c in counts.items():
        if not c or (c[-1] - 48) & 32:
            raise _misfit(key, size, "end in the middle of a number")
    ends = np.flatnonzero((groups & 32) == 0)
    begins = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(groups)) - np.repeat(begins, ends - begins + 1)
    shifts = 5 * np.minimum(place, 8)  # more than 40 bits are no length; what they become is refused below
    values = np.add.reduceat((groups & 31).astype(np.int64) << shifts, begins)
    values -= ((groups[ends] & 16) != 0) * (np.int64(32) << shifts[ends])
    lasts = np.searchsorted(ends, stops)
    lengths = np.diff(lasts, prepend=0)
    for key, stop, length in zip(counts, lasts, lengths, strict=True):
        runs = values[stop - length : stop]
        runs[1::2] = runs[1::2].cumsum()
        runs[2::2] = runs[2::2].cumsum()
        negative = bool((runs < 0).any())
        runs[:] = runs.cumsum()
        if negative or runs[-1] != size[0] * size[1]:
            raise _misfit(key, size, f"make {runs[-1]}; is it of another size?")
    return values.astype(np.int32), lengths


def _misfit(key: Key, size: tuple[int, int], what: str) -> UserError:
    height, width = size
    return UserError(
        f"the mask of object {key[0]} in source frame {key[1]} must fill {height} x {width} = {height * width} pixels, "
        f"its runs {what}"
    )


def _fill(
    bounds: np.ndarray, turn: np.ndarray, height: int, step: np.ndarray, origin: np.ndarray, shape: np.ndarray
) -> np.ndarray:
    """The cells of all masks one after another, column by column: a run covers the cells between its two ends.

    Args:
        bounds: Where each run ends, pixels column by column.
        turn: Which run of its mask it is; odd ones are inside.
        height: Of the masks.
        step: Of the grid of each run's mask; so are `origin` and `shape`.
        origin: (x, y) of its cell [0, 0].
        shape: (columns, rows) of it.
    """
    (x, y), (w, h) = origin.T, shape.T
    column, row = np.divmod(bounds, np.int32(height))
    whole, part = np.divmod(column - x + step - 1, step)  # columns of cells before the run's end
    above = np.clip((row - y + step - 1) // step, 0, h)  # cells above it, if its own column is one of the grid's
    before = np.clip(whole * h + np.where(part == step - 1, above, 0), 0, w * h)
    opens = turn == 0
    closes = np.append(opens[1:], True)
    before[closes] = (w * h)[closes]  # also where the grid's edge lies beyond the picture
    covered = np.diff(before, prepend=np.int32(0))
    covered[opens] = before[opens]
    return np.repeat((turn & 1).astype(np.uint8), covered)
