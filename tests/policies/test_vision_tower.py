"""The tower with fewer operators computes what transformers' own does: each picture and window for itself."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoModelForImageTextToText

from grounding.core import Clip
from grounding.policies import vision_tower
from grounding.policies.policy import Policy, load_policy, save_policy
from grounding.policies.vision_tower import PictureAttention, WholePatch, by_picture, hasten

Noise = Callable[..., Clip]
SCALE = 0.3


def rows(patches: int) -> list[torch.Tensor]:
    """Queries, keys and values of two heads of four numbers."""
    made = torch.Generator().manual_seed(0)
    return [torch.randn((patches, 2, 4), generator=made, requires_grad=True) for _ in range(3)]


def one_by_one(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    parts = zip(*(x.transpose(0, 1).split(sizes, dim=1) for x in (query, key, value)), strict=True)
    return torch.cat([scaled_dot_product_attention(*part, scale=SCALE) for part in parts], dim=1).transpose(0, 1)


def ends(sizes: list[int]) -> torch.Tensor:
    return torch.tensor([0, *sizes]).cumsum(0).int()


@pytest.mark.parametrize("sizes", [[6], [4, 4, 4], [4, 4, 2, 2, 2, 4], [1, 5, 3]])
def test_each_picture_attends_to_itself(sizes: list[int]) -> None:
    given = rows(sum(sizes))
    got = by_picture(*given, ends(sizes), SCALE)
    expected = one_by_one(*given, sizes)
    assert got.shape == (sum(sizes), 2, 4)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)
    weight = torch.randn(got.shape, generator=torch.Generator().manual_seed(1))
    ours, theirs = (torch.autograd.grad((out * weight).sum(), given) for out in (got, expected))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
    if len(sizes) > 1:  # the comparison sees a picture that looks at another
        assert (expected - one_by_one(*given, [sum(sizes)])).abs().max() > 0.1


@pytest.mark.parametrize(("sizes", "calls"), [([4] * 9, 1), ([4, 4, 2, 2, 4], 3)])
def test_neighbours_of_equal_size_attend_in_one_call(
    sizes: list[int], calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []

    def counting(*args: Any, **kwargs: Any) -> torch.Tensor:
        counted.append(1)
        return scaled_dot_product_attention(*args, **kwargs)

    monkeypatch.setattr(vision_tower, "scaled_dot_product_attention", counting)
    by_picture(*rows(sum(sizes)), ends(sizes), SCALE)
    assert len(counted) == calls


@contextmanager
def transformers_own(policy: Policy) -> Iterator[None]:
    """The tower as transformers has it, for as long as the block lasts."""
    tower, patch = policy.core.visual, policy.core.visual.patch_embed.proj
    patch.__class__ = nn.Conv3d
    for block in tower.blocks:
        block.attn.__class__ = type(block.attn).__bases__[1]
    assert not any(isinstance(part, PictureAttention) for part in tower.modules())
    yield
    hasten(tower)


def tower_gradients(policy: Policy, features: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    policy.model.zero_grad()
    made = torch.Generator().manual_seed(0)
    sum((x * torch.randn(x.shape, generator=made)).sum() for x in features).backward()
    found = {name: p.grad.clone() for name, p in policy.core.visual.named_parameters() if p.grad is not None}
    policy.model.zero_grad()
    return found


def assert_same_tower(policy: Policy, clips: list[Clip]) -> None:
    prompts = policy.encode([("x", clip) for clip in clips])
    assert all(isinstance(block.attn, PictureAttention) for block in policy.core.visual.blocks)
    assert type(policy.core.visual.patch_embed.proj) is WholePatch
    got = policy.encode_videos(prompts)
    ours = tower_gradients(policy, got)
    with transformers_own(policy):
        expected = policy.encode_videos(prompts)
        theirs = tower_gradients(policy, expected)
    for a, b in zip(got, expected, strict=True):
        assert (a - b).detach().abs().max() <= 2e-5 * max(1.0, float(b.detach().abs().max()))
    assert ours.keys() == theirs.keys()
    whole = max(float(gradient.norm()) for gradient in theirs.values())
    for name, gradient in theirs.items():
        assert (ours[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6 * whole, name


# 42 pixels are 6 patches: windows of 4 x 4 leave smaller ones at the edges, in the middle of the row.
def test_features_and_gradients_are_the_towers_own(sharp: Policy, noise: Noise) -> None:
    assert_same_tower(sharp, [noise(4, 2, 28, 28, seed=1), noise(6, 1, 42, 28, seed=2)])


def test_other_families_towers_too(other: Policy, noise: Noise) -> None:
    assert_same_tower(other, [noise(4, 2, 28, 28, seed=1), noise(6, 1, 42, 28, seed=2)])


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("pixels", [False, True], ids=["weights", "and pixels"])
def test_a_whole_patch_learns_by_a_product(bias: bool, pixels: bool) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv3d(3, 8, kernel_size=(2, 5, 5), stride=(2, 5, 5), bias=bias)
    patches = torch.randn(7, 3, 2, 5, 5, requires_grad=pixels)
    weight, names = torch.randn(7, 8, 1, 1, 1), list(convolution.state_dict())
    wanted = [*convolution.parameters(), *([patches] if pixels else [])]
    expected = convolution(patches)
    theirs = torch.autograd.grad((expected * weight).sum(), wanted)
    tower = nn.Module()
    tower.patch_embed = nn.Module()
    tower.patch_embed.proj, tower.config = convolution, SimpleNamespace(_attn_implementation="eager")
    hasten(tower)
    hasten(tower)  # again changes nothing
    assert type(convolution) is WholePatch
    got = convolution(patches)
    assert torch.equal(got, expected)
    for a, b in zip(torch.autograd.grad((got * weight).sum(), wanted), theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)
    clone = copy.deepcopy(convolution)
    nn.init.zeros_(clone.weight)
    assert torch.equal(convolution(patches), expected)  # a copy has weights of its own
    assert list(clone.state_dict()) == names


def test_a_whole_patch_learns_in_half_precision() -> None:
    torch.manual_seed(0)
    convolution = WholePatch(3, 8, kernel_size=(2, 5, 5), stride=(2, 5, 5))
    with torch.autocast("cpu", torch.bfloat16):
        out = convolution(torch.ones(7, 3, 2, 5, 5))
    out.float().sum().backward()
    # Each of 7 patches of ones adds 1 to the gradient of every weight.
    assert torch.equal(convolution.weight.grad, torch.full_like(convolution.weight, 7.0))
    assert torch.equal(convolution.bias.grad, torch.full_like(convolution.bias, 7.0))


@pytest.mark.parametrize("chosen", ["eager", "sdpa"])
def test_an_attention_that_was_chosen_stays(tiny_folder: Path, chosen: str) -> None:
    tower = load_policy(str(tiny_folder), attention=chosen).core.visual
    assert tower.config._attn_implementation == chosen
    assert all(isinstance(block.attn, PictureAttention) == (chosen == "sdpa") for block in tower.blocks)


def test_a_saved_model_knows_nothing_of_it(policy: Policy, tmp_path: Path) -> None:
    save_policy(policy, tmp_path / "saved")
    plain = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved")
    assert type(plain.model.visual.patch_embed.proj) is nn.Conv3d
    assert not any(isinstance(part, PictureAttention) for part in plain.modules())
    weights = policy.core.visual.patch_embed.proj.weight
    assert torch.equal(plain.model.visual.patch_embed.proj.weight, weights)
