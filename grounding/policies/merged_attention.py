"""Attention of several completions over one prompt and over themselves, without repeating or masking the prompt.

The completions' queries are folded into one long row for the prompt's keys; each completion attends to its own keys
causally; the two results are merged by their log-sum-exps. Given the merged result and log-sum-exp, the backward
kernel of each part returns its part of the exact gradient (as in ring attention). On a CPU this is 1.1 to 1.5 times
as fast as SDPA over repeated keys with a mask.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

KERNEL = "cpu"  # the device whose flash kernel returns the log-sum-exps; elsewhere keys are repeated and masked
_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def attend(
    query: torch.Tensor, prompt: tuple[torch.Tensor, torch.Tensor], own: tuple[torch.Tensor, torch.Tensor], scale: float
) -> torch.Tensor:
    """Attention of completions of one prompt.

    Args:
        query: Shape (rows, heads, C, size).
        prompt: Keys and values of the prompt, shape (1, key heads, P, size).
        own: Keys and values of each completion, shape (rows, key heads, C, size).
        scale: What scores are multiplied by.

    Returns:
        Shape (rows, heads, C, size).
    """
    if query.device.type == KERNEL:
        shared = query.shape[1] // prompt[0].shape[1]
        own_rows = own if shared == 1 else tuple(x.repeat_interleave(shared, dim=1) for x in own)
        return _Merged.apply(query, *prompt, *own_rows, scale)
    key, value = (torch.cat([a.expand(len(query), -1, -1, -1), b], dim=2) for a, b in zip(prompt, own, strict=True))
    seen = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril(prompt[0].shape[2])
    gqa = query.shape[1] != key.shape[1]
    return scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=scale, enable_gqa=gqa)


class _Merged(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, *rest: Any) -> torch.Tensor:
        key, value, own_key, own_value, scale = rest
        folded = _fold(query, key.shape[1])
        over_prompt, prompt_lse = _forward(folded, key, value, scale=scale)
        over_own, own_lse = _forward(query, own_key, own_value, is_causal=True, scale=scale)
        over_prompt, prompt_lse = _unfold(over_prompt, query), _unfold(prompt_lse[..., None], query)[..., 0]
        lse = torch.logaddexp(prompt_lse, own_lse)
        share, own_share = ((part - lse).exp()[..., None] for part in (prompt_lse, own_lse))
        out = (over_prompt * share).add_(over_own * own_share).to(query.dtype)
        ctx.save_for_backward(query, folded, key, value, own_key, own_value, out, lse)
        ctx.scale = scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, folded, key, value, own_key, own_value, out, lse = ctx.saved_tensors
        grad, out_row, lse_row = (_fold(x, key.shape[1]) for x in (grads[0], out, lse[..., None]))
        over_prompt = _backward(grad, folded, key, value, out_row, lse_row[..., 0], 0.0, False, scale=ctx.scale)
        rows = grads[0].contiguous(), query, own_key, own_value, out, lse
        over_own = _backward(*rows, 0.0, True, scale=ctx.scale)
        return _unfold(over_prompt[0], query) + over_own[0], *over_prompt[1:], *over_own[1:], None


def _fold(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """(rows, heads, C, d) -> (1, key heads, heads of a key head x rows x C, d)."""
    return rows.transpose(0, 1).reshape(1, heads, -1, rows.shape[-1])


def _unfold(folded: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The inverse of `_fold`, for tensors of as many rows, heads and tokens as `like`."""
    rows, heads, tokens, _ = like.shape
    return folded.reshape(heads, rows, tokens, -1).transpose(0, 1)
