"""COCO run-length masks: the one place that talks to pycocotools.

Inside tubelet a mask is the compressed `counts` as `bytes` (column-major runs, as COCO stores them); the image
size is kept once beside all masks of a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco

from grounding.core.errors import UserError
from grounding.core.limits import check_pixels

MAX_COUNTS = 1 << 24  # runs of one mask; a 4k frame of single-pixel stripes stays below
MAX_RUN = 1 << 32  # pixels; pycocotools counts them in 32 bits
MAX_GROUPS = 7  # of 5 bits, in one run of compressed counts
FARTHEST = 1e6  # pixels from a polygon's corner to the picture's; pycocotools counts fifths of them in 32 bits


def encode(mask: np.ndarray) -> bytes:
    """Compress a mask.

    Args:
        mask: bool or 0/1, shape (H, W).

    Raises:
        UserError: If the mask is not two-dimensional.
    """
    if mask.ndim != 2:
        raise UserError(f"a mask must have the shape (height, width), got {mask.shape}")
    return coco.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"]


def decode(counts: bytes, size: tuple[int, int]) -> np.ndarray:
    """The dense mask, bool, shape (H, W), its columns contiguous. `size` is (height, width).

    Done here, for pycocotools 2.0.11 answers NumPy 2 with a warning a mask, and a signal in between with a TypeError.
    """
    runs = _runs(np.frombuffer(counts, np.uint8))
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size[::-1]).T


def decode_part(counts: bytes, size: tuple[int, int], rows: range, columns: range) -> np.ndarray:
    """A part of the dense mask, bool, in memory and time of that part's columns and the runs, whatever the picture.

    Args:
        counts: The mask.
        size: (height, width) of the whole mask.
        rows: Consecutive rows, at least one, all within the mask.
        columns: Likewise.

    Returns:
        Shape (rows, columns).
    """
    height = size[0]
    ends = np.cumsum(_runs(np.frombuffer(counts, np.uint8))).clip(columns.start * height, columns.stop * height)
    lengths = np.diff(ends, prepend=columns.start * height)
    values = np.arange(len(lengths)) % 2 == 1  # the first run is of zeros
    return np.repeat(values, lengths).reshape(len(columns), height).T[rows.start : rows.stop]


def boxes(counts: list[bytes], size: tuple[int, int]) -> np.ndarray:
    """Tight xyxy boxes (half-open, pixels) of the masks, shape (N, 4)."""
    if not counts:
        return np.zeros((0, 4))
    xywh = coco.toBbox([{"size": list(size), "counts": c} for c in counts]).reshape(-1, 4)
    return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)


def areas(counts: list[bytes], size: tuple[int, int]) -> np.ndarray:
    """Number of pixels of each mask, shape (N,)."""
    rles = [{"size": list(size), "counts": c} for c in counts]
    # pycocotools 2.0.11 fails on more than 255 masks at once under NumPy 2.
    parts = [np.ravel(coco.area(rles[first : first + 255])) for first in range(0, len(rles), 255)]
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def union(counts: Sequence[bytes], size: tuple[int, int]) -> bytes:
    """The mask of all pixels that one of the masks has; empty without any."""
    if not counts:
        return encode(np.zeros(size, bool))
    return coco.merge([{"size": list(size), "counts": one} for one in counts])["counts"]


def shared(one: bytes, other: bytes, size: tuple[int, int]) -> int:
    """Number of pixels that both masks have."""
    both = [{"size": list(size), "counts": counts} for counts in (one, other)]
    return int(coco.area(coco.merge(both, intersect=True)))


def from_json(value: Any, size: tuple[int, int]) -> bytes:
    """Read a mask as COCO files hold it, checking that its runs fill the image exactly.

    Args:
        value: Compressed counts (a string), uncompressed counts (a list of run lengths), or `{"size", "counts"}`
            around either.
        size: Expected (height, width).

    Raises:
        UserError: If the size differs or is beyond the limits, the runs do not add up to height x width, or the type
            is something else.
    """
    if isinstance(value, dict):
        if value.get("size") not in (list(size), tuple(size)):
            raise UserError(f"RLE size must be [height, width] = {list(size)}, got {str(value.get('size'))[:40]}")
        value = value.get("counts")
    height, width = size
    check_pixels(size, "a mask")
    if isinstance(value, list):
        runs = value
    elif isinstance(value, str):
        runs = _string_to_runs(value)
    else:
        raise UserError(f"RLE counts must be a string or a list of run lengths, got {type(value).__name__}")
    if len(runs) > MAX_COUNTS or not all(type(n) is int and 0 <= n < MAX_RUN for n in runs):
        raise UserError(f"RLE run lengths must be whole numbers from 0 to {MAX_RUN}, at most {MAX_COUNTS} of them")
    if sum(runs) != height * width:
        raise UserError(f"RLE runs must fill {height} x {width} = {height * width} pixels, got {sum(runs)}")
    return coco.frPyObjects({"size": [height, width], "counts": runs}, height, width)["counts"]


def from_polygons(polygons: Sequence[np.ndarray], size: tuple[int, int]) -> bytes:
    """Fill polygons as pycocotools does (`frPyObjects`, then `merge`): a square of 10 x 10 covers 10 x 10 pixels.

    Args:
        polygons: Each the corners x1, y1, x2, y2, ... in pixels, shape (2 K,), K >= 3; there is at least one.
        size: (height, width) of the picture; what lies outside is cut off.

    Raises:
        UserError: If a corner lies more than `FARTHEST` from the picture's, or all outlines together are longer than
            one line through every pixel could be: time and memory go with their length.
    """
    height, width = size
    for polygon in polygons:
        far = ~(np.abs(polygon) <= FARTHEST)
        if far.any():
            place = f"far from the picture of {width} x {height}"
            raise UserError(f"a polygon has a corner at {polygon[far][0]:g}, {place}")
    steps = (np.abs(c - np.roll(c, 1, axis=0)).max(axis=1).sum() for c in (p.reshape(-1, 2) for p in polygons))
    length, most = sum(steps), height * width + 8 * (height + width)
    if length > most:
        raise UserError(f"outlines of {length:.0f} pixels, a picture of {width} x {height} can hold {most}; mend them")
    return coco.merge(coco.frPyObjects(list(polygons), height, width))["counts"]


def to_json(counts: bytes) -> str:
    """The compressed counts as text for a JSON file."""
    return counts.decode("ascii")


def _string_to_runs(text: str) -> list[int]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    wrong = (codes < 48) | (codes > 111)
    if wrong.any():
        raise UserError(f"RLE counts hold {text[int(wrong.argmax())]!r}, which no compressed mask contains")
    ends = np.flatnonzero((codes - 48) & 32 == 0)  # of each number
    if np.diff(ends, prepend=-1, append=len(codes) - 1).max() > MAX_GROUPS:
        raise UserError("RLE counts hold a number that does not end, which no compressed mask contains")
    if len(codes) and codes[-1] >= 48 + 32:
        raise UserError("RLE counts end in the middle of a run")
    return _runs(codes).tolist()


def _runs(codes: np.ndarray) -> np.ndarray:
    """Run lengths of compressed counts, int64 (N,).

    Characters from 48 on hold groups of 5 bits, low ones first; bit 6 says that more follow, bit 5 of the last one is
    the sign. From the fourth on, a run is a difference to the one two before.
    """
    groups = codes.astype(np.int64) - 48
    last = groups & 32 == 0
    first = np.flatnonzero(np.concatenate([[True], last[:-1]])) if len(groups) else np.zeros(0, np.int64)
    shift = 5 * (np.arange(len(groups)) - np.repeat(first, np.diff(first, append=len(groups))))
    runs = np.add.reduceat((groups & 31) << shift, first) if len(first) else np.zeros(0, np.int64)
    negative = groups[last] & 16 != 0
    runs -= np.where(negative, 32 << shift[last], 0)
    runs[2::2] = np.cumsum(runs[2::2])
    runs[1::2] = np.cumsum(runs[1::2])
    return runs
