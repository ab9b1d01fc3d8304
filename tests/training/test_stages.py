"""Stages: which a run has, where they keep what they make, and that one more is one entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from grounding.core import UserError, UserErrors
from grounding.curriculum.table import SELECTIONS, CurriculumConfig, SelectConfig
from grounding.datasets.toy import toy_source
from grounding.training.config import Config, asking_of
from grounding.training.learning import Work
from grounding.training.stages import STAGES, Stage, chosen, places

Make = Callable[..., Config]


def names(config: Config) -> list[str]:
    return [stage.name for stage in chosen(config)]


def test_the_stages_follow_the_model_unless_they_are_named(config: Make) -> None:
    assert names(config(warmup={"max_steps": 5})) == ["warmup", "grpo"]
    assert names(config(warmup={"max_steps": 5}, model={"path": "some/where"})) == ["grpo"]
    assert names(replace(config(warmup={"max_steps": 5}), stages=["warmup"])) == ["warmup"]
    assert names(replace(config(), stages=[])) == []


def test_a_stage_of_no_steps_is_left_out(config: Make) -> None:
    assert names(config(warmup={"max_steps": 0})) == ["grpo"]
    assert names(config(warmup={"max_steps": 5}, trainer={"max_steps": 0})) == ["warmup"]


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        (["grpo", "dream"], ["stages must be one of", "grpo", "'dream'"]),
        (["grpo", "grpo"], ["grpo twice"]),
        (["grpo", "warmup"], ["must begin with warmup"]),
    ],
)
def test_wrong_stages_are_refused(config: Make, stages: list[str], words: list[str]) -> None:
    with pytest.raises(UserErrors) as caught:
        chosen(replace(config(), stages=stages))
    assert all(word in str(caught.value) for word in words)


def test_only_the_tiny_policy_is_warmed_up(config: Make) -> None:
    with pytest.raises(UserErrors, match="must not name warmup for a model with a path"):
        chosen(replace(config(model={"path": "some/where"}), stages=["warmup", "grpo"]))


def test_the_last_stage_saves_the_policy_of_the_run(tmp_path: Path) -> None:
    found = places(tmp_path, [STAGES["warmup"], STAGES["grpo"]])
    assert [place.folder for place in found] == [tmp_path / "warmup", tmp_path / "grpo"]
    assert [place.model for place in found] == [tmp_path / "warmup" / "model", tmp_path / "model"]


def test_one_more_stage_is_one_entry(config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STAGES, "nap", Stage("nap", lambda config: 3, lambda policy, work, place, phase: policy))
    assert names(replace(config(), stages=["nap", "grpo"])) == ["nap", "grpo"]


def work_of(config: Config) -> Work:
    return Work(config, asking_of(config), toy_source(5_000_000, 2))


def test_only_a_stage_that_rewards_looks_at_rewards(config: Make) -> None:
    work = work_of(config(task={"rewards": "seed_bench_r1"}))
    STAGES["sft"].check(work)
    with pytest.raises(UserError, match="cannot score the answers of task=stvg"):
        STAGES["grpo"].check(work)


def test_a_curriculum_that_weighs_needs_difficulties_and_samples(config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SELECTIONS, "hard", lambda config: lambda difficulty, progress: difficulty)
    monkeypatch.setattr("grounding.training.grpo.check_rewards", lambda *_: None)
    work = work_of(replace(config(), curriculum=CurriculumConfig(SelectConfig("hard"))))
    with pytest.raises(UserError, match="difficulty"):
        STAGES["grpo"].check(work)
    with pytest.raises(UserError, match=r"select\.by=hard weighs samples"):
        STAGES["sft"].check(work)
