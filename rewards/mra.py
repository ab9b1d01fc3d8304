"""Mean relative accuracy of numbers, as VSI-Bench defines it; the reward and the benchmark are this one function."""

from __future__ import annotations

import numpy as np

_LEVELS = 1 - np.linspace(0.5, 0.95, 10)  # as VSI-Bench's evaluator computes them, rounding errors included


def mean_relative_accuracies(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """MRA: share of the ten levels 0.50, 0.55, ..., 0.95 with |prediction - truth| / |truth| <= 1 - level.

    Equality counts, as in VSI-Bench's evaluator, by which its figures are made; its paper writes < (arXiv 2412.14171).
    Where the truth is 0, only 0 is right.

    Args:
        prediction: Shape (n,); NaN is no answer and scores 0.
        truth: Shape (n,).

    Returns:
        Shape (n,), in [0, 1].
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        off = np.where(truth == 0, np.where(prediction == 0, 0.0, np.inf), np.abs(prediction - truth) / np.abs(truth))
    return (off[:, None] <= _LEVELS).mean(axis=1)
