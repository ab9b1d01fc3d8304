"""The stage `grpo`: reinforcement learning with the task's rewards, which must score true answers of the data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from accelerate import PartialState
from trl import GRPOConfig

from grounding.core import Answer, Source, UserError
from grounding.core.checks import number, within
from grounding.curriculum.masking import check_buckets
from grounding.curriculum.table import curriculum_of
from grounding.jobs.runlog import LogCallback
from grounding.policies.embedding_cache import EmbeddingCache
from grounding.policies.policy import Policy
from grounding.tasks.task import Said, Task
from grounding.training.config import Config, weights_of
from grounding.training.data import spread
from grounding.training.examples import Collator
from grounding.training.learning import Phase, Place, Work, common_arguments, learn, split_step
from grounding.training.objectives import OBJECTIVES, ROLLOUTS
from grounding.training.trainer import VideoGRPOTrainer, draws_of
from rewards import PRESETS, Meta, find

TRIED = 16  # samples, spread over all, that are asked before a reward is refused

Gold = tuple[Said, Answer, Meta]  # what a perfect text says, the truth, and what else is known


def run_grpo(policy: Policy, work: Work, place: Place, phase: Phase) -> Policy:
    """Train a policy with GRPO, see `learn`."""
    config, source = work.config, work.source
    objective = config.objective
    args = trl_config(config, place.folder)
    weigh = curriculum_of(config.curriculum).weigh
    draws = draws_of(args, len(source.samples), weigh, difficulties(source) if weigh else None)
    keep = (2 + objective.dynamic_sampling) * config.trainer.prompts

    def trainer(adapted: Policy, cache: EmbeddingCache | None) -> VideoGRPOTrainer:
        return VideoGRPOTrainer(
            adapted,
            work.asking.task,
            weights_of(config.task),
            Collator(source, adapted, work.asking, keep, config.trainer.workers, work.on_broken, draws.moment),
            draws,
            args,
            cache=cache,
            refills=objective.dynamic_sampling,
            objective=OBJECTIVES[objective.loss],
            rollout=ROLLOUTS[objective.rollout],
            callbacks=[LogCallback(phase)],
            say=work.say,
        )

    return learn(policy, work, place, trainer)


def trl_config(config: Config, folder: Path) -> GRPOConfig:
    """TRL's configuration of a run; a device's batch is always whole groups."""
    objective, trainer = config.objective, config.trainer
    groups, passes = split_step(trainer.prompts, trainer.groups_per_pass, PartialState().num_processes)
    rows = objective.generations * ROLLOUTS[objective.rollout].turns
    return GRPOConfig(
        **OBJECTIVES[objective.loss].trl,
        **common_arguments(config, folder),
        max_steps=trainer.max_steps,
        per_device_train_batch_size=groups * rows,
        gradient_accumulation_steps=passes,
        steps_per_generation=passes,
        num_generations=rows,
        num_iterations=objective.iterations,
        max_completion_length=config.model.max_new_tokens,
        beta=objective.beta,
        epsilon=objective.epsilon,
        epsilon_high=objective.epsilon_high,
        importance_sampling_level=objective.importance,
        scale_rewards=objective.scale_rewards,
        temperature=objective.temperature,
        top_p=objective.top_p,
        learning_rate=objective.lr,
        lr_scheduler_type=objective.scheduler,
        weight_decay=objective.weight_decay,
        max_grad_norm=objective.clip,
        log_completions=False,
    )


def check_objective(work: Work) -> None:
    """Refuse rewards that score no true answer, and a curriculum that the samples say too little for."""
    check_rewards(work.config, work.asking.task, work.source, work.on_broken is not None)
    if curriculum_of(work.config.curriculum).weigh and "difficulty" not in (work.config.stages or ()):
        difficulties(work.source)
    if "difficulty" not in (work.config.stages or ()):
        check_buckets(work.config.curriculum.mask, work.source.samples)


def difficulties(source: Source) -> np.ndarray:
    """The `difficulty` of each sample, as its row or an earlier stage says it, float, shape (n,).

    Raises:
        UserError: If a sample has none.
    """
    known = [sample.meta.get("difficulty") for sample in source.samples]
    for sample, value in zip(source.samples, known, strict=True):
        with within(f"sample {sample.id}"):
            number(value, "the difficulty of its row, which the curriculum needs,")
    return np.array(known, float)


def check_rewards(config: Config, task: Task, source: Source, skip_broken: bool) -> None:
    """Refuse a reward that scores no true answer of the data; one whose weight is 0 is not asked.

    The first sample is enough where every reward scores it.

    Args:
        config: Names the rewards.
        task: What is asked.
        source: Training samples.
        skip_broken: Whether samples that cannot be loaded are passed over; else the first stops the run.

    Raises:
        UserError: Naming the rewards, and presets that fit.
    """
    unscored = {name for name, weight in weights_of(config.task).items() if weight}
    tried: list[Gold] = []
    for index in spread(len(source.samples), TRIED):
        try:
            tried.append(gold(config, task, source, index))
        except UserError:
            if not skip_broken:
                raise
            continue
        unscored -= {name for name in unscored if scores(name, tried[-1:])}
        if not unscored:
            return
    if not tried:
        return  # no sample can be used; training says so
    option = "task.weights" if unscored <= set(config.task.weights) else f"task.rewards={config.task.rewards}"
    fitting = [name for name, weights in PRESETS.items() if all(scores(one, tried) for one in weights)]
    raise UserError(
        f"{option}: {', '.join(sorted(unscored))} cannot score the answers of task={task.name} to "
        f"data={config.data.name}; presets that fit: {', '.join(fitting) or 'none'}"
    )


def gold(config: Config, task: Task, source: Source, index: int) -> Gold:
    """The perfect answer to a sample, as the rewards are shown it in training."""
    loaded = source.load(source.samples[index])
    truth = loaded.sample.truth
    text = task.say(truth, "so")
    tokens, most = len(text.split()), config.model.max_new_tokens
    meta = Meta(text, loaded.clip.duration, 0.0, tokens, most, loaded.sample.previous)
    return task.read(text, loaded), truth, meta


def scores(name: str, tried: Iterable[Gold]) -> bool:
    """Whether a reward gives some of the answers a number."""
    reward = find(name)
    return any(reward(*one) is not None for one in tried)
