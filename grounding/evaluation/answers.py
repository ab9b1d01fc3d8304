"""Metrics of short answers: VSI-Bench's mean relative accuracy, and letters of multiple choice."""

from __future__ import annotations

import re

import numpy as np

_LEVELS = 1 - np.linspace(0.5, 0.95, 10)  # as VSI-Bench's evaluator computes them, rounding errors included
_LETTER = re.compile(r"\(?([A-Z])\)?\.?", re.IGNORECASE | re.ASCII)


def mean_relative_accuracy(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """MRA: share of the ten levels 0.50, 0.55, ..., 0.95 with |prediction - truth| / truth <= 1 - level.

    Equality counts, as in VSI-Bench's evaluator (its paper writes <). Where the truth is 0, only 0 is right.

    Args:
        prediction: Shape (n,); NaN is no answer and scores 0.
        truth: Shape (n,).

    Returns:
        Shape (n,), in [0, 1].
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.where(truth == 0, np.where(prediction == 0, 0.0, np.inf), np.abs(prediction - truth) / np.abs(truth))
    return (off[:, None] <= _LEVELS).mean(axis=1)


def letter(text: str) -> str | None:
    """The letter of a choice, upper case; `B`, `b`, `(B)` and `B.` are letters, `B, the dog` and `A person` are not."""
    found = _LETTER.fullmatch(text.strip())
    return found.group(1).upper() if found else None
