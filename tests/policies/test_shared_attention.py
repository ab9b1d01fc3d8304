"""Packed and growing attention against one dense attention with an explicit mask."""

from __future__ import annotations

import functools
from itertools import accumulate, product

import pytest
import torch
from torch._dynamo.utils import counters
from torch.nn.attention.flex_attention import create_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

from grounding.policies import shared_attention
from grounding.policies.shared_attention import Decoding, Packed

SCALE = 0.4
RAGGED = Packed([5, 3, 4], [[2, 0, 3], [], [1, 1]])
EVEN = Packed([4, 4], [[3, 3], [3, 3]])


def dense_mask(packed: Packed) -> torch.Tensor:
    """Who sees whom, (L, L), written out token by token."""
    owners = [(group, -1) for group, size in enumerate(packed.prompts) for _ in range(size)]
    for group, rows in enumerate(packed.completions):
        owners += [(group, row) for row, size in enumerate(rows) for _ in range(size)]
    mask = torch.zeros(len(owners), len(owners), dtype=torch.bool)
    for query, (group, row) in enumerate(owners):
        for key, (other, said) in enumerate(owners[: query + 1]):
            mask[query, key] = group == other and said in (-1, row)
    return mask


def random_row(length: int, heads: int = 4, key_heads: int = 2) -> list[torch.Tensor]:
    made = torch.Generator().manual_seed(0)
    shapes = [(1, count, length, 16) for count in (heads, key_heads, key_heads)]
    return [torch.randn(shape, generator=made, requires_grad=True) for shape in shapes]


def dense(row: list[torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
    query, key, value = row
    key, value = (x.repeat_interleave(query.shape[1] // key.shape[1], dim=1) for x in (key, value))
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=SCALE)


def attended(by: Packed | Decoding, row: list[torch.Tensor]) -> torch.Tensor:
    """(1, heads, L, 16) in and out."""
    return by.attend(0, *(x.transpose(1, 2) for x in row), SCALE).transpose(1, 2)


def querying(packed: Packed) -> list[int]:
    """Tokens that predict one of a completion."""
    ends, every = list(accumulate(packed.prompts)), len(dense_mask(packed))
    return [*(end - 1 for end in ends), *range(ends[-1], every)]


def assert_same(packed: Packed, key_heads: int = 2) -> None:
    """Outputs and gradients are those of dense attention."""
    mask = dense_mask(packed)
    row = random_row(len(mask), key_heads=key_heads)
    query, *pair = row
    if packed.last == 0:
        query, mask = query[:, :, querying(packed)], mask[querying(packed)]
    got, expected = attended(packed, [query, *pair]), dense([query, *pair], mask)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    weight = torch.randn(got.shape, generator=torch.Generator().manual_seed(1))
    ours, theirs = (torch.autograd.grad((out * weight).sum(), row, retain_graph=True) for out in (got, expected))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-5)


@pytest.mark.parametrize("key_heads", [1, 2, 4])
@pytest.mark.parametrize("last", [None, 0, 1])
@pytest.mark.parametrize("packed", [RAGGED, EVEN, Packed([6], [[4]]), Packed([2, 3], [[], []])])
def test_a_packed_row_is_dense_attention_with_its_mask(packed: Packed, last: int | None, key_heads: int) -> None:
    assert_same(Packed(packed.prompts, packed.completions, last), key_heads)


def test_a_mask_that_lets_completions_see_each_other_is_told_apart() -> None:
    mask = dense_mask(EVEN)
    row = random_row(len(mask))
    got = attended(EVEN, row)
    causal = torch.ones_like(mask).tril()
    assert (got - dense(row, causal)).abs().max() > 0.1


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")  # its mask is the matter
@pytest.mark.parametrize("packed", [RAGGED, EVEN])
def test_the_kernels_blocks_are_the_same_mask(packed: Packed, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = dense_mask(packed)
    monkeypatch.setattr(shared_attention, "compiled_flex", lambda: flex_attention)
    query, *pair = (x.detach() for x in random_row(len(mask)))
    every = range(len(mask))
    for blocks, at in ((packed.blocks, every), (packed.last_blocks, querying(packed))):
        seen = mask[list(at)]
        assert torch.equal(create_mask(blocks.mask_mod, 1, 1, *seen.shape, device="cpu")[0, 0], seen)
        row = [query[:, :, list(at)], *pair]
        got = packed._flex(*row, SCALE, last=at is not every)
        torch.testing.assert_close(got, dense(row, seen), rtol=0, atol=1e-5)


def test_no_kind_of_call_is_left_uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    # torch compiles a function for 8 kinds of calls; an uncompiled call warns, and warnings are errors.
    monkeypatch.setattr(torch._dynamo.config, "recompile_limit", 8)  # and so after the test
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    compiled = shared_attention.compiled_flex.__wrapped__()
    monkeypatch.setattr(shared_attention, "compiled_flex", lambda: compiled)
    torch._dynamo.reset()
    counters.clear()
    dtypes = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    for dtype, key_heads, last in product(dtypes, (2, 4), (None, 0)):
        packed = Packed([200], [[70, 70]], last)
        query, *pair = (x.detach().to(dtype) for x in random_row(340, key_heads=key_heads))
        packed._flex(query if last is None else query[:, :, querying(packed)], *pair, SCALE, last is not None)
    assert counters["stats"]["unique_graphs"] > 8


def test_blocks_without_a_pair_cost_nothing() -> None:
    # Two prompts of 512 tokens with 4 completions of 128: 8 + 8 blocks of 128 a side. Each prompt has 4 + 3 + 2 + 1
    # blocks, each completion those 4 of its prompt and itself: 2 * (10 + 4 * 5) = 60 of 256.
    blocks = Packed([512, 512], [[128] * 4, [128] * 4]).blocks
    assert int(blocks.kv_num_blocks.sum() + blocks.full_kv_num_blocks.sum()) == 60


@torch.no_grad()
@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_growing_completions_are_a_packed_row(key_heads: int) -> None:
    prompts, repeats, steps = [5, 3, 4], 2, 3
    packed = Packed(prompts, [[steps] * repeats] * 3)
    row = random_row(12 + 18, key_heads=key_heads)
    expected = attended(packed, row)[:, :, 12:].unflatten(2, (6, steps))
    reading = Packed(prompts, [[]] * 3, kept={})
    attended(reading, [x[:, :, :12] for x in row])
    assert reading.kept is not None
    growing = Decoding(reading.kept, prompts, repeats, steps)
    answers = [x[:, :, 12:].unflatten(2, (6, steps)) for x in row]
    left = torch.arange(6)
    for step in range(steps):
        got = attended(growing, [x[:, :, left, step] for x in answers])
        growing.step()
        torch.testing.assert_close(got, expected[:, :, left, step], rtol=0, atol=1e-5)
        if step == 0:  # the second prompt has ended
            left = torch.tensor([0, 1, 4, 5])
            growing.keep(torch.tensor([True, False, True]))
