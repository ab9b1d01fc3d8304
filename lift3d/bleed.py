"""Masks without what bled onto another surface: from the inside of a mask to its rim, depth must not jump.

A mask that is some pixels too wide takes in what lies behind the object, perhaps metres away. Votes of other views put
that right only where the camera moved enough to see those points beside the object. The depth tells it at once.
"""

from __future__ import annotations

import cv2
import numpy as np


def without_bleed(layer: np.ndarray, depth: np.ndarray, width: int, edge: float) -> np.ndarray:
    """A label map with 0 where a mask went over an edge of the depth, at its rim.

    The inside of a mask is what lies more than `width` pixels from its rim. A pixel of the rim stays if some pixel next
    to it, nearer to the inside, stays and has about its depth. Where a mask is so thin that it has no inside within
    `width`, it stays as it is. So do pixels without a depth; they pass on that of the pixel next to them.

    Args:
        layer: uint16 (H, W), 0 = nothing.
        depth: float32 (H, W), metres, 0 = invalid.
        width: Pixels of the rim; 0 leaves everything.
        edge: Depths that differ by no more than this share of themselves are about the same.
    """
    doubtful = _with_steps(layer, depth, edge) if width else np.zeros(0, np.intp)
    if not len(doubtful):
        return layer
    window = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    inside = cv2.erode(layer, window) == cv2.dilate(layer, window)
    inside &= layer > 0
    if not inside.any():
        return layer
    away = np.minimum(cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_C, 3), width + 1)
    kept = _kept(np.pad(layer, 1), np.pad(depth, 1), np.pad(away, 1), doubtful, width, edge)
    return np.where(kept[1:-1, 1:-1], layer, 0).astype(layer.dtype)


def _with_steps(layer: np.ndarray, depth: np.ndarray, edge: float) -> np.ndarray:
    """The labels that hold two pixels side by side, or one above the other, of which one is much deeper or unknown."""
    found = []
    for axis in (0, 1):
        one, other = (np.moveaxis(depth, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        mine, its = (np.moveaxis(layer, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        step = (mine == its) & (np.abs(one - other) > edge * np.minimum(one, other))
        found.append(mine[step])
    labels = np.unique(np.concatenate(found))
    return labels[labels > 0]


def _kept(
    layer: np.ndarray, depth: np.ndarray, away: np.ndarray, doubtful: np.ndarray, width: int, edge: float
) -> np.ndarray:
    """Which pixels stay, bool, of padded maps; `away` is how many steps, also slanting ones, a pixel is from inside."""
    shape, across = layer.shape, layer.shape[1]
    labels, metres, steps = layer.ravel(), depth.ravel().copy(), away.ravel().astype(np.int32)
    stays = np.ones(len(labels), bool)
    rim = np.flatnonzero((steps > 0) & (steps <= width) & np.isin(labels, doubtful))
    rim = rim[np.argsort(steps[rim], kind="stable")]
    for ring in np.split(rim, np.searchsorted(steps[rim], np.arange(2, width + 1))):
        own = metres[ring]
        alone, reached = np.ones(len(ring), bool), np.zeros(len(ring), bool)
        for step in (-across - 1, -across, -across + 1, -1, 1, across - 1, across, across + 1):
            beside = ring + step
            its = metres[beside]
            known = (own > 0) & (its > 0)
            nearer = (steps[beside] == steps[ring] - 1) & (labels[beside] == labels[ring])
            fits = nearer & stays[beside] & (~known | (np.abs(own - its) <= edge * own))
            alone &= ~nearer
            own = np.where(fits & (own == 0), its, own)
            reached |= fits
        stays[ring], metres[ring] = reached | alone, own
    return stays.reshape(shape)
