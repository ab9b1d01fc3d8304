"""The stage `grpo`: reinforcement learning with the task's rewards, which must score true answers of the data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from accelerate import PartialState
from trl import GRPOConfig

from grounding.core import Answer, Source, UserError
from grounding.curriculum.masking import check_buckets
from grounding.curriculum.order import Draws, Weighted
from grounding.curriculum.scores import Scores
from grounding.curriculum.selection import check_known, difficulty_of, factors_of
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
    draws = ordered(config, source, args)
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
    if "difficulty" not in (work.config.stages or ()):
        weigh, samples = curriculum_of(work.config.curriculum).weigh, work.source.samples
        if weigh:
            check_known(samples, difficulty_of(samples), weigh)
        check_buckets(work.config.curriculum.mask, samples)


def ordered(config: Config, source: Source, args: GRPOConfig) -> Draws:
    """The samples in the order in which the curriculum draws them.

    Raises:
        UserError: If a sample does not say what the curriculum needs.
    """
    curriculum, samples = curriculum_of(config.curriculum), source.samples
    known, factors = difficulty_of(samples), factors_of(samples)
    if curriculum.weigh:
        check_known(samples, known, curriculum.weigh)
    refresh = config.curriculum.select.refresh // config.objective.iterations
    scores = Scores(known)
    weighted = Weighted(curriculum.weigh, scores, factors, refresh)
    return draws_of(
        args,
        len(samples),
        weighted if curriculum.weigh or (factors != 1).any() else None,
        scores if curriculum.changes or refresh else None,
    )


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
