"""Boxes: `xyxy` in pixels of the original frame, float, half-open; NaN rows mean 'no box'."""

from __future__ import annotations

import numpy as np


def paired_box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes pair by pair, in [0, 1]; 0 where either box is NaN or both are empty.

    A box has D lower bounds, then D upper ones: (start, end), xyxy, x1 y1 z1 x2 y2 z2. A reversed one is empty.

    Args:
        a: Boxes, shape (..., 2 D).
        b: Boxes, broadcastable to the shape of `a`.

    Returns:
        Shape (...).
    """
    dimensions = max(a.ndim, b.ndim)
    (a_low, a_high), (b_low, b_high) = _bounds(a, dimensions), _bounds(b, dimensions)
    both = _volume(np.maximum(a_low, b_low), np.minimum(a_high, b_high))
    union = _volume(a_low, a_high) + _volume(b_low, b_high) - both
    return np.minimum(np.divide(both, union, out=np.zeros(union.shape), where=union > 0), 1)


def mask_box(mask: np.ndarray) -> np.ndarray:
    """The tight box around the pixels of a mask (H, W), float64 (4,); NaN if it has none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.full(4, np.nan)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)


def _bounds(boxes: np.ndarray, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds, each of shape (D, ...), in contiguous columns: numpy goes through those fastest."""
    boxes = boxes[(None,) * (dimensions - boxes.ndim)]
    columns = np.ascontiguousarray(boxes.transpose(-1, *range(dimensions - 1)))
    half = len(columns) // 2
    return columns[:half], columns[half:]


def _volume(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.multiply.reduce(np.maximum(high - low, 0))
