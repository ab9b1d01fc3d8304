"""Supervised warm-up on the toy world: the tiny policy learns to name what it sees, to read IDs and, roughly, times.

What makes it quick on two cores: visual tokens learn words first (`naming`), on two frames and without any question;
then every object of a clip is asked for in one sequence (dense supervision, `turns`), about two frames first and about
whole clips in the end. Batches are small, for steps count more than clips; the rate falls to 0.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import TrainerState

from grounding.datasets.toy import toy_source
from grounding.jobs.checkpoints import STATE, Checkpoints, reading
from grounding.policies.policy import Policy, VideoPrompt
from grounding.policies.precision import Movement, too_still, train_in_float32
from grounding.policies.shared_prefix import log_probs, read_prompts
from grounding.tasks.asking import Asked, Asking
from grounding.tasks.teaching import Lesson
from grounding.training.config import Config, task_of
from grounding.training.data import warmup_first_clip
from grounding.training.learning import Phase, Place, Work
from grounding.training.lessons import Says, asked_anew, last_frames, naming_loss, turns_of, two_frames
from grounding.training.talks import Turn, completion_tokens, pad_answers

_log = logging.getLogger(__name__)

NAMING = 0.5  # weight of the visual tokens' words beside the answers; our choice
RAMP = 30  # steps over which the learning rate rises at the beginning of a lesson
FALL = 100  # steps over which it falls to 0 at the end of the warm-up: IDs are told apart far better for it
LEARNT = "learnt.pt"  # in a checkpoint: weights, and what the optimizers keep


@dataclass(frozen=True)
class WarmupPlan:
    """All numbers of a warm-up.

    Args:
        lessons: One after another.
        batch: Clips a step.
        lr: Largest learning rate of AdamW.
        max_steps: Of all lessons together.
        first_clip: Number of the first toy clip; the following ones are used too.
        save_steps: A checkpoint every so many steps; 0 for none.
    """

    lessons: Sequence[Lesson]
    batch: int
    lr: float
    max_steps: int
    first_clip: int
    save_steps: int = 0


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step learns from.

    Args:
        asked: Toy clips, or two frames of each, and the first question about each.
        talks: Questions about each and their answers.
        prompts: What was asked, encoded.
    """

    asked: Sequence[Asked]
    talks: Sequence[Sequence[Turn]]
    prompts: Sequence[VideoPrompt]


def run_warmup(policy: Policy, work: Work, place: Place, phase: Phase) -> Policy:
    """Train the tiny policy on the toy world, see `warm_up`."""
    config, lessons = work.config, work.asking.task.teaching.lessons
    steps, first, every = warmup_steps(config), warmup_first_clip(config.seed), config.trainer.save_steps
    plan = WarmupPlan(lessons, config.warmup.batch, config.warmup.lr, steps, first, every)
    warm_up(policy, work.asking, plan, phase, place.checkpoints(config.trainer.keep))
    return policy


def warmup_steps(config: Config) -> int:
    """As many as the configuration says, else the task."""
    steps = config.warmup.max_steps
    return task_of(config).teaching.steps if steps is None else steps


def warm_up(
    policy: Policy, asking: Asking, plan: WarmupPlan, log: Phase, checkpoints: Checkpoints | None = None
) -> None:
    """Train the policy in place, supervised; what a step learns from follows from its number.

    Args:
        policy: The policy, trained in full.
        asking: What is shown and asked.
        plan: What to learn from, and how long.
        log: Takes the figures of every step.
        checkpoints: Goes on from the newest, if there is any, and saves others; None does neither.

    Raises:
        UserError: If the newest checkpoint cannot be read.
    """
    train_in_float32(policy.model)
    optimizers = make_optimizers(policy.model, plan.lr)
    learners = [policy.model, *optimizers]
    done = go_on(learners, checkpoints) if checkpoints else 0
    policy.model.train()
    for step, (number, lesson, since) in enumerate(schedule(plan)[done:], start=done):
        begin = time.perf_counter()
        rate = lesson.pace * min(1.0, (since + 1) / RAMP, (plan.max_steps - step) / FALL)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * rate
        batch = make_batch(policy, asking, plan, lesson, plan.first_clip + step * plan.batch)
        loss, figures = supervised_loss(policy, batch, asks=lesson.asks, says=asking.task.teaching.says)
        policy.model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
        movement = None if step else Movement(policy.model.parameters())
        for optimizer in optimizers:
            optimizer.step()
        seconds = time.perf_counter() - begin
        log({"lesson": number, "loss": loss.item(), **figures, "seconds/step": seconds})
        if movement and (warning := too_still(movement.share(policy.model.parameters()))):
            _log.warning(warning)
        if checkpoints and plan.save_steps and (step + 1) % plan.save_steps == 0:
            save(learners, checkpoints, step + 1)


