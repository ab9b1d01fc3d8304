"""The heavier rewards for many answers in one call of numpy; equal to the single forms, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.core import Tube, UserError
from grounding.core.boxes import paired_box_iou
from grounding.core.tubes import volume_iou


def interval_ious(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Temporal IoU of intervals pair by pair: `temporal_iou` of many.

    Args:
        said: (start, end) in seconds, shape (N, 2); a NaN row is a failure.
        true: Shape (N, 2), or (2,) for one truth.

    Returns:
        [0, 1], shape (N,); 0 for failures and where both are empty.
    """
    return paired_box_iou(said, true)


def tube_vious(said: Sequence[Tube], true: Sequence[Tube]) -> np.ndarray:
    """Volume IoU of tubes pair by pair: `Tube.viou` of many, all shared frames at once.

    Args:
        said: N tubes.
        true: N tubes; the same one may stand for a whole group.

    Returns:
        [0, 1], shape (N,).

    Raises:
        UserError: If the numbers of tubes differ.
    """
    if len(said) != len(true):
        raise UserError(f"tubes are compared pair by pair, got {len(said)} said and {len(true)} true ones")
    if not said:
        return np.zeros(0)
    pairs = [a.shared_boxes(b) for a, b in zip(said, true, strict=True)]
    shared = np.array([len(mine) for mine, _ in pairs])
    said_boxes, true_boxes = map(np.concatenate, zip(*pairs, strict=True))
    pair = np.repeat(np.arange(len(pairs)), shared)
    sums = np.bincount(pair, paired_box_iou(said_boxes, true_boxes), len(pairs))
    compared = np.bincount(pair, ~np.isnan(true_boxes[:, 0]), len(pairs))
    unions = np.array([len(a.boxes) + len(b.boxes) for a, b in zip(said, true, strict=True)]) - shared
    return volume_iou(sums, shared, compared, unions)
