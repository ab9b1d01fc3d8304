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
    """The dense mask, bool, shape (H, W). `size` is (height, width)."""
    return coco.decode({"size": list(size), "counts": counts}).astype(bool)


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
    """Run lengths of compressed counts: 5-bit groups, low first, each run a difference to the one two before."""
    runs: list[int] = []
    value = shift = 0
    for char in text:
        group = ord(char) - 48
        if not 0 <= group < 64 or shift > 30:
            raise UserError(f"RLE counts hold {char!r}, which no compressed mask contains")
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            if group & 16:
                value -= 1 << shift
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    if shift:
        raise UserError("RLE counts end in the middle of a run")
    return runs
