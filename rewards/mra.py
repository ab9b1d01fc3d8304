"""Mean relative accuracy of numbers, as VSI-Bench defines it; the reward and the benchmark are this one function."""

from __future__ import annotations

import numpy as np

_LIMITS = np.arange(50, 0, -5) / 100  # 1 - theta, for theta in 0.50, 0.55, ..., 0.95
_ROUNDING = 1e-12  # 2.3 for 2 is off by 0.15, though in floats 2.3 - 2 is a bit less than 0.3


def mean_relative_accuracies(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """MRA: share of the ten levels theta = 0.50, 0.55, ..., 0.95 with |prediction - truth| / |truth| < 1 - theta.

    An error of exactly 1 - theta does not count, as the paper defines it (arXiv 2412.14171). The evaluator that its
    authors published writes <=, so it gives more where answers meet a limit, as 3 of 4 does. Where the truth is 0,
    only 0 is right.

    Args:
        prediction: Shape (n,); NaN is no answer and scores 0.
        truth: Shape (n,).

    Returns:
        Shape (n,), in [0, 1].
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        off = np.where(truth == 0, np.where(prediction == 0, 0.0, np.inf), np.abs(prediction - truth) / np.abs(truth))
    return (off[:, None] < _LIMITS - _ROUNDING).mean(axis=1)
