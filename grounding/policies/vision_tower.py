"""What a vision tower of transformers computes, with fewer and larger operators; the results are the same.

Pictures and windows of equal size attend in one call instead of one each, and queries and keys are turned in one. A
patch is as large as the kernel of the convolution that embeds it, so the gradient of the kernel is a matrix product.
"""

from __future__ import annotations

import functools
from itertools import groupby
from typing import Any

import torch
from torch import nn
from torch.nn.functional import conv3d, scaled_dot_product_attention

from grounding.policies.linear import product
from grounding.policies.text_layers import rotate


def hasten(tower: Any) -> None:
    """Let a tower compute as told here; its weights, and their names, stay what they are.

    A tower that was given another attention than SDPA keeps it.
    """
    convolution = tower.patch_embed.proj
    if type(convolution) is nn.Conv3d:
        convolution.__class__ = WholePatch
    for block in tower.blocks if tower.config._attn_implementation == "sdpa" else ():
        if not isinstance(block.attn, PictureAttention):
            block.attn.__class__ = _of_pictures(block.attn.__class__)


@functools.cache
def _of_pictures(kind: Any) -> type:
    return type(kind.__name__, (PictureAttention, kind), {})


class PictureAttention:
    """Attention of patches of pictures, or of windows of them."""

    def forward(
        self: Any,
        hidden_states: torch.Tensor,
        cu_seqlens: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        **_: Any,
    ) -> torch.Tensor:
        """As in transformers.

        Args:
            hidden_states: Patches of all pictures, shape (patches, width).
            cu_seqlens: Where pictures begin, and the end of the last, integers, shape (pictures + 1,).
            position_embeddings: Cosines and sines, each of shape (patches, size of a head).

        Returns:
            Shape (patches, width).
        """
        made = self.qkv(hidden_states).unflatten(-1, (3, self.num_heads, -1))
        turning, value = made.split((2, 1), dim=1)
        turns = position_embeddings[0].float(), position_embeddings[1].float()  # as transformers turns them
        query, key = rotate(turning.flatten(1, 2), turns, adjacent=False).unflatten(1, (2, -1)).unbind(1)
        return self.proj(by_picture(query, key, value[:, 0], cu_seqlens, self.scaling).flatten(1))


def by_picture(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, ends: torch.Tensor, scale: float
) -> torch.Tensor:
    """Attention of each picture, or window of one, to itself.

    Args:
        query: Shape (patches of all pictures, heads, size); keys and values have the same.
        key: Keys.
        value: Values.
        ends: Where pictures begin, and the end of the last, integers, shape (pictures + 1,).
        scale: What scores are multiplied by.

    Returns:
        Shape (patches of all pictures, heads, size).
    """
    alike = [(size, len(list(run))) for size, run in groupby(ends.diff().tolist())]
    parts = zip(*(x.split([size * count for size, count in alike]) for x in (query, key, value)), strict=True)
    out = []
    for (size, count), part in zip(alike, parts, strict=True):
        queries, keys, values = (x.unflatten(0, (count, size)).transpose(1, 2) for x in part)
        attended = scaled_dot_product_attention(queries, keys, values, scale=scale)
        out.append(attended.transpose(1, 2).flatten(0, 1))
    return torch.cat(out) if len(out) > 1 else out[0]


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
        # On a CPU the kernel for channels that lie together is the faster one, and gives the same to the bit.
        layout = torch.channels_last_3d if patches.device.type == "cpu" else torch.contiguous_format
        return conv3d(patches.contiguous(memory_format=layout), weight.contiguous(memory_format=layout), *rest)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (patches, weight), grad = ctx.saved_tensors, grads[0].flatten(1)
        needs_patches, _, needs_bias, _ = ctx.needs_input_grad
        to_patches = (grad.to(weight.dtype) @ weight.flatten(1)).view_as(patches) if needs_patches else None
        to_weight = product(grad.mT, patches.flatten(1).mT.to(grad.dtype)).view_as(weight).to(weight.dtype)
        return to_patches, to_weight, grad.sum(0).to(weight.dtype) if needs_bias else None, None
