"""Completions over one prompt attend as full sequences do, and the prompt is not kept repeated."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from grounding.policies import completion_attention
from grounding.policies.completion_attention import attend

SCALE, ROWS, SAID, READ, SIZE = 0.4, 3, 5, 200, 16
Group = tuple[torch.Tensor, tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]


def group(heads: int = 4, key_heads: int = 2) -> Group:
    """Queries, the prompt's keys and values, the completions' own."""
    made = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn((*shape, SIZE), generator=made, requires_grad=True)

    prompt = random(1, key_heads, READ), random(1, key_heads, READ)
    return random(ROWS, heads, SAID), prompt, (random(ROWS, key_heads, SAID), random(ROWS, key_heads, SAID))


def full_sequences(query: torch.Tensor, prompt: Sequence[torch.Tensor], own: Sequence[torch.Tensor]) -> torch.Tensor:
    """Causal attention of each completion behind the prompt, head by head, as matrices."""
    out = []
    for row in range(ROWS):
        for head in range(query.shape[1]):
            at = head * own[0].shape[1] // query.shape[1]
            keys, values = (torch.cat([a[0, at], b[row, at]]) for a, b in zip(prompt, own, strict=True))
            later = torch.arange(READ + SAID) > READ + torch.arange(SAID)[:, None]
            scores = (query[row, head] @ keys.T * SCALE).masked_fill(later, -torch.inf)
            out.append(scores.softmax(-1) @ values)
    return torch.stack(out).view(query.shape)


def flat(given: Group) -> list[torch.Tensor]:
    return [given[0], *given[1], *given[2]]


@pytest.mark.parametrize("key_heads", [1, 2, 4])
@pytest.mark.parametrize("kernel", ["cpu", "another device"])
def test_values_and_gradients(key_heads: int, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion_attention, "KERNEL", kernel)
    given = group(4, key_heads)
    got, expected = attend(*given, SCALE), full_sequences(*given)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    weight = torch.randn(got.shape, generator=torch.Generator().manual_seed(1))
    ours, theirs = (torch.autograd.grad((out * weight).sum(), flat(given)) for out in (got, expected))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_rounding_is_that_of_full_sequences() -> None:
    query, prompt, own = group()
    keys, values = (torch.cat([a.expand(ROWS, -1, -1, -1), b], dim=2) for a, b in zip(prompt, own, strict=True))
    everything = torch.cat([torch.zeros(ROWS, 4, READ, SIZE), query], dim=2)
    expected = scaled_dot_product_attention(everything, keys, values, is_causal=True, scale=SCALE, enable_gqa=True)
    assert torch.equal(attend(query, prompt, own, SCALE), expected[:, :, READ:])


def test_no_repeated_prompt_is_kept() -> None:
    given, kept = group(), {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        attend(*given, SCALE)
    # What came in; the result and a log-sum-exp for each of its rows; and what hides later tokens, for 2 heads.
    inputs, results = sum(x.numel() for x in flat(given)), ROWS * 4 * SAID
    assert sum(kept.values()) == inputs + results * (SIZE + 1) + 2 * SAID * (READ + SAID)
