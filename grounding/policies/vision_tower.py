"""What a vision tower of transformers computes, with fewer and larger operators; the results are the same.

Pictures and windows of equal size attend in one call instead of one each. A patch is as large as the kernel of the
convolution that embeds it, so the gradient of the kernel is a matrix product.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import torch
from torch import nn
from torch.nn.functional import conv3d, scaled_dot_product_attention
from transformers import AttentionInterface

NAME = "flash_by_size"  # transformers hands over all pictures at once where a name holds "flash", else one at a time


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    scaling: float,
    cu_seq_lens_q: torch.Tensor,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of each picture, or window of one, to itself: what transformers calls in every layer.

    Args:
        module: The layer's attention.
        query: Shape (1, heads, patches of all pictures, size); keys and values have the same.
        key: Keys.
        value: Values.
        attention_mask: None; a picture sees all of itself.
        scaling: What scores are multiplied by.
        cu_seq_lens_q: Where pictures begin, and the end of the last, integers, shape (pictures + 1,).

    Returns:
        Shape (1, patches of all pictures, heads, size).
    """
    alike = [(size, len(list(run))) for size, run in groupby(cu_seq_lens_q.diff().tolist())]
    parts = zip(*(x[0].split([size * count for size, count in alike], dim=1) for x in (query, key, value)), strict=True)
    out = []
    for (size, count), part in zip(alike, parts, strict=True):
        queries, keys, values = (x.unflatten(1, (count, size)).transpose(0, 1) for x in part)
        attended = scaled_dot_product_attention(queries, keys, values, scale=scaling)
        out.append(attended.transpose(1, 2).flatten(0, 1))
    return torch.cat(out)[None], None


AttentionInterface.register(NAME, attention)


class WholePatch(nn.Conv3d):
    """A convolution whose kernel covers its input; its weights' gradient is one product, much faster on a CPU.

    Forward it stays a convolution: a product's other rounding would be told apart from transformers' own tower.
    """

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Shape (patches, channels, frames, height, width) to (patches, width of the tower, 1, 1, 1)."""
        return _Embedded.apply(patches, self.weight, self.bias, self.stride)


class _Embedded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, patches: torch.Tensor, weight: torch.Tensor, *rest: Any) -> torch.Tensor:
        ctx.save_for_backward(patches, weight)
        return conv3d(patches, weight, *rest)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (patches, weight), grad = ctx.saved_tensors, grads[0].flatten(1)
        needs_patches, _, needs_bias, _ = ctx.needs_input_grad
        to_patches = (grad.to(weight.dtype) @ weight.flatten(1)).view_as(patches) if needs_patches else None
        to_weight = (grad.mT @ patches.flatten(1).to(grad.dtype)).view_as(weight).to(weight.dtype)
        return to_patches, to_weight, grad.sum(0).to(weight.dtype) if needs_bias else None, None


def hasten(tower: Any) -> None:
    """Let a tower learn to embed patches by products; its weights, and their names, stay what they are."""
    convolution = tower.patch_embed.proj
    if type(convolution) is nn.Conv3d:
        convolution.__class__ = WholePatch
