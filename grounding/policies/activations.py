"""Bytes of activations that a token, or a patch of a video, takes in training; formulas of what the engine does.

Symbols: h width of the row, i of the MLP, q = heads x their size, k = key heads x their size, H and K the numbers of
heads; r bytes of a number in the row from layer to layer, c of one in a product. With weights of float32 under autocast
r = 4 and c = 2; frozen embeddings (LoRA) and weights that FSDP2 or DeepSpeed hand out in bfloat16 make r = 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class TextLayer:
    """A layer of the language model, reading a packed row; all figures are bytes a token.

    Args:
        width: h.
        inner: i.
        queries: q.
        keys: k.
        heads: H.
        key_heads: K.
        norms_heads: Whether queries and keys are normed (Qwen3).
        row: r.
        product: c.
        rank: Of its adapters; 0 where its own weights are trained.
    """

    width: int
    inner: int
    queries: int
    keys: int
    heads: int
    key_heads: int
    norms_heads: bool
    row: int
    product: int
    rank: int

    @property
    def saved(self) -> int:
        """What the backward pass of the layer needs, its input with it.

        - r (2h): the row before each of the two norms; and 4 x 2 for what these norms divided by.
        - c (n h): the inputs of q, k, v, gate and up. Where a cast makes them (r > c, or adapters, which take float32)
          each projection has its own, n = 5; else they share, n = 2.
        - c (2q + 2k) + 4H: queries, keys, values, the result of attention, and its log-sum-exps in float32.
        - c (3i): gate, up, and the product of one's activation with the other, which is the input of down.
        - Normed heads: c (q + k) + 4 (H + K).
        - Adapters: c q, a second input of o, and 7 c rank, what is between their two matrices.
        """
        r, c, h = self.row, self.product, self.width
        inputs = 5 if self._casts else 2
        saved = 2 * r * h + 8 + inputs * c * h + c * (2 * self.queries + 2 * self.keys) + 4 * self.heads
        saved += 3 * c * self.inner
        if self.norms_heads:
            saved += c * (self.queries + self.keys) + 4 * (self.heads + self.key_heads)
        if self.rank:
            saved += 7 * c * self.rank + (c * self.queries if self._casts else 0)
        return saved

    @property
    def saved_of_prompts(self) -> int:
        """The same in the last layer for a token of a prompt, which only makes keys and values there.

        r h + 4, the row before the norm; c (n h), the inputs of k and v, n = 2 or 1; c (2k), and c k + 4K where keys
        are normed; 2 c rank of adapters.
        """
        r, c, h = self.row, self.product, self.width
        saved = r * h + 4 + (2 if self._casts else 1) * c * h + self.cached
        if self.norms_heads:
            saved += c * self.keys + 4 * self.key_heads
        return saved + 2 * c * self.rank

    @property
    def forward(self) -> int:
        """What is alive at the worst moment of its forward pass, when gate and up are multiplied.

        3c i, these two and their product; 3 (r + c) h, rows; and 2c k, keys and values. Adapters hold 4c i and 8c h
        instead: what they add is made beside what it is added to.
        """
        r, c, h = self.row, self.product, self.width
        if self.rank:
            return 4 * c * self.inner + 8 * c * h + self.cached
        return 3 * c * self.inner + 3 * (r + c) * h + self.cached

    @property
    def backward(self) -> int:
        """What is alive beside `saved` at the worst moment of its backward pass.

        r h + 2c i, the gradients of the row, of gate and of up. With adapters that moment comes earlier, when all is
        computed again: c i + 4i, the input of down as it is and in float32, and 6c h, rows.
        """
        r, c, h = self.row, self.product, self.width
        if self.rank and self._casts:
            return (c + 4) * self.inner + 6 * c * h
        return r * h + 2 * c * self.inner

    @property
    def cached(self) -> int:
        """Its keys and values: 2c k."""
        return 2 * self.product * self.keys

    @property
    def _casts(self) -> bool:
        return self.row > self.product or bool(self.rank and self.product < 4)


def text_layer(layer: Any, config: Any, *, row: int, product: int, rank: int) -> TextLayer:
    """The numbers of a decoder layer of transformers; `config` is that of its language model."""
    attention, heads, key_heads = layer.self_attn, config.num_attention_heads, config.num_key_value_heads
    return TextLayer(
        width=config.hidden_size,
        inner=config.intermediate_size,
        queries=heads * attention.head_dim,
        keys=key_heads * attention.head_dim,
        heads=heads,
        key_heads=key_heads,
        norms_heads=hasattr(attention, "q_norm"),
        row=row,
        product=product,
        rank=rank,
    )


@dataclass(frozen=True)
class Tower:
    """A vision tower that is trained; all figures are bytes a patch (a visual token is `merged` of them).

    Args:
        depth: Blocks.
        width: w.
        inner: i of a block's MLP.
        heads: H.
        gated: Whether that MLP has a gate (Qwen2.5).
        patch: Numbers of a patch, as the processor makes it.
        merged: Patches of a token.
        mergers: Parts that make tokens of patches: one, and one for each inner level (Qwen3).
        product: c.
        casts: Whether its weights are float32 under autocast.
    """

    depth: int
    width: int
    inner: int
    heads: int
    gated: bool
    patch: int
    merged: int
    mergers: int
    product: int
    casts: bool

    @property
    def block(self) -> int:
        """What the backward pass of a block needs, its input with it: c (11w + n i) + 4H + 16.

        w: the row before either norm, the input of qkv and its result (3), turned queries and keys (2), the result of
        attention, and the inputs of proj and the MLP. A gated MLP has n = 3, one without n = 2; where a cast makes the
        two inputs of a gated one, they are two: c w more.
        """
        mlp = 3 * self.inner + (self.width if self.casts else 0) if self.gated else 2 * self.inner
        return self.product * (11 * self.width + mlp) + 4 * self.heads + 16

    def kept(self, *, checkpointing: bool) -> int:
        """What waits for the backward pass.

        The input of each block, c w, or all that its backward pass needs; the patches, in the type of the weights; and
        at most 4c w a merger: what it norms, the inputs of its two matrices, and what is between them.
        """
        block = self.product * self.width if checkpointing else self.block
        weights = 4 if self.casts else self.product
        return self.depth * block + weights * self.patch + 4 * self.product * self.width * self.mergers


def tower(visual: Any, config: Any, *, product: int, casts: bool) -> Tower:
    """The numbers of a vision tower of transformers; `config` is its own."""
    return Tower(
        depth=config.depth,
        width=config.hidden_size,
        inner=config.intermediate_size,
        heads=config.num_heads,
        gated=hasattr(visual.blocks[0].mlp, "gate_proj"),
        patch=config.in_channels * config.temporal_patch_size * config.patch_size**2,
        merged=config.spatial_merge_size**2,
        mergers=1 + len(getattr(visual, "deepstack_merger_list", nn.ModuleList())),
        product=product,
        casts=casts,
    )
