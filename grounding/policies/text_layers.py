"""What the layers of a language model compute over a shared prompt, with fewer operators; the results are the same.

A layer that is called with `shared=Packed(...)` or `shared=Decoding(...)` computes as told here; any other call is
transformers' own. The parts of a layer are called as modules, so adapters, gradient checkpointing and weights that are
gathered a module at a time work as ever.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch.nn.functional import pad

Turns = tuple[torch.Tensor, torch.Tensor] | torch.Tensor


def hasten(text: Any, *, adjacent: bool) -> None:
    """Let the layers of a language model of transformers know `shared`; weights, and their names, stay what they are.

    Args:
        text: The language model.
        adjacent: Whether rotary positions turn neighbouring numbers (GLM), not those half a head apart (Qwen).
    """
    for layer in text.layers:
        if not isinstance(layer, SharedPromptLayer):
            norms = hasattr(layer.self_attn, "q_norm"), hasattr(layer, "post_self_attn_layernorm")
            layer.__class__ = _with_shared_prompts(layer.__class__, adjacent, *norms)


@functools.cache
def _with_shared_prompts(kind: Any, adjacent: bool, norms_heads: bool, norms_results: bool) -> type:
    """A class of the same name, by which FSDP and others find a model's layers."""
    own = {"adjacent": adjacent, "norms_heads": norms_heads, "norms_results": norms_results}
    return type(kind.__name__, (SharedPromptLayer, kind), own)


class SharedPromptLayer:
    """A decoder layer of transformers that can be called with `shared`."""

    adjacent: bool
    norms_heads: bool  # of queries and keys (Qwen3)
    norms_results: bool  # of attention and MLP, before they are added (GLM)

    def forward(
        self: Any, hidden_states: torch.Tensor, position_embeddings: Any = None, shared: Any = None, **rest: Any
    ) -> torch.Tensor:
        """As in transformers; with `shared`, `position_embeddings` may be whatever `rotate` takes."""
        if shared is None:
            return super().forward(hidden_states, position_embeddings=position_embeddings, **rest)  # type: ignore[misc]
        attention = self.self_attn
        normed = self.input_layernorm(hidden_states)
        heads = (*normed.shape[:-1], -1, attention.head_dim)
        query, key = attention.q_proj(normed).view(heads), attention.k_proj(normed).view(heads)
        value = attention.v_proj(normed).view(heads)
        if self.norms_heads:
            query, key = attention.q_norm(query), attention.k_norm(key)
        query, key = (rotate(x, position_embeddings, adjacent=self.adjacent) for x in (query, key))
        attended = shared.attend(attention.layer_idx, query, key, value, attention.scaling)
        added = attention.o_proj(attended.flatten(-2))
        if self.norms_results:
            added = self.post_self_attn_layernorm(added)
        hidden_states = hidden_states + added
        added = self.mlp(self.post_attention_layernorm(hidden_states))
        if self.norms_results:
            added = self.post_mlp_layernorm(added)
        return hidden_states + added


def rotate(heads: torch.Tensor, turns: Turns, *, adjacent: bool) -> torch.Tensor:
    """Rotary positions (Su et al., RoFormer, 2021) of queries or keys.

    Args:
        heads: Shape (1, tokens, heads, size).
        turns: Cosines and sines as transformers' rotary embeddings make them, each of shape (1, tokens, size or fewer);
            or matrices (prompts, size, size), each for an equal number of tokens one after another.
        adjacent: As for `hasten`.

    Returns:
        The same shape.
    """
    if isinstance(turns, torch.Tensor):
        return torch.bmm(heads.view(len(turns), -1, heads.shape[-1]), turns).view(heads.shape)
    cosines, sines = (turn.unsqueeze(-2) for turn in signed(turns, heads.shape[-1], adjacent=adjacent))
    return _Rotated.apply(heads, cosines, sines, adjacent)


def signed(turns: tuple[torch.Tensor, torch.Tensor], size: int, *, adjacent: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of a whole head, of shape (..., size); the first of each turned pair has a minus in its sine.

    Args:
        turns: Cosines and sines as transformers makes them, each of shape (..., size or fewer).
        size: Of a head.
        adjacent: As for `hasten`.
    """
    cosines, sines = turns
    if adjacent:
        pairs = sines.unflatten(-1, (-1, 2))
        sines = torch.stack((-pairs[..., 0], pairs[..., 1]), dim=-1).flatten(-2)
    else:
        first, second = sines.chunk(2, dim=-1)
        sines = torch.cat((-first, second), dim=-1)
    if rest := size - cosines.shape[-1]:  # the end of a head is not turned
        cosines, sines = pad(cosines, (0, rest), value=1.0), pad(sines, (0, rest))
    return cosines, sines


def rotated(heads: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor, *, adjacent: bool) -> torch.Tensor:
    """Heads turned by what `signed` returns; of an identity matrix, the matrix that turns."""
    return (heads * cosines).add_(_swapped(heads, adjacent) * sines)  # rounded as transformers does


def _swapped(heads: torch.Tensor, adjacent: bool) -> torch.Tensor:
    """Each number's partner in its pair."""
    if adjacent:
        return heads.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
    return heads.roll(heads.shape[-1] // 2, dims=-1)


class _Rotated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, heads: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor, adjacent: bool) -> Any:
        ctx.save_for_backward(cosines, sines)
        ctx.adjacent = adjacent
        return rotated(heads, cosines, sines, adjacent=adjacent).to(heads.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (cosines, sines), grad = ctx.saved_tensors, grads[0]
        return torch.addcmul(_swapped(grad * sines, ctx.adjacent), grad, cosines).to(grad.dtype), None, None, None
