"""Objectives: advantages and losses of one's own take the place of TRL's, in whole rows or token by token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.config import Config
from grounding.training.examples import Collator
from grounding.training.grpo import trl_config
from grounding.training.objectives import Objective, Pass, Rollouts
from grounding.training.trainer import VideoGRPOTrainer, draws_of
from prompting import IdMarker
from rewards import REWARDS

FIRST = 5_000_000
Train = Callable[[str, Objective], dict[str, torch.Tensor]]


@pytest.fixture
def train(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Train:
    """`train(name, objective)` gives the weights after one step of two passes."""
    monkeypatch.setitem(REWARDS, "letters", lambda answer, truth, meta: sum(map(ord, meta.text)) % 11 / 10)

    def one_step(name: str, objective: Objective) -> dict[str, torch.Tensor]:
        small = config(trainer={"prompts": 2, "groups_per_pass": 1}, objective={"lr": 1e-2})
        source, policy = toy_source(FIRST, 2, fps=1.0), fresh()
        args = trl_config(small, tmp_path / name)
        args.optim = "sgd"
        collator = Collator(source, policy, Asking(STVG, "short", IdMarker("badge", 15.0)), keep=4)
        torch.manual_seed(0)
        trainer: Any = VideoGRPOTrainer(
            *(policy, STVG, {"letters": 1.0}, collator, draws_of(args, 2), args), objective=objective
        )
        trainer.train()
        return {name: value.clone() for name, value in policy.model.state_dict().items()}

    return one_step


def largest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def in_group(parts: Rollouts) -> torch.Tensor:
    groups = parts.rewards.unflatten(0, (-1, parts.rows))
    return ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)).flatten()


def a_value_a_token(parts: Rollouts) -> torch.Tensor:
    return in_group(parts)[:, None] * torch.ones_like(parts.mask)


def by_hand(one: Pass) -> torch.Tensor:
    """GRPO of a first update: the ratio is 1, so nothing is clipped."""
    terms = (one.logps - one.old_logps).exp() * one.advantages[:, None] * one.mask
    return -(terms.sum(1) / one.mask.sum(1)).mean()


@pytest.mark.parametrize(
    "objective",
    [Objective(advantages=in_group), Objective(advantages=a_value_a_token), Objective(loss=by_hand)],
    ids=["rows", "tokens", "loss"],
)
def test_the_same_formula_learns_the_same_as_trls(train: Train, objective: Objective) -> None:
    start, theirs = train("none", Objective(advantages=lambda parts: 0 * parts.advantages)), train("trl", Objective())
    moved = largest(start, theirs)
    assert moved > 0
    assert largest(theirs, train("ours", objective)) < 1e-4 * moved


def test_tokens_without_advantage_teach_nothing(train: Train) -> None:
    def first_token_alone(parts: Rollouts) -> torch.Tensor:
        places = torch.arange(parts.mask.shape[1], device=parts.mask.device)
        return in_group(parts)[:, None] * (places == 0)

    none = train("none", Objective(advantages=lambda parts: 0 * parts.advantages))
    assert largest(none, train("first", Objective(advantages=first_token_alone))) > 0
    assert largest(train("whole", Objective()), train("again", Objective(advantages=first_token_alone))) > 0


def test_a_loss_sees_rewards_and_whole_groups(train: Train) -> None:
    seen: list[Pass] = []

    def watched(one: Pass) -> torch.Tensor:
        seen.append(one)
        return by_hand(one)

    train("watched", Objective(loss=watched))
    assert [(len(one.rewards), one.rows, one.ref_logps) for one in seen] == [(2, 2, None)] * 2
    for one in seen:
        assert one.logps.requires_grad and not one.old_logps.requires_grad
        assert torch.equal(one.rewards.argsort(), one.advantages.argsort())