def go_on(learners: Sequence[Any], checkpoints: Checkpoints) -> int:
    """Bring the model and its optimizers to where the newest checkpoint has them; gives its step, 0 without any."""
    newest = checkpoints.latest()
    if newest is None:
        return 0
    with reading(newest.path):
        saved = torch.load(newest.path / LEARNT, map_location="cpu", weights_only=True)
        for learner, state in zip(learners, saved, strict=True):
            learner.load_state_dict(state)
    return newest.step


def save(learners: Sequence[Any], checkpoints: Checkpoints, step: int) -> None:
    """Save a checkpoint of the model and its optimizers after a step."""
    with checkpoints.saving(step, None) as folder:
        torch.save([learner.state_dict() for learner in learners], folder / LEARNT)
        TrainerState(global_step=step).save_to_json(str(folder / STATE))  # which every checkpoint has


def schedule(plan: WarmupPlan) -> list[tuple[int, Lesson, int]]:
    """For every step the number of its lesson (from 1), the lesson, and the lesson's steps before it."""
    steps, before, share = [], 0, 0.0
    for number, lesson in enumerate(plan.lessons, start=1):
        share += lesson.share
        end = round(share * plan.max_steps)
        steps += [(number, lesson, since) for since in range(end - before)]
        before = end
    return steps


def make_optimizers(model: torch.nn.Module, lr: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the transformers, AdamW for embeddings, norms and biases."""
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        inside = parameter.ndim == 2 and "embed" not in name and "lm_head" not in name
        (matrices if inside else others).append(parameter)
    muon = torch.optim.Muon(matrices, lr=10 * lr, weight_decay=0.0, adjust_lr_fn="original")
    adam = torch.optim.AdamW(others, lr=lr, betas=(0.9, 0.95), weight_decay=0.0)
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return [muon, adam]


def make_batch(policy: Policy, asking: Asking, plan: WarmupPlan, lesson: Lesson, first_clip: int) -> Batch:
    """The toy clips from `first_clip` on, as they are shown, and questions about all of their objects."""
    source = toy_source(first_clip, plan.batch, toy=asking.task.toy)
    clips = [source.load(sample) for sample in source.samples]
    if lesson.shows != "whole":
        clips = [(last_frames if lesson.shows == "end" else two_frames)(clip) for clip in clips]
    if lesson.shows == "moment" and asking.task.toy:
        clips = [asked_anew(clip, asking.task.toy) for clip in clips]
    talks = [turns_of(clip, asking, lesson.shows == "still") for clip in clips]
    asked = [asking(clip) for clip in clips]
    return Batch(asked, talks, policy.encode([one.turn for one in asked]))


def supervised_loss(policy: Policy, batch: Batch, *, asks: bool, says: Says) -> tuple[torch.Tensor, dict[str, float]]:
    """Loss of a batch: of its visual tokens' words and, where questions are asked, of their answers.

    Args:
        policy: The policy, in training.
        batch: What it learns from.
        asks: Whether the questions are asked.
        says: The words of visual tokens, see `grounding.tasks.teaching.Teaching`.

    Returns:
        The loss, and where questions are asked how `exact` the answers are.
    """
    prompts = batch.prompts
    features = policy.encode_together(prompts)
    named = naming_loss(policy, features, prompts, batch.asked, says)
    if not asks:
        return named, {}
    rows = [completion_tokens(policy, talk) for talk in batch.talks]
    tokens, mask, owner = (part.to(policy.model.device) for part in pad_answers(policy, rows))
    logp, _ = log_probs(policy, read_prompts(policy, prompts, [1] * len(prompts), features), tokens, mask)
    return NAMING * named - logp[owner > 0].mean(), {"exact": exact(logp.detach(), owner)}


def exact(logp: torch.Tensor, owner: torch.Tensor) -> float:
    """Mean probability of whole answers: how often a drawn one would be right in every token, in [0, 1].

    Args:
        logp: Of each token, shape (B, C).
        owner: The answer (1, 2, ...) of its row that each token belongs to, 0 for none, shape (B, C).
    """
    scored = owner > 0
    answers = owner + torch.arange(len(owner), device=owner.device)[:, None] * (int(owner.max()) + 1)
    unique, places = answers[scored].unique(return_inverse=True)
    sums = torch.zeros(len(unique), device=logp.device).index_add(0, places, logp[scored].float())
    return float(sums.exp().mean())
