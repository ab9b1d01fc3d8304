"""The heavier rewards for many answers in one call of numpy; equal to the single forms, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.core import Tube, UserError


def interval_ious(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Temporal IoU of intervals pair by pair: `temporal_iou` of many.

    Args:
        said: (start, end) in seconds, shape (N, 2); a NaN row is a failure.
        true: Shape (N, 2), or (2,) for one truth.

    Returns:
        [0, 1], shape (N,); 0 for failures and where both are empty.
    """
    both = np.minimum(said[..., 1], true[..., 1]) - np.maximum(said[..., 0], true[..., 0])
    both = np.maximum(both, 0)
    union = (said[..., 1] - said[..., 0]) + (true[..., 1] - true[..., 0]) - both
    return np.minimum(np.divide(both, union, out=np.zeros_like(union), where=union > 0), 1)


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
    vious, mine, theirs, where, counts, unions = np.zeros(len(said)), [], [], [], [], []
    for index, (a, b) in enumerate(zip(said, true, strict=True)):
        size_a, size_b = len(a.boxes), len(b.boxes)
        first = max(a.start_frame, b.start_frame)
        count = min(a.start_frame + size_a, b.start_frame + size_b) - first
        if count > 0:
            mine.append(a.boxes[first - a.start_frame :][:count])
            theirs.append(b.boxes[first - b.start_frame :][:count])
            where.append(index)
            counts.append(count)
            unions.append(size_a + size_b - count)
    if where:
        ious = _ious(np.concatenate(mine), np.concatenate(theirs))
        starts = np.cumsum([0, *counts[:-1]])
        vious[where] = np.add.reduceat(ious, starts) / unions
    return vious


def _ious(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of xyxy boxes pair by pair, shape (M,), from contiguous columns, which numpy goes through fastest."""
    a, b = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    sides = np.minimum(a[2:], b[2:])
    sides -= np.maximum(a[:2], b[:2])
    np.maximum(sides, 0, out=sides)
    both = sides[0] * sides[1]
    a[2:] -= a[:2]
    b[2:] -= b[:2]
    union = a[2] * a[3] + b[2] * b[3] - both
    return np.minimum(np.divide(both, union, out=np.zeros_like(both), where=union > 0), 1)
