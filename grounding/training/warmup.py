"""Supervised warm-up on the toy world: the tiny policy learns to read IDs, then, roughly, times.

What makes it quick on two cores: every object of a clip is asked for in one sequence (dense supervision); IDs are
learnt first, on two frames, and the number of objects rises as the policy gets better; whole clips and times follow.
It stops early on purpose, when times are still rough, so that reinforcement learning has something to do.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional

from grounding.core import Answer, Interval, LoadedSample
from grounding.core.seeds import generator
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.tasks import stvg
from prompting import IdMarker

WINDOW = 12  # steps over which a stage's accuracy is averaged
RAMP = 20  # steps over which the learning rate rises


@dataclass(frozen=True)
class Stage:
    """A part of the warm-up.

    Args:
        objects: Objects in a clip.
        still: Two frames and the thinking only (which ID); otherwise whole clips and whole answers (also when).
        goal: Ends when this share of the answers is right in every token, averaged over `WINDOW` steps.
        pace: Share of the learning rate; slower once IDs are told apart, for a steadier policy.
    """

    objects: int
    still: bool
    goal: float
    pace: float = 1.0


@dataclass(frozen=True)
class WarmupPlan:
    """All numbers of a warm-up.

    Args:
        stages: One after another.
        batch: Clips a step while frames are still; half as many of whole clips.
        lr: Largest learning rate of AdamW.
        max_steps: Of all stages together.
        first_clip: Number of the first toy clip; the following ones are used too.
        prompt_kind: Kind of task prompt.
    """

    stages: Sequence[Stage]
    batch: int
    lr: float
    max_steps: int
    first_clip: int
    prompt_kind: str


@dataclass(frozen=True)
class Turn:
    """One question about the video and its right answer."""

    prompt: str
    answer: str


def warm_up(policy: Policy, marker: IdMarker, plan: WarmupPlan, log: Callable[[dict[str, float]], None]) -> int:
    """Train the policy in place, supervised.

    Args:
        policy: The policy, trained in full.
        marker: Draws the IDs.
        plan: What to learn from, and how long.
        log: Takes the figures of every step.

    Returns:
        Steps taken.
    """
    optimizers = make_optimizers(policy.model, plan.lr)
    policy.model.train()
    stages, recent = list(plan.stages), deque[float](maxlen=WINDOW)
    for step in range(plan.max_steps):
        begin = time.perf_counter()
        batch = make_batch(policy, marker, plan, stages[0], plan.first_clip + step * plan.batch)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * stages[0].pace * min(1.0, (step + 1) / RAMP)
        loss, right = supervised_loss(policy, *batch)
        policy.model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        recent.append(right)
        stage = len(plan.stages) - len(stages) + 1
        log({"stage": stage, "loss": loss.item(), "exact": right, "seconds/step": time.perf_counter() - begin})
        if len(recent) == WINDOW and sum(recent) / WINDOW >= stages[0].goal:
            stages.pop(0)
            recent.clear()
            if not stages:
                return step + 1
    return plan.max_steps


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


def toy_corpus(prompt_kind: str) -> list[str]:
    """Texts of the toy world, for the tokenizer of the tiny policy: questions and answers of both levels."""
    texts = []
    for level in (1, 2):
        for sample in toy_source(0, 300, level=level).samples:
            words = stvg.normalise_query(sample.query)
            answer = stvg.answer_text(sample.truth, f"{words} {sample.truth.object_id}")
            texts += [stvg.prompt(sample.query, prompt_kind), answer]
    return texts


def make_batch(
    policy: Policy, marker: IdMarker, plan: WarmupPlan, stage: Stage, first_clip: int
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Model inputs of one step, and for each of their tokens the answer it belongs to.

    Returns:
        Inputs, and int64 of shape (B, P + C): 1, 2, ... for tokens of the first, second, ... answer, 0 elsewhere.
    """
    count = plan.batch if stage.still else max(1, plan.batch // 2)
    source = toy_source(first_clip, count, objects=stage.objects)
    loaded = [source.load(sample) for sample in source.samples]
    if stage.still:
        loaded = [two_frames(one) for one in loaded]
    turns = [turns_of(one, plan.prompt_kind, stage.still) for one in loaded]
    marked = [marker.annotate_clip(one.clip, one.masklets)[0] for one in loaded]
    prompts = policy.encode(marked, [conversation[0].prompt for conversation in turns])
    rows = [completion_tokens(policy, conversation) for conversation in turns]
    inputs = policy.pad(prompts, [tokens for tokens, _ in rows])
    answers = torch.zeros_like(inputs["input_ids"])
    prefix = answers.shape[1] - max(len(tokens) for tokens, _ in rows)
    for row, (_, owner) in enumerate(rows):
        answers[row, prefix : prefix + len(owner)] = owner
    return inputs, answers


def supervised_loss(
    policy: Policy, inputs: dict[str, torch.Tensor], answers: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """Mean cross-entropy of the answers' tokens, and the share of answers with every token likeliest."""
    hidden = policy.core(**inputs, use_cache=False).last_hidden_state[:, :-1]
    owner, target = answers[:, 1:], inputs["input_ids"][:, 1:]
    scored = owner > 0
    logits = policy.head(hidden[scored])
    loss = functional.cross_entropy(logits.float(), target[scored])
    wrong = logits.argmax(-1) != target[scored]
    rows = torch.arange(len(owner), device=owner.device)[:, None].expand_as(owner)[scored]
    answer = rows * (int(owner.max()) + 1) + owner[scored]
    return loss, 1.0 - len(answer[wrong].unique()) / len(answer.unique())


def two_frames(loaded: LoadedSample) -> LoadedSample:
    """The sample with two neighbouring frames that show its object, and without the objects that they miss."""
    clip, sample = loaded.clip, loaded.sample
    starts = [t for t in range(len(clip) - 1) if _shown(sample.truth.interval, clip.pts[t : t + 2])]
    first = int(generator(sample.id, "two frames").choice(starts))
    cut = replace(clip, frames=clip.frames[first : first + 2], pts=clip.pts[first : first + 2])
    others = [other for other in sample.meta["others"] if _shown(other["interval"], cut.pts)]
    return replace(loaded, clip=cut, sample=replace(sample, meta={"others": others}))


def turns_of(loaded: LoadedSample, prompt_kind: str, thinking_only: bool) -> list[Turn]:
    """The sample's own question first, then those about the other objects of its clip."""
    sample = loaded.sample
    asked = [(sample.query, sample.truth)]
    asked += [(other["query"], Answer(other["interval"], other["object_id"])) for other in sample.meta["others"]]
    turns = []
    for query, truth in asked:
        # The ID follows the query's words directly: with a word between them it was not learnt.
        words = stvg.normalise_query(query).removeprefix("the ")
        text = stvg.answer_text(truth, f"{words} {truth.object_id}")
        turns.append(Turn(stvg.prompt(query, prompt_kind), text.partition(" <answer>")[0] if thinking_only else text))
    return turns


def completion_tokens(policy: Policy, turns: Sequence[Turn]) -> tuple[torch.Tensor, torch.Tensor]:
    """Answers and further questions as one completion, and which answer (1, 2, ...) each token belongs to.

    Returns:
        Two int64 tensors, shape (C,); a question's tokens belong to 0.
    """
    tokenizer = policy.tokenizer
    tokens: list[int] = []
    owner: list[int] = []
    for index, turn in enumerate(turns):
        if index:
            chat = [{"role": "user", "content": turn.prompt}]
            text = policy.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
            asked = tokenizer("\n" + text)["input_ids"]
            tokens += asked
            owner += [0] * len(asked)
        said = [*tokenizer(turn.answer)["input_ids"], tokenizer.eos_token_id]
        tokens += said
        owner += [index + 1] * len(said)
    return torch.tensor(tokens), torch.tensor(owner)


def _shown(interval: Interval | None, pts: np.ndarray) -> bool:
    return interval is not None and interval.start <= pts[0] and pts[-1] < interval.end
