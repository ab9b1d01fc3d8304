"""Which samples are drawn more often, by how difficult they are; what the papers do not state is our default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grounding.core import Sample, UserError
from grounding.core.checks import number, shown, within
from grounding.curriculum.order import Weigh
from grounding.curriculum.scores import Difficulty
from grounding.datasets.toy import ToySamples


def by_spread(known: Difficulty, progress: float) -> np.ndarray:
    """Weights of samples by the deviation of their scores: what is answered now well, now badly (Temporal-RLT)."""
    return known.std


@dataclass(frozen=True)
class Gaussian:
    """Weights of samples by how near they are to a difficulty: exp(-((score - mean) / std)^2 / 2), as TimeLens has it.

    Args:
        mean: The score that weighs most; Time-R1's script is named for 0.3.
        std: > 0; 0.2 is our default, for that of Time-R1 is not known.
    """

    mean: float = 0.3
    std: float = 0.2

    def __call__(self, known: Difficulty, progress: float) -> np.ndarray:
        """The weights, in [0, 1], shape (n,)."""
        return np.exp(-(((known.mean - self.mean) / self.std) ** 2) / 2)


def difficulty_of(samples: Sequence[Sample]) -> Difficulty:
    """What rows or an earlier stage say of the difficulty of samples; NaN where they say nothing.

    Raises:
        UserError: Naming the sample, if it is not a number from 0 (hard) to 1 (easy).
    """
    return Difficulty(*(_column(samples, name) for name in ("difficulty", "difficulty_std")))


def factors_of(samples: Sequence[Sample]) -> np.ndarray:
    """The `weight` of each sample, 1 where none is said: float in [0, 1], shape (n,).

    Raises:
        UserError: Naming the sample, if it is something else.
    """
    return np.nan_to_num(_column(samples, "weight"), nan=1.0)


def check_known(samples: Sequence[Sample], known: Difficulty, weigh: Weigh) -> None:
    """Refuse samples that say too little to be weighed, or of which none weighs anything.

    Raises:
        UserError: Naming the first that says too little.
    """
    weights = weigh(known, 0.0)
    if not weights.any():
        raise UserError("the curriculum gives each sample the weight 0; choose another curriculum.select.by")
    for sample, weight in zip(samples, weights.tolist(), strict=True):
        if not np.isfinite(weight):
            raise UserError(
                f"sample {sample.id} has no difficulty to be weighed by; put the stage difficulty before grpo"
            )


def share(value: Any, name: str) -> float:
    """A number from 0 to 1.

    Raises:
        UserError: Naming it, if it is something else.
    """
    if not 0 <= number(value, name) <= 1:
        raise UserError(f"{name} must be from 0 to 1, got {shown(value)}")
    return float(value)


def _column(samples: Sequence[Sample], name: str) -> np.ndarray:
    column = np.full(len(samples), np.nan)
    if isinstance(samples, ToySamples):  # each is made when it is asked for, which takes a while for all
        return column
    for place, sample in enumerate(samples):
        if (value := sample.meta.get(name)) is not None:
            with within(f"sample {sample.id}"):
                column[place] = share(value, name)
    return column
