"""Lean layers over a shared prompt: rotary positions are transformers', and everybody else's calls are untouched."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers.models.glm4v import modeling_glm4v
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl
from transformers.models.qwen3_vl import modeling_qwen3_vl

from grounding.core import Clip
from grounding.policies.policy import Policy
from grounding.policies.shared_attention import Packed
from grounding.policies.text_layers import SharedPromptLayer, hasten, padded, rotate, rotated

Noise = Callable[..., Clip]
TOKENS, HEADS, SIZE = 7, 3, 8
FAMILIES = [
    (modeling_qwen2_5_vl, False, SIZE),
    (modeling_qwen3_vl, False, SIZE),
    (modeling_glm4v, True, SIZE),
    (modeling_glm4v, True, SIZE // 2),  # half of a head is turned
]


def heads() -> torch.Tensor:
    return torch.randn((1, TOKENS, HEADS, SIZE), generator=torch.Generator().manual_seed(0), requires_grad=True)


def turns(adjacent: bool, turned: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of an angle a pair and token, laid out as the families do."""
    angles = torch.randn((1, TOKENS, turned // 2), generator=torch.Generator().manual_seed(1))
    whole = angles.repeat_interleave(2, dim=-1) if adjacent else torch.cat((angles, angles), dim=-1)
    return whole.cos(), whole.sin()


def text_rotaries(module: Any) -> list[Any]:
    return [kind for name, kind in vars(module).items() if name.endswith("RotaryEmbedding") and "Vision" not in name]


@pytest.mark.parametrize(("module", "adjacent", "turned"), FAMILIES)
def test_heads_are_turned_as_transformers_does(module: Any, adjacent: bool, turned: int) -> None:
    if not any(hasattr(kind, "recomposition_frequencies") for kind in text_rotaries(module)):
        pytest.skip("attention of this transformers composes cosines and sines itself; test_versions.py has that")
    given, by = heads(), turns(adjacent, turned)
    got = rotate(given, by, adjacent=adjacent)
    expected = module.apply_rotary_pos_emb(given.transpose(1, 2), given.transpose(1, 2), *by)[0].transpose(1, 2)
    assert torch.equal(got, expected)
    assert not torch.equal(got, given)
    weight = torch.randn(got.shape, generator=torch.Generator().manual_seed(2))
    ours, theirs = (torch.autograd.grad((x * weight).sum(), given)[0] for x in (got, expected))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    with pytest.raises(AssertionError):  # the comparison tells the two layouts apart
        torch.testing.assert_close(rotate(given, by, adjacent=not adjacent)[..., :turned], expected[..., :turned])


@pytest.mark.parametrize(("module", "adjacent", "turned"), FAMILIES)
def test_a_matrix_turns_the_tokens_of_its_prompt(module: Any, adjacent: bool, turned: int) -> None:
    given = heads().detach()[:, :6]
    cosines, sines = (x[0, :2] for x in turns(adjacent, turned))  # two prompts of three completions
    whole = (x.unsqueeze(-2) for x in padded((cosines, sines), SIZE))
    got = rotate(given, rotated(torch.eye(SIZE), *whole, adjacent=adjacent), adjacent=adjacent)
    each = tuple(x.repeat_interleave(3, dim=0)[None] for x in (cosines, sines))
    torch.testing.assert_close(got, rotate(given, each, adjacent=adjacent), rtol=0, atol=1e-6)


def test_a_quarter_turn_by_hand() -> None:
    by = torch.zeros(1, 1, 4), torch.ones(1, 1, 4)
    given = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 4)
    # A pair (a, b) becomes (-b, a).
    assert rotate(given, by, adjacent=False).flatten().tolist() == [-3, -4, 1, 2]
    assert rotate(given, by, adjacent=True).flatten().tolist() == [-2, 1, -4, 3]


def test_turned_heads_keep_their_precision() -> None:
    given = heads().detach().bfloat16().requires_grad_()
    out = rotate(given, turns(False, SIZE), adjacent=False)
    out.float().sum().backward()
    assert out.dtype == given.grad.dtype == torch.bfloat16


def test_layers_keep_their_name_weights_and_other_calls(sharp: Policy, noise: Noise) -> None:
    text = sharp.core.language_model
    names, keys = {type(layer).__name__ for layer in text.layers}, list(sharp.model.state_dict())
    assert names == {"Qwen2_5_VLDecoderLayer"} == set(sharp.model._no_split_modules) & names
    assert all(isinstance(layer, SharedPromptLayer) for layer in text.layers)
    kinds = [type(layer) for layer in text.layers]
    hasten(text, adjacent=False)  # again changes nothing
    assert [type(layer) for layer in text.layers] == kinds
    assert list(copy.deepcopy(sharp.model).state_dict()) == keys
    batch = sharp.pad(sharp.encode([("x", noise(4))]))
    with torch.no_grad():
        ours = sharp.model(**batch).logits
        for layer in text.layers:
            layer.__class__ = modeling_qwen2_5_vl.Qwen2_5_VLDecoderLayer
        theirs = sharp.model(**batch).logits
        hasten(text, adjacent=False)
    assert torch.equal(ours, theirs)


@torch.no_grad()
def assert_layers_are_transformers(policy: Policy) -> None:
    """Over a prompt without completions, a layer is transformers' own, which takes its causal mask from SDPA."""
    text = policy.core.language_model
    assert text.config._attn_implementation == "sdpa"
    hidden = torch.randn(1, 9, text.config.hidden_size, generator=torch.Generator().manual_seed(0))
    by = text.rotary_emb(hidden, torch.arange(9).expand(3, 1, -1))
    for layer in text.layers:
        got = layer(hidden, position_embeddings=by, shared=Packed([9], [[]]))
        expected = layer(hidden, position_embeddings=by, attention_mask=None)
        torch.testing.assert_close(got, expected, rtol=0, atol=2e-5)
        assert (got - hidden).abs().max() > 0.1


@torch.no_grad()
@pytest.mark.parametrize("rows", [[[2, 3], [1]], [[], []]])
def test_the_last_layer_returns_what_predicts_tokens(sharp: Policy, rows: list[list[int]]) -> None:
    text, tokens = sharp.core.language_model, 9 + sum(map(sum, rows))
    hidden = torch.randn(1, tokens, text.config.hidden_size, generator=torch.Generator().manual_seed(0))
    by = text.rotary_emb(hidden, torch.arange(tokens).expand(3, 1, -1))
    layer = text.layers[1]
    every = layer(hidden, position_embeddings=by, shared=Packed([5, 4], rows))
    got = layer(hidden, position_embeddings=by, shared=Packed([5, 4], rows, last=1))
    predicting = [4, 8, *range(9, tokens)]  # the prompts' last tokens and the completions'
    torch.testing.assert_close(got, every[:, predicting], rtol=0, atol=2e-5)


def test_layers_over_a_prompt_alone_are_transformers(sharp: Policy) -> None:
    assert_layers_are_transformers(sharp)


def test_other_families_layers_too(other: Policy) -> None:
    assert_layers_are_transformers(other)
