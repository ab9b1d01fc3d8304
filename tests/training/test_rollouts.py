"""Rollouts: a member of a group may be several rows, all of which learn from what was said last."""

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
from grounding.training.rollouts import ROLLOUTS, Drawing, Rollout, Row, one_turn, rows_of
from grounding.training.trainer import VideoGRPOTrainer, draws_of
from prompting import IdMarker
from rewards import REWARDS

FIRST = 5_000_000


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
