"""Products of float32 matrices that oneDNN computes on a CPU, and linear layers that use them.

torch gives such products to MKL, which leaves half of each register of AMD's CPUs unused; there oneDNN is twice as
fast. Other types, and other devices, are computed as ever.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

ROWS = 128  # of fewer, a product takes less time than the call
ALIKE = 192  # both libraries round sums of up to so many numbers to the same bit; MKL adds up longer ones in blocks


class LeanLinear(nn.Linear):
    """A linear layer; one of a model becomes it by `hasten`, and its weights, and their names, stay what they are.

    Results are those of torch to the bit: a longer sum is left to it. Gradients are the same but for rounding.
    """

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Shape (..., in) to (..., out)."""
        if fits(hidden, self.weight) and not torch.is_autocast_enabled("cpu"):
            return _Linear.apply(hidden, self.weight, self.bias)
        return super().forward(hidden)


def hasten(model: nn.Module) -> None:
    """Let every linear layer of a model be a lean one."""
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = LeanLinear


def fits(rows: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether oneDNN computes the product of two matrices."""
    return (
        rows.device.type == "cpu"
        and rows.dtype == weight.dtype == torch.float32
        and rows.numel() >= ROWS * weight.shape[-1]
        and torch.backends.mkldnn.is_available()
    )


def product(rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """As torch's `linear`, of shapes (..., in), (out, in) and (out,); without gradients."""
    if fits(rows, weight):
        return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return linear(rows, weight, bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(hidden, weight)
        return (product if weight.shape[1] <= ALIKE else linear)(hidden, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (hidden, weight), (needs_hidden, needs_weight, needs_bias) = ctx.saved_tensors, ctx.needs_input_grad
        rows, grad = hidden.flatten(0, -2), grads[0].flatten(0, -2)
        to_hidden = product(grads[0], weight.T) if needs_hidden else None
        return to_hidden, product(grad.T, rows.T) if needs_weight else None, grad.sum(0) if needs_bias else None
