"""Every experiment composes to a configuration that can run, for every model that it has numbers for."""

from __future__ import annotations

from itertools import product

import pytest

from grounding.commands.options import composed
from grounding.experiments.experiment import expanded
from grounding.experiments.table import EXPERIMENTS
from grounding.training.config import Config, check, register


def config_of(*overrides: str) -> Config:
    from omegaconf import OmegaConf

    register()
    made = OmegaConf.to_object(composed(expanded(overrides, EXPERIMENTS), "hint"))
    assert isinstance(made, Config)
    return made


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_it_can_run(name: str) -> None:
    by = EXPERIMENTS[name].by
    for chosen in product(*by.values()):
        config = config_of(f"experiment={name}", *map("=".join, zip(by, chosen, strict=True)))
        check(config)
        assert config.experiment == name
        assert all(getattr(config, group).name == choice for group, choice in zip(by, chosen, strict=True))


def test_stvg_r1_takes_the_papers_numbers() -> None:
    config = config_of("experiment=stvg_r1", "model=qwen2_5_vl")
    objective = config.objective
    assert (objective.generations, objective.beta, objective.lr, objective.scheduler) == (8, 0.04, 1e-6, "linear")
    assert (objective.temperature, objective.iterations, objective.loss) == (1.0, 1, "grpo")
    assert (config.model.max_new_tokens, config.model.freeze_vision, config.model.lora_rank) == (1024, False, 0)
    assert (config.trainer.prompts, config.trainer.bf16, config.seed) == (8, True, 42)
    assert (config.marker.style, config.data.fps, config.stages) == ("digit", 2.0, ["grpo"])
    assert config.task.rewards == "stvg_r1"


def test_the_command_line_wins() -> None:
    config = config_of("experiment=stvg_r1", "model=qwen2_5_vl", "seed=3", "objective.beta=0.0")
    assert (config.seed, config.objective.beta, config.objective.lr) == (3, 0.0, 1e-6)


@pytest.mark.parametrize(("task", "rewards"), [("vtg", "scene_r1"), ("box", "scene_r1_box"), ("qa", "scene_r1_qa")])
def test_scene_r1_rewards_each_question_as_it_should(task: str, rewards: str) -> None:
    config = config_of("experiment=scene_r1", f"task={task}")
    assert (config.task.name, config.task.rewards, config.data.name) == (task, rewards, "rooms")
    large = config_of("experiment=scene_r1", f"task={task}", "model=qwen2_5_vl")
    assert (large.task.rewards, large.objective.generations, large.model.max_new_tokens) == (rewards, 8, 1024)
