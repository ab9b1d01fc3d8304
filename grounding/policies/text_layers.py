"""What the layers of a language model compute over a shared prompt, with fewer operators; the results are the same.

A layer that is called with `shared=Packed(...)` or `shared=Decoding(...)` computes as told here; any other call is
transformers' own. The parts of a layer are called as modules, so adapters, gradient checkpointing and weights that are
gathered a module at a time work as ever.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import pad

from grounding.tracking.versions import composer

Turns = tuple[torch.Tensor, torch.Tensor] | torch.Tensor


def hasten(text: Any, *, adjacent: bool) -> None:
    """Let the layers of a language model of transformers know `shared`; weights, and their names, stay what they are.

    Args:
        text: The language model.
        adjacent: Whether rotary positions turn neighbouring numbers (GLM), not those half a head apart (Qwen).
    """
    compose = composer(text, adjacent=adjacent)
    for layer in text.layers:
        if not isinstance(layer, SharedPromptLayer):
            norms = hasattr(layer.self_attn, "q_norm"), hasattr(layer, "post_self_attn_layernorm")
            layer.__class__ = _with_shared_prompts(layer.__class__, adjacent, *norms)
            layer.compose = compose


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
    compose: Callable[[Any], Any]  # what `composer` returns

    def forward(
        self: Any, hidden_states: torch.Tensor, position_embeddings: Any = None, shared: Any = None, **rest: Any
    ) -> torch.Tensor:
        """As in transformers, shape (1, tokens, width).

        With `shared`, `position_embeddings` may be matrices as `rotate` takes them, the result has those tokens that
        `shared.querying` picks, and the shape may lack its first dimension.
        """
        if shared is None:
            return super().forward(hidden_states, position_embeddings=position_embeddings, **rest)  # type: ignore[misc]
        attention = self.self_attn
        normed, turns = self.input_layernorm(hidden_states), position_embeddings
        if not isinstance(turns, torch.Tensor):
            turns = self.compose(turns)
        key, value = attention.k_proj(normed), attention.v_proj(normed)
        key, value = (x.unflatten(-1, (-1, attention.head_dim)) for x in (key, value))
        if self.norms_heads:
            key = attention.k_norm(key)
        key = rotate(key, turns, adjacent=self.adjacent)
        hidden_states, normed, turns = shared.querying(attention.layer_idx, hidden_states, normed, turns)
        query = attention.q_proj(normed).unflatten(-1, (-1, attention.head_dim))
        if self.norms_heads:
            query = attention.q_norm(query)
        query = rotate(query, turns, adjacent=self.adjacent)
        # Under autocast a norm of float32 makes float32, and kernels take one type.
        query, key = query.to(value.dtype), key.to(value.dtype)
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
        heads: Shape (1, tokens, heads, size), or without the first dimension.
        turns: Cosines and sines, each of shape (1, tokens, size or fewer); or matrices (prompts, size, size), each for
            an equal number of tokens one after another.
        adjacent: As for `hasten`.

    Returns:
        The same shape.
    """
    if isinstance(turns, torch.Tensor):
        return torch.bmm(heads.view(len(turns), -1, heads.shape[-1]), turns).view(heads.shape)
    cosines, sines = (turn.unsqueeze(-2) for turn in padded(turns, heads.shape[-1]))
    return _Rotated.apply(heads, cosines, sines, adjacent)


def padded(turns: tuple[torch.Tensor, torch.Tensor], size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines, each of shape (..., size or fewer), of whole heads: the end of a head is not turned."""
    rest = size - turns[0].shape[-1]
    return (pad(turns[0], (0, rest), value=1.0), pad(turns[1], (0, rest))) if rest else turns


def rotated(heads: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor, *, adjacent: bool) -> torch.Tensor:
    """Heads turned by what `padded` returns, rounded as transformers does; of an identity matrix, the turning matrix.

    A pair (a, b) becomes (a cos - b sin, b cos + a sin).
    """
    out = heads * cosines
    for_a, for_b = _pairs(out, adjacent)
    (a, b), (sine_a, sine_b) = _pairs(heads, adjacent), _pairs(sines, adjacent)
    for_a.sub_(b * sine_a)
    for_b.add_(a * sine_b)
    return out


def _pairs(heads: torch.Tensor, adjacent: bool) -> tuple[torch.Tensor, ...]:
    """The first numbers and the second numbers of the pairs that turn together."""
    return (heads[..., ::2], heads[..., 1::2]) if adjacent else heads.chunk(2, dim=-1)


class _Rotated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, heads: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor, adjacent: bool) -> Any:
        ctx.save_for_backward(cosines, sines)
        ctx.adjacent = adjacent
        return rotated(heads, cosines, sines, adjacent=adjacent).to(heads.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        cosines, sines = ctx.saved_tensors
        out = grads[0] * cosines
        to_a, to_b = _pairs(out, ctx.adjacent)
        (a, b), (sine_a, sine_b) = _pairs(grads[0], ctx.adjacent), _pairs(sines, ctx.adjacent)
        to_a.addcmul_(b, sine_b)
        to_b.addcmul_(a, sine_a, value=-1)
        return out.to(grads[0].dtype), None, None, None
