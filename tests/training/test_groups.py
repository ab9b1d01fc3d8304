"""Groups: which are flat, how others take their place, and that it happens in training."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.config import Config
from grounding.training.examples import Collator
from grounding.training.groups import by_group, check_groups, flat_groups, put_groups
from grounding.training.grpo import trl_config
from grounding.training.trainer import VideoGRPOTrainer, draws_of
from prompting import IdMarker
from rewards import REWARDS

FIRST = 5_000_000


def test_flat_groups_by_hand() -> None:
    assert flat_groups(torch.tensor([0.5, 0.5, 1.0, -1.0, 0.0, 0.0]), 2) == [0, 2]
    assert flat_groups(torch.tensor([0.0, 0.0, 0.5]), 3) == []


def test_a_row_that_is_not_scored_makes_no_difference() -> None:
    no = math.nan
    assert flat_groups(torch.tensor([no, no, no, 0.5, no, 0.5, no, 0.0, 0.5, -2.0, no, -2.0]), 3) == [0, 1, 3]


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=6), st.integers(2, 8))
def test_equal_rewards_are_flat(rewards: list[float], members: int) -> None:
    assert flat_groups(torch.tensor(rewards).repeat_interleave(members), members) == list(range(len(rewards)))


def test_groups_are_put_in_place_by_hand() -> None:
    batch = {
        "prompts": ["a", "a", "b", "b"],
        "advantages": torch.tensor([0.0, 0.0, 1.0, -1.0]),
        "prompt_ids": torch.tensor([[1], [1], [2], [2]]),
        "prompt_mask": torch.ones(4, 1, dtype=torch.long),
        "completion_ids": torch.tensor([[5, 6, 7]] * 4),
        "old_per_token_logps": torch.full((4, 3), -1.0),
        "num_items_in_batch": torch.tensor(12),
        "nothing": None,
    }
    others = {
        "prompts": ["c", "c", "d", "d"],
        "advantages": torch.tensor([0.0, 0.0, 2.0, -2.0]),
        "prompt_ids": torch.tensor([[3, 3], [3, 3], [4, 4], [4, 4]]),
        "prompt_mask": torch.ones(4, 2, dtype=torch.long),
        "completion_ids": torch.tensor([[8, 9]] * 4),
        "old_per_token_logps": torch.full((4, 2), -2.0),
        "num_items_in_batch": torch.tensor(8),
        "nothing": None,
    }
    made = put_groups(batch, [0], others, [1], 2, pad=0)
    assert made["prompts"] == ["d", "d", "b", "b"]
    assert made["advantages"].tolist() == [2.0, -2.0, 1.0, -1.0]
    assert made["prompt_ids"].tolist() == [[4, 4], [4, 4], [0, 2], [0, 2]]  # prompts on the right
    assert made["prompt_mask"].tolist() == [[1, 1], [1, 1], [0, 1], [0, 1]]
    assert made["completion_ids"].tolist() == [[8, 9, 0], [8, 9, 0], [5, 6, 7], [5, 6, 7]]
    assert made["old_per_token_logps"][0].tolist() == [-2.0, -2.0, 0.0]
    assert (made["num_items_in_batch"].item(), made["nothing"]) == (12, None)
    assert batch["advantages"].tolist() == [0.0, 0.0, 1.0, -1.0]  # the batch itself is as it was
    unchanged = put_groups(batch, [], others, [], 2, pad=0)
    assert unchanged["advantages"].tolist() == [0.0, 0.0, 1.0, -1.0]


def test_group_views_share_memory_and_refuse_parts_of_groups() -> None:
    values = torch.arange(6.0)
    view = by_group(values, 3)
    view[1, 0] = 9.0
    assert values.tolist() == [0.0, 1.0, 2.0, 9.0, 4.0, 5.0]
    assert by_group(torch.zeros(6, 2), 3).shape == (2, 3, 2)
    with pytest.raises(ValueError, match="no whole groups of 4"):
        by_group(values, 4)


def test_rows_that_are_no_whole_groups_are_refused() -> None:
    a: Any = object()
    b: Any = object()
    check_groups([a, a, b, b], 2)
    check_groups([a, a, a, a], 2)  # two groups of one prompt
    for rows in ([a, b, a, b], [a, a, b], [a, b, b, b]):
        with pytest.raises(ValueError, match="whole groups"):
            check_groups(rows, 2)


@pytest.mark.parametrize("rounds", [0, 6])
def test_flat_groups_are_replaced_in_training(
    fresh: Callable[[], Policy],
    config: Callable[..., Config],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rounds: int,
) -> None:
    source = toy_source(FIRST, 8, fps=1.0)
    loaded = [source.load(sample) for sample in source.samples]
    middle = sorted(one.sample.truth.interval.start for one in loaded)[4]

    def half_flat(answer: Any, truth: Any, meta: Any) -> float:
        return sum(map(ord, meta.text)) % 11 / 10 if truth.interval.start >= middle else 0.5

    monkeypatch.setitem(REWARDS, "half", half_flat)
    small = config(trainer={"groups_per_pass": 2}, objective={"generations": 4})
    policy = fresh()
    collator = Collator(source, policy, Asking(STVG, "short", IdMarker("badge", 15.0)), keep=8)
    args = trl_config(small, tmp_path)
    trainer: Any = VideoGRPOTrainer(policy, STVG, {"half": 1.0}, collator, draws_of(args, 8), args, refills=rounds)
    trainer.train()
    passes = trainer._buffered_inputs
    rewards = torch.cat([part["rewards"] for part in passes])
    starts = {one.sample.id: one.sample.truth.interval.start for one in loaded}
    lively = [starts[name] >= middle for part in passes for name in part["sample_ids"]]
    row = next(row for row in trainer.state.log_history if "reward" in row)
    if rounds:
        assert flat_groups(rewards, 4) == []
        assert all(lively)
        assert row["flat_after_refill"] == 0.0
    else:
        assert flat_groups(rewards, 4)
        assert not all(lively)
        assert "flat_after_refill" not in row
    first = [trainer.draws.sample(draw) for draw in range(trainer.draws.groups)]
    dull = [starts[source.samples[index].id] < middle for index in first]
    assert 0 < sum(dull) < 4
    assert row["frac_reward_zero_std"] == sum(dull) / 4  # of the first draw, however many followed
    for part in passes:  # prompts and ids belong together, whatever came from which draw
        for prompt, ids, mask in zip(part["prompts"], part["prompt_ids"], part["prompt_mask"], strict=True):
            assert torch.equal(prompt.input_ids, ids[mask.bool()])
        check_groups(part["prompts"], 4)
        items = sum(int(one["completion_mask"].sum()) for one in passes)
        assert int(part["num_items_in_batch"]) == items
