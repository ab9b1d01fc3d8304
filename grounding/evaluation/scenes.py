"""Metrics in 3D: IoU of boxes (ScanRefer) and average precision of instance masks (ScanNet's benchmark)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grounding.core.boxes import paired_box_iou
from grounding.evaluation.bootstrap import Figure

# Nine levels, for the official arange(0.5, 0.95, 0.05) stops before 0.95; the papers' AP ends at 0.90.
AP_LEVELS = tuple(np.arange(0.5, 0.95, 0.05).tolist())
LEVELS = (*AP_LEVELS, 0.25)
MIN_VERTICES = 100  # smaller instances, true or predicted, are ignored


def box3d_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of axis-aligned boxes, in [0, 1]; 0 where either is NaN or both are empty.

    Args:
        a: `x1 y1 z1 x2 y2 z2` in metres, shape (..., 6).
        b: Broadcastable to the shape of `a`.

    Returns:
        Shape (...).
    """
    return paired_box_iou(a, b)


@dataclass(frozen=True, eq=False)
class Overlaps:
    """How the predicted instances of one class lie on the true ones of one scene.

    Args:
        shared: Vertices in both, shape (P, G).
        predicted: Vertices of each prediction, shape (P,).
        true: Vertices of each true instance, shape (G,).
        void: Vertices of each prediction on what has no valid class, shape (P,).
        confidence: Shape (P,).
    """

    shared: np.ndarray
    predicted: np.ndarray
    true: np.ndarray
    void: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True, eq=False)
class Found:
    """What one scene adds to the precision-recall curve of a class at a level.

    Args:
        scores: Confidences of what counts as hit or as false, shape (K,).
        hits: Which of them are hits, bool, shape (K,).
        true: How many true instances there are to be found.
    """

    scores: np.ndarray
    hits: np.ndarray
    true: int


def overlaps(
    true_ids: np.ndarray, masks: Sequence[np.ndarray], labels: Sequence[int], scores: Sequence[float], classes: set[int]
) -> dict[int, Overlaps]:
    """Overlaps of one scene by class; predictions with other labels or fewer than 100 vertices are left out.

    Args:
        true_ids: `label * 1000 + instance` of each vertex, shape (V,).
        masks: bool, shape (V,), one a prediction.
        labels: One a prediction.
        scores: Confidences, one a prediction.
        classes: The valid labels.
    """
    void = ~np.isin(true_ids // 1000, list(classes))
    result = {}
    for label in sorted(classes):
        chosen = [i for i, mask in enumerate(masks) if labels[i] == label and np.count_nonzero(mask) >= MIN_VERTICES]
        names, sizes = np.unique(true_ids[true_ids // 1000 == label], return_counts=True)
        if chosen or len(names):
            shared = [[np.count_nonzero(masks[i] & (true_ids == name)) for name in names] for i in chosen]
            result[label] = Overlaps(
                np.array(shared, float).reshape(len(chosen), len(names)),
                np.array([np.count_nonzero(masks[i]) for i in chosen], float),
                sizes.astype(float),
                np.array([np.count_nonzero(masks[i] & void) for i in chosen], float),
                np.array([scores[i] for i in chosen], float),
            )
    return result


def match(scene: Overlaps, level: float) -> Found:
    """Pair predictions and true instances greedily at IoU > `level`, as ScanNet's evaluator does.

    Of several predictions on one instance the most confident is the hit and the others are false. A prediction that
    fits nothing is false, unless more than `level` of it lies on void or on instances too small to count.
    """
    iou = scene.shared / (scene.predicted[:, None] + scene.true - scene.shared)
    large = scene.true >= MIN_VERTICES
    scores: list[float] = []
    hits: list[bool] = []
    used: set[int] = set()
    for instance in np.flatnonzero(large):
        on = [p for p in np.flatnonzero(iou[:, instance] > level).tolist() if p not in used]
        confidences = sorted(scene.confidence[on].tolist(), reverse=True)
        scores += confidences
        hits += [True] * bool(on) + [False] * (len(on) - 1)
        used |= set(on[:1])  # the official code marks the first one only
    ignored = (scene.void + scene.shared[:, ~large].sum(axis=1)) / np.maximum(scene.predicted, 1)
    false = ~(iou > level).any(axis=1) & (ignored <= level)
    scores += scene.confidence[false].tolist()
    hits += [False] * int(false.sum())
    return Found(np.array(scores, float), np.array(hits, bool), int(large.sum()))


def average_precision(scenes: Mapping[int, Found], weights: np.ndarray) -> np.ndarray:
    """Area under the precision-recall curve, summed as ScanNet's evaluator sums it.

    Args:
        scenes: Of one class at one level, by the number of the scene.
        weights: How often each scene counts, shape (B, scenes).

    Returns:
        Shape (B,), in [0, 1]; NaN where there is no true instance, 0 where there is no prediction.
    """
    numbers = list(scenes)
    true = weights[:, numbers] @ np.array([scenes[n].true for n in numbers], float)
    scores = np.concatenate([scenes[n].scores for n in numbers])
    hits = np.concatenate([scenes[n].hits for n in numbers])
    owner = np.repeat(numbers, [len(scenes[n].scores) for n in numbers])
    order = np.argsort(-scores, kind="stable")
    counts = weights[:, owner[order]]
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) if len(scores) else np.zeros(0, int)
    found = (counts * hits[order]).cumsum(axis=1)[:, ends]
    listed = counts.cumsum(axis=1)[:, ends]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.nan_to_num(found / listed, nan=1.0)  # nothing listed yet: the curve begins at precision 1
        recall = found / true[:, None]
    return np.where(true > 0, _area(precision, recall), np.nan)


def _area(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Sum of precision x half of the recall from the point before to the one after, from the point (0, 1) on."""
    if not recall.shape[1]:
        return np.zeros(len(recall))
    zero = np.zeros((len(recall), 1))
    steps = np.concatenate([zero, zero, recall, recall[:, -1:]], axis=1)
    widths = (steps[:, 2:] - steps[:, :-2]) / 2
    return (np.concatenate([zero + 1, precision], axis=1) * widths).sum(axis=1)


def instance_figures(scenes: Sequence[Mapping[int, Overlaps]], names: Mapping[int, str]) -> dict[str, Figure]:
    """`AP` (mean over IoU 0.50 to 0.90 and classes), `AP50` and `AP25`, and AP50 of each class that occurs.

    Args:
        scenes: What `overlaps` gives, one a scene.
        names: Of the classes.
    """
    found = {
        (label, level): {n: match(scene[label], level) for n, scene in enumerate(scenes) if label in scene}
        for label in names
        for level in LEVELS
    }

    def figure(labels: Sequence[int], levels: Sequence[float]) -> Figure:
        curves = [found[label, level] for label in labels for level in levels if found[label, level]]

        def at(weights: np.ndarray) -> np.ndarray:
            if not curves:
                return np.full(len(weights), np.nan)
            values = np.array([average_precision(curve, weights) for curve in curves])
            present = ~np.isnan(values)
            with np.errstate(invalid="ignore"):
                return np.where(present, values, 0).sum(axis=0) / present.sum(axis=0)

        return Figure(at, len(scenes))

    everything = list(names)
    figures = {"AP": figure(everything, AP_LEVELS), "AP50": figure(everything, LEVELS[:1])}
    figures["AP25"] = figure(everything, LEVELS[-1:])
    return figures | {f"AP50 {names[label]}": figure([label], LEVELS[:1]) for label in names if found[label, 0.5]}
