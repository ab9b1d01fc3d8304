"""Attention of many completions over one prompt, for any transformers model: the prompt is never repeated.

Registered with transformers under `NAME` and set on a policy's language model. A forward call that passes
`shared=Packed(...)` or `shared=Decoding(...)` attends as told there; any other call is transformers' own SDPA.
Nothing is kept between layers, so gradient checkpointing recomputes a layer like any other.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from grounding.policies.merged_attention import attend

NAME = "shared_prefix"


@dataclass(frozen=True, eq=False)
class Packed:
    """One row: all prompts, then the completions of the first, of the second, ..., without any padding.

    Args:
        prompts: Tokens of each prompt.
        completions: Tokens of each completion, by prompt.
        kept: Where each layer's keys and values go, for `Decoding`; None keeps nothing.
    """

    prompts: Sequence[int]
    completions: Sequence[Sequence[int]]
    kept: dict[int, tuple[torch.Tensor, torch.Tensor]] | None = None

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Causal attention in each prompt, and of each completion over its prompt and itself.

        Args:
            layer: Number of the layer.
            query: Shape (1, heads, L, size).
            key: Shape (1, key heads, L, size).
            value: Shape (1, key heads, L, size).
            scale: What scores are multiplied by.

        Returns:
            Shape (1, heads, L, size).
        """
        if self.kept is not None:
            self.kept[layer] = key, value
        return self._flex(query, key, value, scale) if query.is_cuda else self._sdpa(query, key, value, scale)

    def _sdpa(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
        gqa = query.shape[1] != key.shape[1]
        sizes = [*self.prompts, *(sum(rows) for rows in self.completions)]
        parts = list(zip(*(tensor.split(sizes, dim=2) for tensor in (query, key, value)), strict=True))
        prompts, answers = parts[: len(self.prompts)], parts[len(self.prompts) :]
        causal = functools.partial(scaled_dot_product_attention, is_causal=True, scale=scale, enable_gqa=gqa)
        out = [causal(*part) for part in prompts]
        for (_, *prompt), part, rows in zip(prompts, answers, self.completions, strict=True):
            if sum(rows):
                queries, keys, values = (_to_rows(tensor, rows) for tensor in part)
                out.append(_from_rows(attend(queries, tuple(prompt), (keys, values), scale), rows))
        return torch.cat([part.transpose(1, 2) for part in out], dim=1).transpose(1, 2)  # as it is laid out

    def _flex(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
        gqa = query.shape[1] != key.shape[1]
        return compiled_flex()(query, key, value, block_mask=self.block_mask, scale=scale, enable_gqa=gqa)

    @functools.cached_property
    def block_mask(self) -> BlockMask:
        """The same attention as blocks, of which empty ones cost nothing."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        flat = [size for rows in self.completions for size in rows]
        groups = [index for index, rows in enumerate(self.completions) for _ in rows]
        sizes = torch.tensor([*self.prompts, *flat], device=device)
        group = torch.tensor([*range(len(self.prompts)), *groups], device=device).repeat_interleave(sizes)
        row = torch.tensor([-1] * len(self.prompts) + list(range(len(flat))), device=device).repeat_interleave(sizes)

        def seen(_b: torch.Tensor, _h: torch.Tensor, q: torch.Tensor, kv: torch.Tensor) -> torch.Tensor:
            return (q >= kv) & (group[q] == group[kv]) & ((row[kv] < 0) | (row[q] == row[kv]))

        return create_block_mask(seen, None, None, len(group), len(group), device=device)


@functools.cache
def compiled_flex() -> Any:
    """FlexAttention as a kernel; uncompiled it would hold all scores."""
    return torch.compile(flex_attention, dynamic=True)


class Decoding:
    """Completions that grow by a token a step, over prompts that were read once.

    A prompt's keys and those of its completions lie in one row, in the order in which they come, and a mask tells the
    completions apart. So a step adds its keys at the end, copies no others, and attends in one call.

    Args:
        read: What read the prompts, with their keys and values.
        repeats: Completions of each prompt.
        steps: Most tokens that will be fed for a completion.
    """

    def __init__(self, read: Packed, repeats: int, steps: int) -> None:
        assert read.kept is not None
        self.repeats, self.filled = repeats, max(read.prompts)
        room = repeats * steps
        self.kept = {layer: tuple(_with_room(x, read.prompts, room) for x in pair) for layer, pair in read.kept.items()}
        first = read.kept[0][0]
        prompt = torch.arange(self.filled) < torch.tensor(read.prompts)[:, None, None]
        own = torch.eye(repeats, dtype=torch.bool).repeat(1, steps)
        seen = torch.cat([prompt.expand(-1, repeats, -1), own.expand(len(prompt), -1, -1)], dim=2)
        self.mask = torch.zeros(seen.shape, dtype=first.dtype).masked_fill_(~seen, -torch.inf).to(first.device)

    def keep(self, groups: torch.Tensor) -> None:
        """Go on with some of the prompts only."""
        self.mask = self.mask[groups]
        self.kept = {layer: tuple(x[groups] for x in pair) for layer, pair in self.kept.items()}

    def step(self) -> None:
        """Every layer has attended: the next token comes."""
        self.filled += self.repeats

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Attention of the newest token of every completion; shapes as in `Packed.attend`, L = completions."""
        rows, end = self.kept[layer], self.filled + self.repeats
        prompts, heads, _, size = rows[0].shape
        for row, new in zip(rows, (key, value), strict=True):
            row[:, :, self.filled : end] = new.view(heads, prompts, self.repeats, size).transpose(0, 1)
        # Query heads that share a key head become rows of it: (prompts, key heads, shared x completions, size).
        queries = query.view(heads, -1, prompts, self.repeats, size).permute(2, 0, 1, 3, 4)
        mask = self.mask[:, None, None, :, :end].expand(-1, -1, queries.shape[2], -1, -1).flatten(2, 3)
        keys, values = (row[:, :, :end] for row in rows)
        out = scaled_dot_product_attention(queries.flatten(2, 3), keys, values, attn_mask=mask, scale=scale)
        return out.unflatten(2, (-1, self.repeats)).permute(1, 2, 0, 3, 4).reshape(1, -1, prompts * self.repeats, size)


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    shared: Packed | Decoding | None = None,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers calls in every layer; the result has the shape (rows, L, heads, size)."""
    if shared is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **rest)
    return shared.attend(module.layer_idx, query, key, value, scaling).transpose(1, 2), None


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def _to_rows(flat: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """(1, heads, sum of sizes, d) -> (rows, heads, longest, d), padded on the right."""
    if len(set(sizes)) == 1:
        return flat[0].unflatten(1, (len(sizes), -1)).transpose(0, 1)
    return pad_sequence(flat[0].transpose(0, 1).split(list(sizes)), batch_first=True).transpose(1, 2)


def _with_room(flat: torch.Tensor, sizes: Sequence[int], room: int) -> torch.Tensor:
    """The rows with `room` more tokens at the end of each."""
    return torch.nn.functional.pad(_to_rows(flat, sizes), (0, 0, 0, room))


def _from_rows(rows: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """The inverse of `_to_rows`."""
    if len(set(sizes)) == 1:
        return rows.transpose(1, 2).flatten(0, 1).transpose(0, 1)[None]
    return torch.cat([row[:, :size] for row, size in zip(rows, sizes, strict=True)], dim=1)[None]
