"""Metrics of video temporal grounding: IoU of intervals, recall, and average precision of ranked windows.

Intervals are [start, end] in seconds, shape (..., 2). NaN is no interval and overlaps nothing, as does a reversed one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.core.boxes import paired_box_iou

THRESHOLDS = (0.3, 0.5, 0.7)
AP_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))  # 0.5 to 0.95, both included


def padded(rows: Sequence[Sequence[Sequence[float]]], width: int = 2) -> np.ndarray:
    """Lists of different lengths as one array, shape (n, longest but at least 1, width), filled up with NaN."""
    result = np.full((len(rows), max([1, *map(len, rows)]), width), np.nan)
    for place, row in enumerate(rows):
        if len(row):
            result[place, : len(row)] = row
    return result


def interval_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union, in [0, 1]; 0 where either is NaN or reversed, or both are empty.

    Args:
        a: Intervals, shape (..., 2).
        b: Broadcastable to the shape of `a`.

    Returns:
        Shape (...).
    """
    return paired_box_iou(a, b)


def best_iou(prediction: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """IoU with the gold interval that fits best, as QVHighlights, NExT-GQA and ReXTime count.

    Args:
        prediction: Shape (n, 2).
        gold: Shape (n, G, 2), NaN where there are fewer.

    Returns:
        Shape (n,), in [0, 1].
    """
    return interval_iou(prediction[:, None], gold).max(axis=1)


def best_iop(prediction: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Share of the prediction that lies in a gold interval, the best of them (NExT-GQA's `get_tIoU`).

    A prediction without length is 1 within a gold interval, bounds included, and 0 elsewhere.

    Args:
        prediction: Shape (n, 2).
        gold: Shape (n, G, 2), NaN where there are fewer.

    Returns:
        Shape (n,), in [0, 1].
    """
    one = prediction[:, None]
    length = one[..., 1] - one[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(length > 0, np.minimum(_intersection(one, gold) / length, 1.0), 0.0)
        within = (length == 0) & (gold[..., 0] <= one[..., 0]) & (one[..., 0] <= gold[..., 1])
    return np.where(within, 1.0, share).max(axis=1)


def union_iou(prediction: np.ndarray, gold: np.ndarray) -> float:
    """IoU of the unions of two sets of intervals (VideoChat-R1); not comparable with the best over gold.

    Args:
        prediction: Shape (P, 2).
        gold: Shape (G, 2).

    Returns:
        In [0, 1]; 0 where both are empty.
    """
    one, other, both = (_covered(part) for part in (prediction, gold, np.concatenate([prediction, gold])))
    return float(np.clip((one + other - both) / both, 0.0, 1.0)) if both > 0 else 0.0


def window_ap(windows: np.ndarray, gold: np.ndarray, thresholds: Sequence[float] = AP_THRESHOLDS) -> np.ndarray:
    """Average precision of ranked windows, one query at a time (QVHighlights' MR-mAP: VOC 2011 interpolation).

    In the order of the ranks each window takes the free gold interval that it fits best, if its IoU reaches the
    threshold; otherwise it is a false positive.

    Args:
        windows: Best first, shape (n, P, 2), NaN where there are fewer.
        gold: Shape (n, G, 2), NaN where there are fewer.
        thresholds: IoU, inclusive.

    Returns:
        Shape (n, thresholds), in [0, 1]; 0 for a query without windows.
    """
    levels = np.array(thresholds)[None, :, None]
    taken = np.zeros((len(gold), levels.size, gold.shape[1]), bool)
    hits = np.zeros((windows.shape[1], len(gold), levels.size), bool)
    for rank in range(windows.shape[1]):
        # Of equal IoUs the official code takes the last: hence the reversed order.
        iou = interval_iou(windows[:, rank, None], gold)[:, None, ::-1]
        free = np.where((iou >= levels) & ~taken[..., ::-1], iou, -1.0)
        best = gold.shape[1] - 1 - free.argmax(axis=2)
        hits[rank] = free.max(axis=2) >= 0
        taken |= hits[rank][..., None] & (np.arange(gold.shape[1]) == best[..., None])
    found = hits.cumsum(axis=0)
    precision = found / np.arange(1, len(hits) + 1)[:, None, None]
    envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    golds = (~np.isnan(gold[..., 0])).sum(axis=1)
    return (envelope * hits).sum(axis=0) / np.maximum(golds, 1)[:, None]


def _intersection(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    overlap = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    return np.nan_to_num(np.clip(overlap, 0.0, None))


def _covered(intervals: np.ndarray) -> float:
    """Total length of the union of intervals, shape (N, 2)."""
    ordered = intervals[np.argsort(intervals[:, 0])]
    total, reached = 0.0, -np.inf
    for start, end in ordered.tolist():
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
