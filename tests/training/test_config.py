"""The configuration: defaults, presets, groups, and every mistake at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from grounding.core import UserErrors
from grounding.tasks.vtg import VTG, VTG_VISITS
from grounding.training import config as config_module
from grounding.training.config import Config, TaskConfig, asking_of, check, register, weights_of
from grounding.training.data import JsonlConfig, ToyConfig

Compose = Callable[..., Config]


@pytest.fixture(scope="module")
def composed() -> Iterator[Compose]:
    register()
    with initialize(version_base="1.3", config_path=None):
        yield lambda *overrides: OmegaConf.to_object(compose("config", overrides=list(overrides)))


def mistakes(config: Config) -> list[str]:
    with pytest.raises(UserErrors) as caught:
        check(config)
    assert str(caught.value).splitlines() == caught.value.errors  # a line each
    return caught.value.errors


def test_defaults_are_valid_and_typed(composed: Compose) -> None:
    config = composed()
    assert isinstance(config, Config)
    assert isinstance(config.data, ToyConfig)
    assert (config.task.name, config.model.name, config.data.name, config.seed) == ("stvg", "tiny", "toy", 0)
    check(config)


def test_the_command_of_the_readme_is_valid(composed: Compose) -> None:
    check(composed("task=stvg", "trainer.max_steps=5"))


def test_real_models_bring_their_own_objective_and_trainer(composed: Compose) -> None:
    config = composed("model=qwen2_5_vl", "model.path=some/where")
    assert (config.model.prompt, config.model.dtype) == ("full", "bfloat16")
    assert config.trainer.bf16
    assert config.objective.name == "stvg_r1"
    assert config.marker.size is None  # the style's own rule
    check(config)
    tiny = composed()
    assert (tiny.model.prompt, tiny.objective.name, tiny.trainer.bf16) == ("short", "tiny", False)


def test_a_group_that_is_named_does_not_follow_the_model(composed: Compose) -> None:
    config = composed("objective=stvg_r1")
    assert config.objective.beta == 0.04
    assert config.trainer == composed().trainer
    assert composed("marker=digit").marker.style == "digit"


@pytest.mark.parametrize("how", [["objective=stvg_r1"], ["model=qwen2_5_vl"]])
def test_the_papers_numbers(composed: Compose, how: list[str]) -> None:
    objective = composed(*how).objective
    assert (objective.beta, objective.lr, objective.generations) == (0.04, 1e-6, 8)
    assert (objective.loss, objective.scale_rewards, objective.iterations) == ("grpo", "group", 1)
    assert (objective.epsilon, objective.temperature, objective.top_p) == (0.2, 1.0, 1.0)


def test_the_papers_completions_are_long(composed: Compose) -> None:
    assert composed("model=qwen2_5_vl").model.max_new_tokens == 1024


def test_jsonl_needs_root_and_annotations(composed: Compose, tmp_path: Path) -> None:
    errors = mistakes(composed("data=jsonl"))
    assert len(errors) == 2
    assert "data.root" in errors[0]
    assert "data.annotations" in errors[1]
    config = composed("data=jsonl", f"data.root={tmp_path}", "data.annotations=a.jsonl")
    assert isinstance(config.data, JsonlConfig)
    check(config)


def test_jsonl_root_must_be_a_folder(composed: Compose, tmp_path: Path) -> None:
    errors = mistakes(composed("data=jsonl", f"data.root={tmp_path / 'no'}", "data.annotations=a.jsonl"))
    assert len(errors) == 1
    assert "data.root must be a folder" in errors[0]


def test_the_data_choose_the_toy_world(composed: Compose) -> None:
    repeats, usual = composed("task=vtg", "data.repeats=true", "data.partial=0.3"), composed("task=vtg")
    check(repeats)
    assert (asking_of(repeats).task, asking_of(usual).task) == (VTG_VISITS, VTG)


def test_every_mistake_is_told_at_once(composed: Compose) -> None:
    errors = mistakes(
        composed(
            "data.fps=0",
            "objective.generations=1",
            "objective.loss=best",
            "trainer.groups_per_pass=3",
            "task.rewards=all",
        )
    )
    assert len(errors) == 5
    for name in ("data.fps", "objective.generations", "objective.loss", "trainer.groups_per_pass", "task.rewards"):
        assert sum(name in error for error in errors) == 1, name


WHOLE = [
    *("seed", "data.max_frames", "data.eval_samples", "data.train_clips", "model.lora_rank", "model.max_new_tokens"),
    *("objective.generations", "objective.iterations", "objective.dynamic_sampling", "trainer.max_steps"),
    *("trainer.eval_batch", "trainer.save_steps", "trainer.keep", "trainer.workers", "warmup.max_steps"),
    *("warmup.batch", "trainer.groups_per_pass"),
]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.fps=-1", ["data.fps", "> 0", "-1"]),
        ("objective.epsilon=0", ["objective.epsilon", "> 0", "0"]),
        ("objective.epsilon_high=0.1", ["objective.epsilon_high", "at least objective.epsilon", "0.1"]),
        ("objective.importance=word", ["objective.importance", "token, sequence", "'word'"]),
        ("data.max_frames=1", ["data.max_frames", "2", "1"]),
        ("data.eval_samples=0", ["data.eval_samples", "0"]),
        ("data.train_clips=0", ["data.train_clips"]),
        ("model.lora_rank=-2", ["model.lora_rank", "-2"]),
        ("model.max_new_tokens=0", ["model.max_new_tokens", "0"]),
        ("model.prompt=long", ["model.prompt", "full, short", "'long'"]),
        ("model.attention=paged", ["model.attention", "sdpa, eager, flash_attention_2", "'paged'"]),
        ("model.dtype=int8", ["model.dtype", "bfloat16", "'int8'"]),
        ("objective.beta=-0.1", ["objective.beta", "-0.1"]),
        ("objective.temperature=0", ["objective.temperature"]),
        ("objective.top_p=1.5", ["objective.top_p", "1.5"]),
        ("objective.lr=0", ["objective.lr"]),
        ("objective.lr=nan", ["objective.lr"]),
        ("objective.lr=inf", ["objective.lr"]),
        ("data.level=3", ["data", "levels 1 and 2", "3"]),
        ("data.objects=9", ["data", "objects", "9"]),
        ("data.repeats=true", ["data.repeats=true is for task=vtg, got task=stvg; leave it out"]),
        ("data.partial=0.3", ["data.partial", "data.repeats=true"]),
        ("data.hard=1.5", ["data.hard must be 0 to 1, got 1.5"]),
        ("data.hard=nan", ["data.hard must be 0 to 1, got nan"]),
        ("data.fps=30", ["data", "frames a second", "30"]),
        ("data.eval_samples=1000001", ["data.eval_samples", "1000000"]),
        ("data.train_clips=1000001", ["data.train_clips", "1000000"]),
        ("data.max_frames=1000001", ["data.max_frames", "1000000"]),
        ("trainer.workers=257", ["trainer.workers", "at most 256"]),
        ("trainer.eval_batch=1000000000", ["trainer.eval_batch", "at most 10000"]),
        ("objective.generations=1000000000", ["objective.generations", "at most 10000"]),
        ("objective.scheduler=steps", ["objective.scheduler", "linear, cosine", "'steps'"]),
        ("objective.clip=nan", ["objective.clip", "nan"]),
        ("objective.weight_decay=-1", ["objective.weight_decay", "-1"]),
        ("out=''", ["out is empty"]),
        *((f"{name}={'9' * 400}", [name, "a number of more than 40 digits"]) for name in WHOLE),
        ("objective.iterations=0", ["objective.iterations"]),
        ("objective.dynamic_sampling=-1", ["objective.dynamic_sampling", "0 (none) or more", "-1"]),
        ("objective.scale_rewards=yes_please", ["objective.scale_rewards", "group, batch, none"]),
        ("trainer.max_steps=-1", ["trainer.max_steps"]),
        ("trainer.groups_per_pass=0", ["trainer.groups_per_pass", "divide"]),
        ("trainer.save_steps=-5", ["trainer.save_steps"]),
        ("trainer.report_to=[tensorbord]", ["trainer.report_to", "tensorbord"]),
        ("warmup.batch=0", ["warmup.batch"]),
        ("warmup.lr=nan", ["warmup.lr", "> 0", "nan"]),
        ("warmup.lr=inf", ["warmup.lr"]),
        ("task.name=../../elsewhere", ["task.name", "stvg"]),
        ("model.name=large", ["model.name", "tiny, qwen2_5_vl", "'large'"]),
        ("data.name=jsonl", ["data.name", "toy", "'jsonl'", "data=NAME"]),
        ("marker.style=star", ["marker", "star"]),
        ("marker.size=0", ["marker", "0"]),
        ("curriculum.select.by=luck", ["curriculum.select.by", "uniform", "'luck'"]),
        ("task.weights={beauty: 1}", ["beauty", "known rewards"]),
        (
            "task.weights={temporal_iou: 0, id_match: 0, tube_viou: 0, think_answer_format: 0}",
            ["task.weights must leave a reward"],
        ),
    ],
)
def test_single_mistakes(composed: Compose, override: str, words: list[str]) -> None:
    errors = mistakes(composed(override))
    assert len(errors) == 1
    for word in words:
        assert word in errors[0]


def test_a_logger_that_is_not_installed_is_told_before_anything_runs(
    composed: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config_module, "find_spec", lambda name: None if name == "wandb" else object())
    check(composed("trainer.report_to=[tensorboard,trackio]"))
    assert mistakes(composed("trainer.report_to=[wandb,tensorboard]")) == [
        "trainer.report_to=[wandb] needs wandb; pip install wandb, or leave it out"
    ]


@pytest.mark.parametrize("override", ["data.fps=fast", "trainer.max_steps=1.5", "nonsense=1", "data.frames=3"])
def test_hydra_refuses_wrong_types_and_unknown_options(composed: Compose, override: str) -> None:
    with pytest.raises((HydraException, OmegaConfBaseException)):
        composed(override)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (
            TaskConfig(),
            {"temporal_iou": 1.0, "id_match": 1.0, "tube_viou": 1.0, "think_answer_format": 0.5},
        ),
        (TaskConfig(rewards="stvg_r1"), {"temporal_iou": 1.0, "id_match": 1.0, "think_answer_format": 1.0}),
        (
            TaskConfig(rewards="stvg_r1", weights={"id_match": 2.0, "tube_viou": 0.25}),
            {"temporal_iou": 1.0, "id_match": 2.0, "think_answer_format": 1.0, "tube_viou": 0.25},
        ),
    ],
)
def test_weights_override_the_preset(task: TaskConfig, expected: dict[str, float]) -> None:
    assert weights_of(task) == expected


@pytest.mark.parametrize(
    "override", ["task.weights={tube_viou: 3}", "task.weights.tube_viou=3", "+task.weights.tube_viou=3"]
)
def test_weights_from_the_command_line(composed: Compose, override: str) -> None:
    config = composed(override, "task.rewards=stvg_r1")
    check(config)
    assert weights_of(config.task)["tube_viou"] == 3.0
    assert weights_of(TaskConfig(rewards="stvg_r1")).get("tube_viou") is None  # the preset itself is unchanged


@pytest.mark.parametrize(
    "override", ["task.weights=3", "task.weights={tube_viou: much}", "task.weigths={tube_viou: 1}"]
)
def test_only_weights_take_any_key_and_only_numbers(composed: Compose, override: str) -> None:
    with pytest.raises(HydraException):
        composed(override)


@pytest.mark.parametrize(("scale", "wrong"), [("batch", 1), ("group", 0), ("none", 0)])
def test_groups_of_several_draws_have_no_common_deviation(composed: Compose, scale: str, wrong: int) -> None:
    config = composed("objective.dynamic_sampling=2", f"objective.scale_rewards={scale}")
    assert len(mistakes(config) if wrong else []) == wrong
    if not wrong:
        check(config)


def test_a_config_becomes_yaml_and_comes_back(composed: Compose) -> None:
    config: Any = composed("trainer.max_steps=3")
    text = OmegaConf.to_yaml(config, resolve=True)
    assert OmegaConf.create(text).trainer.max_steps == 3
    assert "???" not in text  # nothing is missing


def test_what_does_not_fit_the_processes_is_told_before_a_model_loads(composed: Compose) -> None:
    config = composed("trainer.prompts=6", "trainer.groups_per_pass=3", "model.lora_rank=2")
    check(config, 3)
    with pytest.raises(UserErrors) as caught:
        check(config, 4, shard=True)
    prompts, lora = caught.value.errors
    assert prompts.startswith("trainer.prompts must be a multiple of the 4 processes, got 6")
    assert lora.startswith("model.lora_rank needs the whole model on each GPU")


@pytest.mark.parametrize("seed", ["-1", "99999999999999999999"])
def test_a_seed_outside_its_range_is_refused(composed: Compose, seed: str) -> None:
    assert mistakes(composed(f"seed={seed}")) == [f"seed must be 0 to 2^31 - 1, got {seed}"]


@pytest.mark.parametrize("pixels", ["1", "-1"])
def test_frames_smaller_than_a_token_are_refused(composed: Compose, tmp_path: Path, pixels: str) -> None:
    config = composed("data=jsonl", f"data.root={tmp_path}", "data.annotations=a", f"data.max_pixels={pixels}")
    assert mistakes(config) == [f"data.max_pixels must be at least 784 (28 x 28), got {pixels}"]
