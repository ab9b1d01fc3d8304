"""Region and boundary similarity of masks, J and F, as DAVIS defines them and MeViS and Ref-YouTube-VOS use them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from grounding.core import Region, UserError, rle

BOUNDARY = 0.008  # of the picture's diagonal: how far apart boundaries may lie


def similarities(said: Region, truth: Region) -> tuple[float, float]:
    """J and F of a region to the true one, each a mean over all frames of the video, as MeViS scores them.

    In time and memory of the part of each frame that has masks.

    Raises:
        UserError: If the two are not of one video.
    """
    if said.size != truth.size or len(said.frames) != len(truth.frames):
        mine, theirs = (f"{len(r.frames)} frames of {r.size[1]} x {r.size[0]} pixels" for r in (said, truth))
        raise UserError(f"regions of two videos cannot be compared: {mine} and {theirs}")
    frames = zip(said.frames, truth.frames, strict=True)
    j, f = np.mean([_of_frame(mine, theirs, truth.size) for mine, theirs in frames], axis=0).tolist()
    return j, f


def _of_frame(said: Sequence[bytes], true: Sequence[bytes], size: tuple[int, int]) -> tuple[float, float]:
    """J and F of one frame."""
    if said == true:
        return 1.0, 1.0
    boxes = rle.boxes([*said, *true], size)
    boxes = boxes[boxes[:, 2] > boxes[:, 0]]  # the others are of masks without a pixel
    if not len(boxes):
        return 1.0, 1.0
    low, high = (boxes[:, :2].min(axis=0) - 1).clip(0), (boxes[:, 2:].max(axis=0) + 1).clip(0, size[::-1])
    columns, rows = (range(int(first), int(last)) for first, last in zip(low, high, strict=True))
    mine, theirs = (np.zeros((len(rows), len(columns)), bool) for _ in range(2))
    for part, masks in ((mine, said), (theirs, true)):
        for counts in masks:
            part |= rle.decode_part(counts, size, rows, columns)
    return region_similarity(mine, theirs), boundary_similarity(mine, theirs, size)


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
