"""Log-probabilities and entropies against softmaxes by hand and against autograd's own."""

from __future__ import annotations

import math

import pytest
import torch

from grounding.policies.token_scores import token_scores


def test_by_hand() -> None:
    # Probabilities 1/2, 1/4, 1/4, whatever is added to all logits: entropy 1/2 ln 2 + 2 * 1/4 ln 4 = 1.5 ln 2.
    # The second row is uniform over 4: entropy ln 4.
    logits = torch.tensor([[0.5, 0.25, 0.25, 1e-30], [1.0, 1.0, 1.0, 1.0]]).log() + torch.tensor([[7.0], [-300.0]])
    logp, entropy = token_scores(logits, torch.tensor([1, 3]))
    torch.testing.assert_close(logp, torch.tensor([math.log(1 / 4), math.log(1 / 4)]), rtol=0, atol=1e-5)
    torch.testing.assert_close(entropy, torch.tensor([1.5 * math.log(2), math.log(4)]), rtol=0, atol=1e-4)


def test_a_token_far_below_the_others_keeps_its_log_probability() -> None:
    # exp(-500) is 0 in float32, its logarithm is not lost.
    logp, entropy = token_scores(torch.tensor([[0.0, -500.0]]), torch.tensor([1]))
    assert logp.item() == -500
    assert entropy.item() == 0


def test_gradient_is_autograds() -> None:
    made = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(6, 11, generator=made)).requires_grad_()
    tokens, weight = torch.randint(11, (6,), generator=made), torch.randn(6, generator=made)
    logp, entropy = token_scores(logits, tokens)
    expected = torch.log_softmax(logits, -1)
    torch.testing.assert_close(logp, expected.gather(-1, tokens[:, None])[:, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(entropy, -(expected.exp() * expected).sum(-1), rtol=0, atol=1e-5)
    ours, theirs = (
        torch.autograd.grad((x * weight).sum(), logits)[0] for x in (logp, expected.gather(-1, tokens[:, None])[:, 0])
    )
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    assert ours.abs().max() > 0.1


def test_entropy_carries_no_gradient() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    _, entropy = token_scores(logits, torch.tensor([0, 1]))
    assert not entropy.requires_grad


def test_double_precision_gradient_by_differences() -> None:
    logits = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: token_scores(x, torch.tensor([0, 4, 2]))[0], (logits,))


@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_and_one(rows: int) -> None:
    logp, entropy = token_scores(torch.zeros(rows, 4), torch.zeros(rows, dtype=torch.long))
    assert logp.tolist() == pytest.approx([-math.log(4)] * rows)
    assert entropy.tolist() == pytest.approx([math.log(4)] * rows)
