"""Metrics of highlight detection as QVHighlights defines them (HL-mAP, HL-Hit1)."""

from __future__ import annotations

import numpy as np


def highlight_ap(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Average precision of clip scores, one video at a time.

    Clips of equal score are found together. The precision is interpolated, and averaged over the scores at which a
    relevant clip is found, each score once, as QVHighlights' `get_ap` does.

    Args:
        scores: Shape (n, C); -inf where a video has fewer clips.
        relevant: bool, shape (n, C).

    Returns:
        Shape (n,), in [0, 1]; 0 where nothing is relevant.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=1)
    found = np.take_along_axis(relevant, order, axis=1).cumsum(axis=1)
    last = np.ones(scores.shape, bool)  # of a run of equal scores
    last[:, :-1] = ranked[:, :-1] != ranked[:, 1:]
    precision = np.where(last, found / np.arange(1, scores.shape[1] + 1), 0.0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    known = np.maximum.accumulate(np.where(last, found, 0), axis=1)
    before = np.concatenate([np.zeros((len(known), 1), int), known[:, :-1]], axis=1)
    steps = last & (found > before)
    return (envelope * steps).sum(axis=1) / np.maximum(steps.sum(axis=1), 1)


def hit_at_1(top: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Whether the clip with the highest score is relevant to anybody.

    Args:
        top: Index of that clip, shape (n,); past the end it hits nothing, as does -1.
        relevant: bool, shape (n, C, annotators).

    Returns:
        0 or 1, shape (n,).
    """
    inside = (top >= 0) & (top < relevant.shape[1])
    chosen = relevant[np.arange(len(top)), np.where(inside, top, 0)].any(axis=1)
    return (chosen & inside).astype(float)
