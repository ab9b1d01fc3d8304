"""A weighted sum of rewards that keeps the value of every part for the log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from grounding.core import Answer, ParseFailure, UserError
from rewards.base import REWARDS, Meta
from rewards.files import find


@dataclass(frozen=True)
class WeightedSum:
    """A reward made of registered rewards.

    Args:
        weights: For each reward's name (or `path/to/file.py:function`), the finite number that its value is
            multiplied with; at least one.

    Raises:
        UserError: If a name is not registered, a weight is not a finite number, or there is none.
    """

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.weights:
            raise UserError(f"give at least one reward a weight; known rewards: {', '.join(sorted(REWARDS))}")
        for name, weight in self.weights.items():
            find(name)
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not math.isfinite(weight):
                raise UserError(f"the weight of reward {name} must be a finite number, got {weight!r}")
        object.__setattr__(self, "weights", dict(self.weights))

    def parts(self, answer: Answer | ParseFailure, truth: Answer, meta: Meta | str) -> dict[str, float | None]:
        """The unweighted value of every part; None where it is not scored.

        Args:
            answer: What was read from the model's text, decoded; or why nothing could be read.
            truth: The right answer.
            meta: What else is known; a text alone stands for `Meta(text)`.

        Raises:
            UserError: If a reward leaves its declared range, or needs what meta lacks.
        """
        meta = Meta(meta) if isinstance(meta, str) else meta
        return {name: find(name)(answer, truth, meta) for name in self.weights}

    def total(self, parts: Mapping[str, float | None]) -> float | None:
        """The weighted sum of `parts`; a part that is not scored takes no part, and None is returned if none is.

        Raises:
            KeyError: If a part is missing.
        """
        scored = [weight * value for name, weight in self.weights.items() if (value := parts[name]) is not None]
        return sum(scored) if scored else None
