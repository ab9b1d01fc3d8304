"""In what precision weights are trained, and whether they move: a step smaller than half a unit is rounded away.

A weight w of bfloat16 has 8 bits: a step below |w| / 512 leaves it as it is, and with Adam at a learning rate of 1e-6
almost every step is (0.35 % of the weights moved in 10 steps, against 99.9 % in float32).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch.distributed.tensor import DTensor

MOVED = "weights_moved"  # in the figures of the step that was watched
ENOUGH = 0.5  # share of the weights that a step should move
SAMPLE = 2**16  # numbers of a tensor that are looked at, evenly spread; all of a smaller one


def train_in_float32(model: torch.nn.Module) -> None:
    """Hold the weights that are trained in float32, in place; frozen ones stay as they are.

    Computations may still be in 16 bits, by autocast: it rounds what enters a product, not what is learnt.
    """
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


class Movement:
    """Which weights a step moves: made before the step, asked after it.

    Args:
        weights: What the optimizer changes: the trained weights, or float32 copies where it keeps those.
    """

    def __init__(self, weights: Iterable[torch.Tensor]) -> None:
        self._before = [_some(weight).clone() for weight in weights]

    def counts(self, weights: Iterable[torch.Tensor]) -> torch.Tensor:
        """How many numbers moved, and of how many, int64, shape (2,).

        A tensor of which nothing moved is counted only if nothing moved at all: it may have had no gradient (the first
        matrices of LoRA at their first step, embeddings of words that did not occur).
        """
        pairs = zip(weights, self._before, strict=True)
        each = [(int((_some(after) != before).sum()), before.numel()) for after, before in pairs]
        moving = [one for one in each if one[0]] or each
        return torch.tensor(moving or [(0, 0)]).sum(0)

    def share(self, weights: Iterable[torch.Tensor]) -> float:
        """Which share of the numbers moved, in [0, 1]."""
        moved, looked_at = self.counts(weights).tolist()
        return moved / max(1, looked_at)


def too_still(share: float) -> str | None:
    """What to tell a user of whose weights the first step moved this share; None if it is enough."""
    if share >= ENOUGH:
        return None
    return (
        f"the first step moved {share:.1%} of the weights, the rest was rounded away: little is learnt; raise the "
        "learning rate, or train weights of float32"
    )


def _some(weight: torch.Tensor) -> torch.Tensor:
    """At most about `SAMPLE` numbers of this process's part of a weight; an odd stride meets all columns."""
    flat = (weight.to_local() if isinstance(weight, DTensor) else weight).detach().flatten()
    return flat[:: (flat.numel() // SAMPLE) | 1]
