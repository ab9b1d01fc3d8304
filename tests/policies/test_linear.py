"""A lean linear layer is torch's own: the same numbers, the same gradients, the same weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForImageTextToText

from grounding.policies import linear
from grounding.policies.linear import ALIKE, ROWS, LeanLinear, hasten, product
from grounding.policies.policy import Policy, save_policy

onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
mkl = pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="torch multiplies by another library than MKL")


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """Shapes of the weights that oneDNN multiplied by."""
    called: list[tuple[int, ...]] = []

    def counting(rows: torch.Tensor, weight: torch.Tensor, *rest: Any) -> torch.Tensor:
        called.append(tuple(weight.shape))
        return product(rows, weight, *rest)

    monkeypatch.setattr(linear, "product", counting)
    yield called


def pair(inputs: int, outputs: int, bias: bool = True) -> tuple[nn.Linear, LeanLinear]:
    """A layer of torch, and its lean copy."""
    torch.manual_seed(0)
    layer = nn.Linear(inputs, outputs, bias=bias)
    lean = nn.Sequential(copy.deepcopy(layer))
    hasten(lean)
    assert isinstance(lean[0], LeanLinear)
    return layer, lean[0]


def test_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "ROWS", 1)
    rows, weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    # (1 + 2 + 1, 2 x 2) and (3 + 4 + 1, 2 x 4)
    assert product(rows, weight, torch.tensor([1.0, 0.0])).tolist() == [[4.0, 4.0], [8.0, 8.0]]
    assert product(rows, weight).tolist() == [[3.0, 4.0], [7.0, 8.0]]


@onednn
def test_gradients_by_hand(products: list[tuple[int, ...]]) -> None:
    _, lean = pair(2, 1)
    nn.init.constant_(lean.weight, 3.0)
    rows = torch.tensor([[1.0, 2.0]]).repeat(ROWS, 1).requires_grad_()
    lean(rows).sum().backward()
    assert rows.grad.tolist() == [[3.0, 3.0]] * ROWS
    assert lean.weight.grad.tolist() == [[ROWS, 2.0 * ROWS]]
    assert lean.bias.grad.tolist() == [ROWS]
    assert products == [(1, 2), (2, 1), (2, ROWS)]  # forward, to the rows, to the weight


@mkl
@pytest.mark.parametrize("inputs", [8, 100, 128, ALIKE, ALIKE + 1, 256, 700])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(ROWS,), (325,), (1, 1117)])
def test_results_are_torchs_to_the_bit(inputs: int, bias: bool, shape: tuple[int, ...]) -> None:
    given = torch.randn((*shape, inputs), generator=torch.Generator().manual_seed(1))
    for outputs in (17, 64, 256):
        layer, lean = pair(inputs, outputs, bias)
        assert torch.equal(lean(given), layer(given))
        with torch.no_grad():
            assert torch.equal(lean(given), layer(given))


@pytest.mark.parametrize("inputs", [24, 256])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(ROWS + 5,), (2, 150)])
def test_gradients_are_torchs(inputs: int, bias: bool, shape: tuple[int, ...]) -> None:
    found = []
    for layer in pair(inputs, 40, bias):
        made = torch.Generator().manual_seed(1)
        given = torch.randn((*shape, inputs), generator=made, requires_grad=True)
        out = layer(given)
        (out * torch.randn(out.shape, generator=made)).sum().backward()
        found.append([given.grad, *(p.grad for p in layer.parameters())])
    for theirs, ours in zip(*found, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_what_is_frozen_gets_no_gradient() -> None:
    _, lean = pair(4, 3)
    lean.requires_grad_(False)
    rows = torch.ones(ROWS, 4, requires_grad=True)
    lean(rows).sum().backward()
    assert lean.weight.grad is None and lean.bias.grad is None and rows.grad is not None
    lean.requires_grad_(True)
    lean(torch.ones(ROWS, 4)).sum().backward()
    assert lean.weight.grad is not None


def test_half_precision_is_torchs_own(products: list[tuple[int, ...]]) -> None:
    layer, lean = pair(24, 8)
    given = torch.randn(ROWS, 24)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(lean(given), layer(given))
        assert lean(given).dtype == torch.bfloat16
    assert torch.equal(lean.bfloat16()(given.bfloat16()), layer.bfloat16()(given.bfloat16()))
    assert not products


def test_few_rows_are_torchs_own(products: list[tuple[int, ...]]) -> None:
    _, lean = pair(24, 8)
    lean(torch.ones(ROWS - 1, 24))
    assert not products


@onednn
def test_every_layer_of_a_policy_is_lean_and_a_saved_one_is_not(policy: Policy, tmp_path: Path) -> None:
    layers = [module for module in policy.model.modules() if isinstance(module, nn.Linear)]
    # 4 text layers of 7, 2 vision layers of 5, the merger's 2 and the head.
    assert len(layers) == 4 * 7 + 2 * 5 + 2 + 1
    assert {type(layer) for layer in layers} == {LeanLinear}
    save_policy(policy, tmp_path / "saved")
    plain = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved")
    assert {type(m) for m in plain.modules() if isinstance(m, nn.Linear)} == {nn.Linear}
    assert plain.state_dict().keys() == policy.model.state_dict().keys()
