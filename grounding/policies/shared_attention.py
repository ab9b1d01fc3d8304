"""Attention of many completions over one prompt: the prompt is never repeated.

A forward call of a language model that passes `shared=Packed(...)` or `shared=Decoding(...)` attends as told here (see
`text_layers`). Nothing is kept between layers, so gradient checkpointing recomputes a layer like any other.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from grounding.policies.completion_attention import attend

KINDS = 64  # of calls that FlexAttention may be compiled for; rows of many sizes made 10
Kept = dict[int, tuple[torch.Tensor, torch.Tensor]]  # keys and values by layer


class Packed:
    """One row: all prompts, then the completions of the first, of the second, ..., without any padding.

    It is no dataclass, for FSDP2 gives a layer a copy of each dataclass, and what a copy keeps is lost.

    Args:
        prompts: Tokens of each prompt.
        completions: Tokens of each completion, by prompt.
        last: Number of the last layer, in which only the tokens of `predicting` have queries; with None all do in all.
        kept: Where each layer's keys and values go, for `Decoding`; None keeps nothing.
    """

    def __init__(
        self,
        prompts: Sequence[int],
        completions: Sequence[Sequence[int]],
        last: int | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.prompts, self.completions, self.last, self.kept = prompts, completions, last, kept

    def querying(
        self, layer: int, hidden: torch.Tensor, normed: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Of each, shape (1, L, ...), the tokens that have queries in a layer; for them it returns results."""
        if layer != self.last:
            return hidden, normed, turns
        return self.predicting(hidden), self.predicting(normed), (self.predicting(turns[0]), self.predicting(turns[1]))

    def predicting(self, row: torch.Tensor) -> torch.Tensor:
        """The tokens of a row, shape (1, L, ...), that predict one: the last of each prompt, and the completions'."""
        ends = list(itertools.accumulate(self.prompts))
        return torch.cat([*(row[:, end - 1 : end] for end in ends), row[:, ends[-1] :]], dim=1)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Causal attention in each prompt, and of each completion over its prompt and itself.

        Args:
            layer: Number of the layer.
            query: Shape (1, querying, heads, size).
            key: Shape (1, L, key heads, size).
            value: Shape (1, L, key heads, size).
            scale: What scores are multiplied by.

        Returns:
            Shape (1, querying, heads, size).
        """
        query, key, value = (x.transpose(1, 2) for x in (query, key, value))
        if self.kept is not None:
            self.kept[layer] = key, value
        by = self._flex if query.is_cuda else self._sdpa
        return by(query, key, value, scale, layer == self.last).transpose(1, 2)

    def _sdpa(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, last: bool
    ) -> torch.Tensor:
        gqa = query.shape[1] != key.shape[1]
        answers = [sum(rows) for rows in self.completions]
        queries = query.split([*([1] * len(self.prompts) if last else self.prompts), *answers], dim=2)
        keys, values = (tensor.split([*self.prompts, *answers], dim=2) for tensor in (key, value))
        parts = list(zip(queries, keys, values, strict=True))
        prompts, answered = parts[: len(self.prompts)], parts[len(self.prompts) :]
        out = [scaled_dot_product_attention(*p, is_causal=not last, scale=scale, enable_gqa=gqa) for p in prompts]
        for (_, *prompt), part, rows in zip(prompts, answered, self.completions, strict=True):
            if sum(rows):
                queries, keys, values = (_to_rows(tensor, rows) for tensor in part)
                out.append(_from_rows(attend(queries, tuple(prompt), (keys, values), scale), rows))
        return torch.cat([part.transpose(1, 2) for part in out], dim=1).transpose(1, 2)  # as it is laid out

    def _flex(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, last: bool
    ) -> torch.Tensor:
        gqa, blocks = query.shape[1] != key.shape[1], self.last_blocks if last else self.blocks
        return compiled_flex()(query, key, value, block_mask=blocks, scale=scale, enable_gqa=gqa)

    @functools.cached_property
    def blocks(self) -> BlockMask:
        """The same attention as blocks, of which empty ones cost nothing."""
        return self._blocks(lambda every: every)

    @functools.cached_property
    def last_blocks(self) -> BlockMask:
        """Those of the last layer."""
        return self._blocks(lambda every: self.predicting(every[None])[0])

    def _blocks(self, querying: Callable[[torch.Tensor], torch.Tensor]) -> BlockMask:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        flat = [size for rows in self.completions for size in rows]
        groups = [index for index, rows in enumerate(self.completions) for _ in rows]
        sizes = torch.tensor([*self.prompts, *flat], device=device)
        group = torch.tensor([*range(len(self.prompts)), *groups], device=device).repeat_interleave(sizes)
        row = torch.tensor([-1] * len(self.prompts) + list(range(len(flat))), device=device).repeat_interleave(sizes)
        place = querying(torch.arange(len(group), device=device))

        def seen(_b: torch.Tensor, _h: torch.Tensor, q: torch.Tensor, kv: torch.Tensor) -> torch.Tensor:
            at = place[q]
            return (at >= kv) & (group[at] == group[kv]) & ((row[kv] < 0) | (row[at] == row[kv]))

        return create_block_mask(seen, None, None, len(place), len(group), device=device)


@functools.cache
def compiled_flex() -> Any:
    """FlexAttention as a kernel, compiled for every kind of call.

    A type, a gradient mode, grouped heads, rows of one block or of several make kinds. After `recompile_limit` of them
    torch would call it uncompiled, which holds all scores; here that is an error.
    """
    torch._dynamo.config.recompile_limit = max(KINDS, torch._dynamo.config.recompile_limit)
    return torch.compile(flex_attention, dynamic=True, fullgraph=True)


class Decoding:
    """Completions that grow by a token a step, over prompts that were read once.

    The completions of a prompt are rows of one product with its keys; each has keys of its own beside them.

    Args:
        kept: Keys and values of the prompts, one after another, as `Packed` kept them.
        lengths: Tokens of each prompt.
        repeats: Completions of each prompt.
        steps: Most tokens that will be fed for a completion.
    """

    def __init__(self, kept: Kept, lengths: Sequence[int], repeats: int, steps: int) -> None:
        self.repeats, self.filled = repeats, 0
        self.kept = {}
        for layer, pair in kept.items():
            keys, values = (_to_rows(x, lengths) for x in pair)
            prompts, heads, _, size = keys.shape
            own = keys.new_zeros(2, prompts, heads, repeats, steps, size)
            self.kept[layer] = keys.transpose(2, 3), values.contiguous(), own
        tokens = torch.tensor(lengths, device=keys.device)
        padding = torch.arange(keys.shape[2], device=keys.device) >= tokens[:, None]
        self.padding = padding[:, None, None] if padding.any() else None

    def querying(
        self, layer: int, hidden: torch.Tensor, normed: torch.Tensor, turns: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """All of them: every token predicts one."""
        return hidden, normed, turns

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
        """Attention of the newest token of every completion.

        Args:
            layer: Number of the layer.
            query: Shape (completions, heads, size).
            key: Shape (completions, key heads, size).
            value: Shape (completions, key heads, size).
            scale: What scores are multiplied by.

        Returns:
            Shape (completions, heads, size).
        """
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
