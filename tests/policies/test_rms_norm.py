"""A lean norm is transformers' own: the same numbers, the same gradients, the same weights."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForImageTextToText
from transformers.models.glm4v.modeling_glm4v import Glm4vRMSNorm
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLRMSNorm
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextRMSNorm

from grounding.policies.policy import Policy, save_policy
from grounding.policies.rms_norm import LeanRMSNorm, hasten

THEIRS = [Qwen2_5_VLRMSNorm, Qwen3VLTextRMSNorm, Glm4vRMSNorm]


def pair(kind: type[nn.Module], size: int = 24) -> tuple[nn.Module, nn.Module]:
    """A norm of transformers with a weight that counts, and its lean copy."""
    norm = kind(size, eps=1e-3)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(size, generator=torch.Generator().manual_seed(0)))
    lean = nn.Sequential(copy.deepcopy(norm))
    hasten(lean)
    assert type(lean[0]) is LeanRMSNorm
    return norm, lean[0]


def rows(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)) * scale


def test_by_hand() -> None:
    _, lean = pair(Qwen2_5_VLRMSNorm, 2)
    nn.init.ones_(lean.weight)
    lean.variance_epsilon = 12.5
    # mean(3^2, 4^2) = 12.5, and 12.5 more are 25: each number is divided by 5.
    torch.testing.assert_close(lean(torch.tensor([[3.0, 4.0]])), torch.tensor([[0.6, 0.8]]))


@pytest.mark.parametrize("kind", THEIRS)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("shape", [(24,), (5, 24), (2, 3, 4, 24)])
def test_values_are_transformers_to_the_bit(kind: type[nn.Module], scale: float, shape: tuple[int, ...]) -> None:
    norm, lean = pair(kind)
    given = rows(*shape, scale=scale)
    assert torch.equal(lean(given), norm(given))
    with torch.no_grad():
        assert torch.equal(lean(given), norm(given))


@pytest.mark.parametrize("scale", [1e-2, 1.0, 30.0])
@pytest.mark.parametrize("shape", [(5, 24), (2, 3, 4, 24)])
def test_gradients_are_transformers(scale: float, shape: tuple[int, ...]) -> None:
    found = []
    for norm in pair(Qwen2_5_VLRMSNorm):
        given = rows(*shape, scale=scale).requires_grad_()
        (norm(given) * rows(*reversed(shape)).reshape(shape)).sum().backward()
        found.append((given.grad, norm.weight.grad))
    for theirs, ours in zip(*found, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_a_frozen_weight_gets_no_gradient() -> None:
    _, lean = pair(Qwen2_5_VLRMSNorm)
    lean.weight.requires_grad_(False)
    given = rows(5, 24).requires_grad_()
    lean(given).sum().backward()
    assert given.grad is not None and lean.weight.grad is None


def test_half_precision_is_computed_in_single() -> None:
    norm, lean = pair(Qwen2_5_VLRMSNorm)
    norm, lean = norm.bfloat16(), lean.bfloat16()
    results = []
    for each in (norm, lean):
        given = rows(5, 24).bfloat16().requires_grad_()
        out = each(given)
        out.float().sum().backward()
        assert out.dtype == given.grad.dtype == each.weight.grad.dtype == torch.bfloat16
        results.append((out, given.grad, each.weight.grad))
    (theirs, *their_grads), (ours, *our_grads) = results
    assert torch.equal(ours, theirs)
    for a, b in zip(our_grads, their_grads, strict=True):
        assert (a - b).float().norm() <= 2e-2 * b.float().norm()  # 8 bits, rounded at other places


def test_every_norm_of_a_policy_is_lean_and_a_saved_one_is_not(policy: Policy, tmp_path: Path) -> None:
    norms = [module for module in policy.core.modules() if "RMSNorm" in type(module).__name__]
    # 4 text layers of 2 and the last one; 2 vision layers of 2 and the merger's.
    assert len(norms) == 4 * 2 + 1 + 2 * 2 + 1
    assert {type(norm) for norm in norms} == {LeanRMSNorm}
    save_policy(policy, tmp_path / "saved")
    plain = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved")
    assert type(plain.model.language_model.norm) is Qwen2_5_VLRMSNorm
    assert plain.state_dict().keys() == policy.model.state_dict().keys()


def test_gradients_do_not_depend_on_where_the_weight_lies() -> None:
    # A weight read from a file lies anywhere in memory, and a resumed run must go on to the bit.
    memory, weight = torch.empty(200), rows(128)
    given, found = rows(266, 128), []
    for begin in range(16):
        norm, hidden = Qwen2_5_VLRMSNorm(128), given.clone().requires_grad_()
        norm.weight = nn.Parameter(memory[begin : begin + 128].copy_(weight))
        hasten(lean := nn.Sequential(norm))
        (lean(hidden) * given.cos()).sum().backward()
        found.append((hidden.grad, norm.weight.grad))
    assert all(torch.equal(a, b) for other in found for a, b in zip(found[0], other, strict=True))
