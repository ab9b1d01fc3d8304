"""The ledger: each part's seconds, frames, tokens and operations, worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from grounding.commands.ledger import Cost, Weights, judged, rollouts_and_updates, supervised
from grounding.core import UserError
from grounding.training.config import Config, ModelConfig, ObjectiveConfig, TaskConfig, TrainerConfig
from grounding.training.data import ToyConfig

WEIGHTS = Weights(tower=10, text=100, head=1000)


def config(**changes: object) -> Config:
    made = Config(
        task=TaskConfig(),
        data=ToyConfig(),
        model=ModelConfig(freeze_vision=True),
        objective=ObjectiveConfig(generations=4),
        trainer=TrainerConfig(prompts=2),
        marker=None,  # type: ignore[arg-type]
    )
    return replace(made, **changes)  # type: ignore[arg-type]


# One step of 2 prompts with 4 completions each: prompts of 20 tokens, completions of 5.
# TRL counts 8 rows x (20 + 5) = 200 tokens; written are 8 x 5 = 40, read are 2 x 20 = 40.
STEP = {
    "vision/encoded_frames": [(1, 12.0)],
    "vision/encoded_patches": [(1, 48.0)],
    "completions/mean_length": [(1, 5.0)],
    "num_tokens": [(1, 200.0)],
    "seconds/rollout": [(1, 2.0)],
    "seconds/rewards": [(1, 0.5)],
    "seconds/wait": [(1, 0.25)],
    "seconds/step": [(1, 4.0)],
}


def test_a_prompt_is_read_once_for_its_group() -> None:
    costs = rollouts_and_updates(STEP, config(), WEIGHTS)
    # Forward: 2 x (10 x 48 + 100 x 80 + 1000 x 40) = 96,960; without the tower 96,000, of which the update does 3.
    assert costs["rollout"] == Cost(2.0, 12.0, 80.0, 96_960.0)
    assert costs["reward"] == Cost(0.5)
    assert costs["update"] == Cost(1.25, 0.0, 80.0, 3 * 96_000.0)


def test_a_tower_that_learns_and_a_reference_cost_more() -> None:
    costs = rollouts_and_updates(
        STEP, config(model=ModelConfig(), objective=ObjectiveConfig(generations=4, beta=0.1, iterations=2)), WEIGHTS
    )
    assert costs["update"].tokens == 160
    assert costs["update"].operations == 2 * 3 * 96_960 + 96_960


def test_a_judge_says_what_it_cost(tmp_path: Path) -> None:
    report = tmp_path / "difficulty.json"
    said = {"seconds": 3.0, "frames": 12, "patches": 48, "read": 40, "written": 40, "replies": 8}
    report.write_text(json.dumps({"cost": said}))
    assert judged(report, WEIGHTS) == Cost(3.0, 12.0, 80.0, 96_960.0)
    report.write_text(json.dumps({"cost": {"seconds": 3.0, "requests": 8, "frames": 12}}))  # of a server
    assert judged(report, WEIGHTS) == Cost(3.0, 12.0, operations=None)
    report.write_text(json.dumps({"cost": {"seconds": 3.0, "requests": 0, "known": 8}}))  # all was known
    assert judged(report, WEIGHTS) == Cost(3.0)
    report.write_text(json.dumps({"cost": {"seconds": "long"}}))
    with pytest.raises(UserError, match=r"seconds in .*difficulty\.json"):
        judged(report, WEIGHTS)


def test_supervised_steps_read_and_learn() -> None:
    steps = {
        "vision/encoded_frames": [(1, 12.0), (2, 0.0)],
        "vision/encoded_patches": [(1, 48.0), (2, 0.0)],
        "prompt_tokens": [(1, 20.0), (2, 20.0)],
        "answer_tokens": [(1, 30.0), (2, 10.0)],
        "seconds/step": [(1, 2.0), (2, 1.0)],
    }
    # Forward, as above: 96,960 with the tower, 96,000 without; backward takes twice as many.
    assert supervised(steps, config(), WEIGHTS) == Cost(3.0, 12.0, 80.0, 96_960.0 + 2 * 96_000.0)
    assert supervised(steps, config(model=ModelConfig()), WEIGHTS).operations == 3 * 96_960.0
