"""A lean gated MLP is transformers' own: the same numbers, the same gradients, the same weights; it keeps less."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import AutoModelForImageTextToText
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLMLP, Qwen2MLP
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextMLP

from grounding.policies.gated_mlp import LeanGatedMLP, hasten
from grounding.policies.policy import Policy, save_policy

THEIRS = [Qwen2_5_VLMLP, Qwen2MLP, Qwen3VLTextMLP]
WIDTH, INNER = 8, 20


def pair(kind: type[nn.Module], activation: str = "silu") -> tuple[nn.Module, nn.Module]:
    """An MLP of transformers, and its lean copy."""
    torch.manual_seed(0)
    mlp = kind(SimpleNamespace(hidden_size=WIDTH, intermediate_size=INNER, hidden_act=activation))
    lean = nn.Sequential(copy.deepcopy(mlp))
    hasten(lean)
    hasten(lean)  # again changes nothing
    return mlp, lean[0]


def kept(mlp: nn.Module, tokens: int) -> int:
    """Numbers of the inner width that a call keeps for the backward pass."""
    found: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.shape[-2:] == (tokens, INNER):
            found[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = mlp(torch.ones(tokens, WIDTH))
    assert out.requires_grad
    return sum(found.values())


def test_by_hand() -> None:
    _, lean = pair(Qwen2MLP)
    for layer, value in ((lean.gate_proj, 0.0), (lean.up_proj, 3.0), (lean.down_proj, 1.0)):
        nn.init.constant_(layer.weight, value)
    given = torch.ones(1, WIDTH)
    # silu(0) = 0, and its slope there is 1/2: the gate's weights learn 1/2 x (3 x 8), those after it nothing.
    out = lean(given)
    out[0, 0].backward()
    assert out.tolist() == [[0.0] * WIDTH]
    assert torch.equal(lean.gate_proj.weight.grad, torch.full((INNER, WIDTH), 12.0))
    assert torch.equal(lean.up_proj.weight.grad, torch.zeros(INNER, WIDTH))


@pytest.mark.parametrize("kind", THEIRS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_transformers_to_the_bit(kind: type[nn.Module], dtype: torch.dtype) -> None:
    found = []
    for mlp in pair(kind):
        given = torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(1)).to(dtype).requires_grad_()
        out = mlp.to(dtype)(given)
        (out * out.detach().cos()).sum().backward()
        found.append([out, given.grad, *(p.grad for p in mlp.parameters())])
    assert isinstance(mlp, LeanGatedMLP)
    for theirs, ours in zip(*found, strict=True):
        assert torch.equal(ours, theirs)


def test_a_third_less_is_kept() -> None:
    mlp, lean = pair(Qwen2MLP)
    # Theirs: gate and up, silu(gate), and the product that the last layer needs; ours needs no silu(gate).
    assert kept(mlp, 7) == 4 * 7 * INNER
    assert kept(lean, 7) == 3 * 7 * INNER


def test_another_activation_is_left_alone() -> None:
    mlp, other = pair(Qwen2MLP, "gelu")
    assert type(other) is Qwen2MLP
    assert torch.equal(other(torch.ones(1, WIDTH)), mlp(torch.ones(1, WIDTH)))


def test_every_mlp_of_a_policy_is_lean_and_a_saved_one_is_not(policy: Policy, tmp_path: Path) -> None:
    lean = [module for module in policy.model.modules() if isinstance(module, LeanGatedMLP)]
    assert len(lean) == 4 + 2  # text layers, vision layers
    save_policy(policy, tmp_path / "saved")
    plain = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved")
    assert type(plain.model.language_model.layers[0].mlp) is Qwen2MLP
    assert plain.state_dict().keys() == policy.model.state_dict().keys()
