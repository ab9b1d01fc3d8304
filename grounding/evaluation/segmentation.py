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


def boundary_similarity(prediction: np.ndarray, truth: np.ndarray, size: tuple[int, int] | None = None) -> float:
    """F of one frame: harmonic mean of how much of each boundary lies near the other one, in [0, 1].

    Near is within 0.8 % of the diagonal, rounded up to whole pixels. 1 where neither mask has a boundary, 0 where only
    one has.

    Args:
        prediction: bool, shape (H, W).
        truth: bool, shape (H, W).
        size: (height, width) of the picture, where both masks are cut out of it with a pixel around them.
    """
    around = _around(prediction | truth)
    mine, theirs = boundary(prediction[around]), boundary(truth[around])
    if not mine.any() or not theirs.any():
        return float(mine.any() == theirs.any())
    radius = math.ceil(BOUNDARY * math.hypot(*(size or truth.shape)))
    precision = np.count_nonzero(mine & _near(theirs, radius)) / np.count_nonzero(mine)
    recall = np.count_nonzero(theirs & _near(mine, radius)) / np.count_nonzero(theirs)
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


def _around(mask: np.ndarray) -> tuple[slice, slice]:
    """The part of the picture that holds the mask and a pixel around it; the first pixel for an empty mask."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return slice(1), slice(1)
    return slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2)


def _near(edge: np.ndarray, radius: int) -> np.ndarray:
    """Where an edge lies within `radius` pixels: as dilated by a disk, in time that does not grow with the disk."""
    away = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return away**2 < radius**2 + 0.5  # squared distances are whole numbers
