"""Objectives and rollouts of one's own take the place of TRL's.

Advantages are those of whole rows or of tokens; a member of a group may be several rows, all of which learn from what
was said last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.policies.shared_prefix import sample
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.config import Config
from grounding.training.examples import Collator
from grounding.training.grpo import trl_config
from grounding.training.objectives import (
    ROLLOUTS,
    Drawing,
    Generation,
    Objective,
    Pass,
    Rollout,
    Row,
    one_turn,
    rows_of,
)
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


def in_group(parts: Generation) -> torch.Tensor:
    groups = parts.rewards.unflatten(0, (-1, parts.rows))
    return ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)).flatten()


def a_value_a_token(parts: Generation) -> torch.Tensor:
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
    def first_token_alone(parts: Generation) -> torch.Tensor:
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


def row(name: str, tokens: list[int]) -> Row:
    return Row(SimpleNamespace(name=name), tokens)  # type: ignore[arg-type]


def test_rows_of_two_groups_by_hand() -> None:
    members = [
        [row("a", [1]), row("a1", [2])],
        [row("a", [3])],  # has said all in its first turn
        [row("b", [4]), row("b1", [5])],
        [row("b", [6]), row("b2", [7])],
    ]
    rows, last = rows_of(members, size=2, turns=2)
    assert [one.prompt.name for one in rows] == ["a", "a", "a1", "a", "b", "b", "b1", "b2"]  # type: ignore[attr-defined]
    assert [one.tokens for one in rows] == [[1], [3], [2], [], [4], [6], [5], [7]]
    assert last == [2, 1, 2, 1, 6, 7, 6, 7]


def look_again(drawing: Drawing) -> list[list[Row]]:
    """Every second member is shown the first half of its clip and asked again."""
    rows = [list(member) for member in one_turn(drawing)]
    for number, member in enumerate(rows):
        if number % 2:
            loaded = drawing.examples[number // drawing.members].loaded
            half = replace(loaded.clip, frames=loaded.clip.frames[:2], pts=loaded.clip.pts[:2])
            prompt = drawing.policy.encode([("And here: " + loaded.sample.query, half)])[0]
            tokens = sample(drawing.policy, [prompt], 1, drawing.how, drawing.features([prompt]))[0]
            member.append(Row(prompt, tokens))
    return rows


@pytest.mark.parametrize(
    "changes", [{}, {"beta": 0.04}, {"iterations": 2}], ids=["one update", "reference", "two updates"]
)
def test_all_rows_of_a_member_learn_from_its_last(
    fresh: Callable[[], Policy],
    config: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:
    judged: list[str] = []

    def letters(answer: Any, truth: Any, meta: Any) -> float:
        judged.append(meta.text)
        return sum(map(ord, meta.text)) % 11 / 10

    monkeypatch.setitem(REWARDS, "letters", letters)
    monkeypatch.setitem(ROLLOUTS, "look_again", Rollout(look_again, turns=2))
    small = config(
        trainer={"prompts": 2, "groups_per_pass": 1, "max_steps": changes.get("iterations", 1)},
        objective={"rollout": "look_again", **changes},
    )
    policy = fresh()
    args = trl_config(small, tmp_path)
    assert args.num_generations == 4  # rows: two members of at most two turns
    collator = Collator(toy_source(FIRST, 2, fps=1.0), policy, Asking(STVG, "short", IdMarker("badge", 15.0)), keep=4)
    trainer: Any = VideoGRPOTrainer(
        *(policy, STVG, {"letters": 1.0}, collator, draws_of(args, 2), args), rollout=ROLLOUTS["look_again"]
    )
    before = {name: value.clone() for name, value in policy.model.state_dict().items()}
    trainer.train()
    assert any(not torch.equal(before[name], value) for name, value in policy.model.state_dict().items())
    assert len(judged) == 4  # members, not rows
    for part in trainer._buffered_inputs:
        assert len(part["prompts"]) == 4
        first, second = part["prompts"][:2], part["prompts"][2:]
        assert first[0] is first[1] is second[0] is not second[1]  # the first member has one turn
        lengths = part["completion_mask"].sum(1).tolist()
        assert lengths[2] == 0 and min(lengths[0], lengths[1], lengths[3]) > 0
        rewards, advantages = part["rewards"].tolist(), part["advantages"].tolist()
        assert rewards[:2] == rewards[2:] and advantages[:2] == advantages[2:]
