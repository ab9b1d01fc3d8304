"""Region and boundary similarity of masks, J and F, as DAVIS defines them and MeViS and Ref-YouTube-VOS use them."""

from __future__ import annotations

import math

import cv2
import numpy as np

BOUNDARY = 0.008  # of the picture's diagonal: how far apart boundaries may lie


def region_similarity(prediction: np.ndarray, truth: np.ndarray) -> float:
    """J of one frame: IoU of the masks, in [0, 1]; 1 where both are empty.

    Args:
        prediction: bool, shape (H, W).
        truth: bool, shape (H, W).
    """
    union = np.count_nonzero(prediction | truth)
    return np.count_nonzero(prediction & truth) / union if union else 1.0


def boundary_similarity(prediction: np.ndarray, truth: np.ndarray) -> float:
    """F of one frame: harmonic mean of how much of each boundary lies near the other one, in [0, 1].

    Near is within 0.8 % of the diagonal, rounded up to whole pixels. 1 where neither mask has a boundary, 0 where only
    one has.

    Args:
        prediction: bool, shape (H, W).
        truth: bool, shape (H, W).
    """
    mine, theirs = boundary(prediction), boundary(truth)
    if not mine.any() or not theirs.any():
        return float(mine.any() == theirs.any())
    disk = _disk(math.ceil(BOUNDARY * math.hypot(*truth.shape)))
    precision = np.count_nonzero(mine & _dilated(theirs, disk)) / np.count_nonzero(mine)
    recall = np.count_nonzero(theirs & _dilated(mine, disk)) / np.count_nonzero(theirs)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels that differ from the one to the right, below, or both: David Martin's `seg2bmap`, one pixel wide.

    Args:
        mask: bool, shape (H, W).

    Returns:
        bool, shape (H, W).
    """
    grown = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask ^ grown[:-1, 1:]) | (mask ^ grown[1:, :-1]) | (mask ^ grown[1:, 1:])


def _disk(radius: int) -> np.ndarray:
    steps = np.arange(-radius, radius + 1)
    return (np.add.outer(steps**2, steps**2) <= radius**2).astype(np.uint8)


def _dilated(edge: np.ndarray, disk: np.ndarray) -> np.ndarray:
    return cv2.dilate(edge.astype(np.uint8), disk).astype(bool)
