"""Stages: a run is a list of them. Most make a better policy of the one before; a `Judge` looks at the samples instead.

A stage that trains has a folder of its own in the run folder, where it keeps what it needs to go on after it was
stopped. It is complete when its policy is saved. A judge writes its report into the run folder, and later stages train
on the samples that come out of it. A new stage is one or two functions, and one line in `STAGES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import PartialState

from grounding.core import UserError, UserErrors
from grounding.core.checks import unknown
from grounding.jobs.runlog import RunLog
from grounding.policies.policy import Policy, save_policy
from grounding.training.config import SAVED, Config, as_yaml
from grounding.training.grpo import check_objective, run_grpo
from grounding.training.judges import DIFFICULTY, REFLECT, Judge
from grounding.training.learning import Phase, Place, Work, no_check
from grounding.training.sft import check_completions, run_sft
from grounding.training.warmup import run_warmup, warmup_steps


@dataclass(frozen=True)
class Stage:
    """A part of a run.

    Args:
        name: What `stages=` takes; its folder and its phase in `metrics.jsonl` are called so too.
        steps: How many optimizer steps a configuration gives it; with 0 it is left out.
        train: Trains a policy, from the newest checkpoint of the place where there is one, calls the last argument
            with the figures of every step (`loss` is drawn, unless `grounding.evaluation.curves` has panels for the
            stage), and gives the trained policy. It may save a policy itself that no process holds as a whole.
        check: Refuses what the stage cannot learn from, before anything trains.
        alone: Whether the first process trains while the others wait.
    """

    name: str
    steps: Callable[[Config], int]
    train: Callable[[Policy, Work, Place, Phase], Policy]
    check: Callable[[Work], None] = no_check
    alone: bool = False


STAGES: dict[str, Stage | Judge] = {
    stage.name: stage
    for stage in (
        Stage("warmup", warmup_steps, run_warmup, alone=True),
        REFLECT,
        DIFFICULTY,
        Stage("sft", lambda config: config.sft.max_steps, run_sft, check_completions),
        Stage("grpo", lambda config: config.trainer.max_steps, run_grpo, check_objective),
    )
}


def chosen(config: Config) -> list[Stage | Judge]:
    """The stages of a run in their order, without those of 0 steps.

    Raises:
        UserErrors: If a name is unknown or comes twice, or a stage cannot train the model.
    """
    wanted = config.stages
    if wanted is None:
        wanted = ["grpo"] if config.model.path else ["warmup", "grpo"]
    errors = [unknown("stages", name, STAGES) for name in wanted if name not in STAGES]
    errors += [f"stages must name each stage once, got {name} twice" for name in {*wanted} if wanted.count(name) > 1]
    if "warmup" in wanted[1:]:
        errors.append("stages must begin with warmup where it is one of them; it would undo what others learnt")
    if "warmup" in wanted and config.model.path:
        errors.append("stages must not name warmup for a model with a path; the warm-up is for the tiny policy")
    if errors:
        raise UserErrors(errors)
    return [one for one in map(STAGES.__getitem__, wanted) if isinstance(one, Judge) or one.steps(config)]


def training(stages: Sequence[Stage | Judge]) -> list[Stage]:
    """Those stages that make another policy."""
    return [stage for stage in stages if isinstance(stage, Stage)]


def places(folder: Path, stages: Sequence[Stage]) -> list[Place]:
    """Where each training stage of a run keeps what it makes; the last one's policy is the run's."""
    return [
        Place(folder / stage.name, (folder if stage is stages[-1] else folder / stage.name) / "model", stage.alone)
        for stage in stages
    ]


def train_stage(stage: Stage, policy: Policy, work: Work, place: Place, log: RunLog) -> None:
    """Train a policy through a stage and save it, unless that is done already."""
    first, config = PartialState().is_main_process, work.config
    if not place.model.is_dir() and (first or not stage.alone):
        newest = place.checkpoints(config.trainer.keep).latest()
        with log.phase(stage.name, stage.steps(config), newest.step if newest else 0) as phase:
            policy = stage.train(policy, work, place, phase)
        if first and not place.model.is_dir():
            save_policy(policy, place.model, {SAVED: as_yaml(config)})
    PartialState().wait_for_everyone()


def judged(judge: Judge, policy: Policy, work: Work, folder: Path, log: RunLog) -> Work:
    """Judge the samples, unless that is done already; gives what later stages train on."""
    if PartialState().is_main_process and not (folder / judge.report).exists():
        with log.phase(judge.name, len(work.source.samples)) as phase:
            judge.look(policy, work, folder, phase)
    PartialState().wait_for_everyone()
    source = judge.samples(work.source, work.config, folder)
    if not source.samples:
        before = len(work.source.samples)
        raise UserError(f"{judge.name} leaves none of the {before} training samples; see {folder / judge.report}")
    return replace(work, source=source)
