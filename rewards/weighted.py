"""A weighted sum of rewards that keeps the value of every part for the log, and the named presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from grounding.core import Answer, ParseFailure, UserError
from rewards.base import REWARDS

PRESETS: dict[str, Mapping[str, float]] = {
    # The paper's sum: when, which, form; equal weights, in [0, 3].
    "stvg_r1": {"temporal_iou": 1.0, "id_match": 1.0, "think_answer_format": 1.0},
    # Our default, in [0, 3.5]: adds the metric that is reported; form weighs less, for it is learnt first.
    "tubelet": {"temporal_iou": 1.0, "id_match": 1.0, "tube_viou": 1.0, "think_answer_format": 0.5},
}


@dataclass(frozen=True)
class WeightedSum:
    """A reward made of registered rewards.

    Args:
        weights: For each reward's name, the finite number that its value is multiplied with; at least one.

    Raises:
        UserError: If a name is not registered, a weight is not a finite number, or there is none.
    """

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.weights:
            raise UserError(f"give at least one reward a weight; known rewards: {', '.join(sorted(REWARDS))}")
        for name, weight in self.weights.items():
            if name not in REWARDS:
                raise UserError(f"there is no reward {name!r}; known rewards: {', '.join(sorted(REWARDS))}")
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not math.isfinite(weight):
                raise UserError(f"the weight of reward {name} must be a finite number, got {weight!r}")
        object.__setattr__(self, "weights", dict(self.weights))

    def parts(self, answer: Answer | ParseFailure, truth: Answer, text: str) -> dict[str, float | None]:
        """The unweighted value of every part; None where it is not scored.

        Raises:
            UserError: If a reward leaves its declared range.
        """
        return {name: REWARDS[name](answer, truth, text) for name in self.weights}

    def total(self, parts: Mapping[str, float | None]) -> float:
        """The weighted sum of `parts`; what is not scored adds nothing.

        Raises:
            KeyError: If a part is missing.
        """
        return sum((w * value for name, w in self.weights.items() if (value := parts[name]) is not None), 0.0)
