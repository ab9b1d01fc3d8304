"""Boxes: `xyxy` in pixels of the original frame, float, half-open; NaN rows mean 'no box'."""

from __future__ import annotations

import numpy as np


def box_area(boxes: np.ndarray) -> np.ndarray:
    """Area in square pixels; negative extents count as empty.

    Args:
        boxes: xyxy, shape (..., 4).

    Returns:
        Shape (...).
    """
    return np.clip(boxes[..., 2] - boxes[..., 0], 0, None) * np.clip(boxes[..., 3] - boxes[..., 1], 0, None)


def paired_box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes pair by pair, in [0, 1]; 0 where either box is NaN or both are empty.

    Args:
        a: xyxy, shape (..., 4).
        b: xyxy, broadcastable to the shape of `a`.

    Returns:
        Shape (...).
    """
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., 2:], b[..., 2:])
    intersection = np.prod(np.clip(high - low, 0, None), axis=-1)
    union = box_area(a) + box_area(b) - intersection
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = intersection / union
    return np.where(np.isfinite(iou), np.clip(iou, 0, 1), 0.0)
