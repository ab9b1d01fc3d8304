"""Objectives: how rewards become a gradient. A new one is one entry of `OBJECTIVES`.

Shapes: R rows (completions, those of a group one after another), C tokens of the longest completion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a configuration is checked without torch
    from torch import Tensor


@dataclass(frozen=True)
class Rollouts:
    """What advantages are made of: the completions of one process in one generation, always whole groups.

    Args:
        rewards: Weighted sums, float, shape (R,); NaN where a completion could not be scored.
        tokens: Of the completions, int64, shape (R, C).
        mask: 1 where a token is part of its completion, shape (R, C).
        rows: Rows of a group.
        advantages: TRL's own, float, shape (R,).
    """

    rewards: Tensor
    tokens: Tensor
    mask: Tensor
    rows: int
    advantages: Tensor


@dataclass(frozen=True)
class Pass:
    """What a loss is made of: the rows of one forward pass, always whole groups.

    Args:
        logps: Log-probabilities of the tokens, with their graph, shape (R, C).
        old_logps: The same when they were drawn, shape (R, C).
        ref_logps: The same of the reference, shape (R, C); None without a KL term.
        advantages: Shape (R,), or (R, C) where tokens differ.
        rewards: As in `Rollouts`.
        mask: As in `Rollouts`.
        rows: Rows of a group.
    """

    logps: Tensor
    old_logps: Tensor
    ref_logps: Tensor | None
    advantages: Tensor
    rewards: Tensor
    mask: Tensor
    rows: int


@dataclass(frozen=True)
class Objective:
    """How rewards become a gradient.

    Args:
        trl: Fields of TRL's `GRPOConfig` that it fixes.
        advantages: Makes them of rewards, shape (R,) or (R, C); None takes TRL's own, those of the group.
        loss: The mean loss of a pass, with its graph; None takes the one that `trl` names.
    """

    trl: Mapping[str, Any] = field(default_factory=dict)
    advantages: Callable[[Rollouts], Tensor] | None = None
    loss: Callable[[Pass], Tensor] | None = None


# TRL's losses, by its names.
OBJECTIVES: dict[str, Objective] = {
    name: Objective({"loss_type": name})
    for name in ("grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo")
}
