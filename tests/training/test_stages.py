"""Stages: which a run has, where they keep what they make, and that one more is one entry."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from grounding.commands.train import train
from grounding.core import Chosen, Source, UserError, UserErrors
from grounding.curriculum.table import SELECTIONS, CurriculumConfig, SelectConfig
from grounding.datasets.toy import toy_source
from grounding.jobs import runlog
from grounding.policies.policy import Policy
from grounding.training.config import Config, asking_of
from grounding.training.judges import Judge
from grounding.training.learning import Phase, Place, Work
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


class Halving:
    """A judge that leaves every `every`th sample, and counts how often it looked."""

    def __init__(self, every: int) -> None:
        self.every, self.looks = every, 0
        self.judge = Judge("halve", "halve.json", self.look, self.samples)

    def look(self, policy: Policy, work: Work, folder: Path, phase: runlog.Phase) -> None:
        self.looks += 1
        (folder / "halve.json").write_text(json.dumps([one.id for one in phase.over(work.source.samples)]))

    def samples(self, source: Source, config: Config, folder: Path) -> Source:
        assert (folder / "halve.json").exists()
        return Chosen(source, source.samples[:: self.every])


def test_later_stages_train_on_what_a_judge_leaves(
    config: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trained: list[list[str]] = []

    def nap(policy: Policy, work: Work, place: Place, phase: Phase) -> Policy:
        trained.append([one.id for one in work.source.samples])
        if len(trained) == 2:
            raise RuntimeError("killed")
        phase({"loss": 0.0})
        return policy

    halving = Halving(2)
    for stage in (halving.judge, Stage("nap", lambda config: 1, nap), Stage("doze", lambda config: 1, nap)):
        monkeypatch.setitem(STAGES, stage.name, stage)
    made = replace(config(data={"train_clips": 4}), stages=["nap", "halve", "doze"], out=str(tmp_path / "run"))
    with pytest.raises(RuntimeError, match="killed"):
        train(made)
    out = train(replace(made, resume="latest"))
    every = [f"toy-1-3-{100_000_000 + number}" for number in range(4)]
    assert trained == [every, every[::2], every[::2]]  # what is trained already is not trained again
    assert halving.looks == 1  # and what is judged already is not judged again
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["stages"], summary["steps"]) == (["nap", "halve", "doze"], 1)
    assert not (out / "halve").exists()


def test_a_run_may_only_judge(config: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    halving = Halving(2)
    monkeypatch.setitem(STAGES, "halve", halving.judge)
    out = train(replace(config(data={"train_clips": 2}), stages=["halve"], out=str(tmp_path / "run")))
    assert (out / "halve.json").exists() and (out / "model").is_dir()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["steps"] == 0 and summary["before"] == summary["after"]


def test_a_judge_that_leaves_nothing_stops_the_run(
    config: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    none = replace(Halving(1).judge, samples=lambda source, config, folder: Chosen(source, []))
    monkeypatch.setitem(STAGES, "halve", none)
    made = replace(config(data={"train_clips": 2}), stages=["halve", "grpo"], out=str(tmp_path / "run"))
    with pytest.raises(UserError, match=r"halve leaves none of the 2 training samples; see .*halve\.json"):
        train(made)


def work_of(config: Config) -> Work:
    return Work(config, asking_of(config), toy_source(5_000_000, 2))


def test_only_a_stage_that_rewards_looks_at_rewards(config: Make) -> None:
    work = work_of(config(task={"rewards": "seed_bench_r1"}))
    STAGES["sft"].check(work)
    with pytest.raises(UserError, match="cannot score the answers of task=stvg"):
        STAGES["grpo"].check(work)


def test_a_curriculum_that_weighs_needs_difficulties_and_samples(config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SELECTIONS, "hard", lambda config: lambda known, progress: known.mean)
    monkeypatch.setattr("grounding.training.grpo.check_rewards", lambda *_: None)
    work = work_of(replace(config(), curriculum=CurriculumConfig(SelectConfig("hard"))))
    with pytest.raises(UserError, match="difficulty"):
        STAGES["grpo"].check(work)
    with pytest.raises(UserError, match=r"select\.by=hard weighs samples"):
        STAGES["sft"].check(work)
