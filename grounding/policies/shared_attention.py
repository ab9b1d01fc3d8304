"""Attention of many completions over one prompt: the prompt is never repeated.

A forward call of a language model that passes `shared=Packed(...)` or `shared=Decoding(...)` attends as told here (see
`text_layers`). Nothing is kept between layers, so gradient checkpointing recomputes a layer like any other.
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

from grounding.policies.merged_attention import attend


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
            query: Shape (1, L, heads, size).
            key: Shape (1, L, key heads, size).
            value: Shape (1, L, key heads, size).
            scale: What scores are multiplied by.

        Returns:
            Shape (1, L, heads, size).
        """
        query, key, value = (x.transpose(1, 2) for x in (query, key, value))
        if self.kept is not None:
            self.kept[layer] = key, value
        out = self._flex(query, key, value, scale) if query.is_cuda else self._sdpa(query, key, value, scale)
        return out.transpose(1, 2)

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

    The completions of a prompt are rows of one product with its keys; each has keys of its own beside them.

    Args:
        read: What read the prompts, with their keys and values.
        repeats: Completions of each prompt.
        steps: Most tokens that will be fed for a completion.
    """

    def __init__(self, read: Packed, repeats: int, steps: int) -> None:
        assert read.kept is not None
        self.repeats, self.filled = repeats, 0
        self.kept = {}
        for layer, pair in read.kept.items():
            keys, values = (_to_rows(x, read.prompts) for x in pair)
            prompts, heads, _, size = keys.shape
            own = keys.new_zeros(2, prompts, heads, repeats, steps, size)
            self.kept[layer] = keys.transpose(2, 3), values.contiguous(), own
        lengths = torch.tensor(read.prompts, device=keys.device)
        padding = torch.arange(keys.shape[2], device=keys.device) >= lengths[:, None]
        self.padding = padding[:, None, None] if padding.any() else None

    def keep(self, groups: torch.Tensor) -> None:
        """Go on with some of the prompts only."""
        self.kept = {layer: (k[groups], v[groups], own[:, groups]) for layer, (k, v, own) in self.kept.items()}
        self.padding = None if self.padding is None else self.padding[groups]

    def step(self) -> None:
        """Every layer has attended: the next token comes."""
        self.filled += 1

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Attention of the newest token of every completion; shapes as in `Packed.attend`, L = completions."""
        keys, values, own = self.kept[layer]
        prompts, heads, read, size = values.shape
        for kept, new in zip(own, (key, value), strict=True):
            kept.select(-2, self.filled).copy_(new.view(prompts, -1, heads, size).transpose(1, 2))
        said = self.filled + 1
        own_keys, own_values = own.narrow(-2, 0, said).flatten(1, 3)
        # Query heads that share a key head become rows of it.
        queries = (query * scale).view(prompts, self.repeats, heads, -1, size).transpose(1, 2)
        queries = queries.reshape(prompts * heads, -1, size)
        over_prompt = torch.bmm(queries, keys.flatten(0, 1))
        over_own = torch.bmm(queries.reshape(len(own_keys), -1, size), own_keys.mT)
        if self.padding is not None:
            over_prompt.view(prompts, heads, -1, read).masked_fill_(self.padding, -torch.inf)
        scores = torch.cat([over_prompt, over_own.view(prompts * heads, -1, said)], dim=-1)
        shares = torch.softmax(scores, dim=-1, dtype=torch.float32).to(scores.dtype)
        out = torch.bmm(shares.narrow(-1, read, said).reshape(len(own_keys), -1, said), own_values)
        out = out.view(prompts * heads, -1, size).baddbmm_(shares.narrow(-1, 0, read), values.flatten(0, 1))
        return out.view(prompts, heads, self.repeats, -1, size).transpose(1, 2).reshape(query.shape)


def _to_rows(flat: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """(1, heads, sum of sizes, d) -> (rows, heads, longest, d), padded on the right."""
    if len(set(sizes)) == 1:
        return flat[0].unflatten(1, (len(sizes), -1)).transpose(0, 1)
    return pad_sequence(flat[0].transpose(0, 1).split(list(sizes)), batch_first=True).transpose(1, 2)


def _from_rows(rows: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """The inverse of `_to_rows`."""
    if len(set(sizes)) == 1:
        return rows.transpose(1, 2).flatten(0, 1).transpose(0, 1)[None]
    return torch.cat([row[:, :size] for row, size in zip(rows, sizes, strict=True)], dim=1)[None]
