"""Supervised warm-up on the toy world: the tiny policy learns to read IDs and, roughly, times.

What makes it quick on two cores: every object of a clip is asked for in one sequence (dense supervision); IDs are
learnt first, on two frames, and the number of objects rises as the policy gets better; whole clips and times follow,
and the rate falls to 0 at the end.

Something is left to reinforcement learning on purpose: the times are partial annotations (as in many real datasets,
see VideoTG-R1), often without an object's first and last second.
"""

from __future__ import annotations

import re
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
PARTIAL = 0.7  # how often a boundary is annotated a second too far inside; our choice
RAMP = 30  # steps over which the learning rate rises at the beginning of a stage
FALL = 80  # steps over which it falls to 0 at the end of the warm-up: IDs are told apart far better for it


@dataclass(frozen=True)
class Stage:
    """A part of the warm-up.

    Args:
        objects: Objects in a clip.
        still: Two frames, and which ID is asked for; otherwise whole clips, and also when.
        goal: Ends when this share of the answers is right in every scored token, averaged over `WINDOW` steps; None
            to go on until the warm-up ends.
        pace: Share of the learning rate; slower on whole clips, for a steadier policy.
    """

    objects: int
    still: bool
    goal: float | None = None
    pace: float = 1.0


STAGES = (
    Stage(1, True, goal=0.65),
    Stage(2, True, goal=0.75),
    Stage(3, False, pace=0.7),
)


@dataclass(frozen=True)
class WarmupPlan:
    """All numbers of a warm-up.

    Args:
        stages: One after another.
        batch: Clips a step while frames are still; half as many of whole clips.
        lr: Largest learning rate of AdamW.
        max_steps: Of all stages together; fewer are taken only where each stage has a goal and reaches it.
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
    """One question about the video and its right answer.

    Args:
        prompt: The user's turn.
        answer: Pieces of the assistant's turn, each with whether it is scored.
        ends: Whether the end of the assistant's turn is scored too.
    """

    prompt: str
    answer: Sequence[tuple[str, bool]]
    ends: bool


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
    number, begun, recent = 0, 0, deque[float](maxlen=WINDOW)
    for step in range(plan.max_steps):
        begin, stage = time.perf_counter(), plan.stages[number]
        batch = make_batch(policy, marker, plan, stage, plan.first_clip + step * plan.batch)
        rate = stage.pace * min(1.0, (step - begun + 1) / RAMP, (plan.max_steps - step) / FALL)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * rate
        loss, right = supervised_loss(policy, *batch)
        policy.model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        recent.append(right)
        log({"stage": number + 1, "loss": loss.item(), "exact": right, "seconds/step": time.perf_counter() - begin})
        if stage.goal is not None and len(recent) == WINDOW and sum(recent) / WINDOW >= stage.goal:
            number, begun = number + 1, step + 1
            recent.clear()
            if number == len(plan.stages):
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


def turns_of(loaded: LoadedSample, prompt_kind: str, still: bool) -> list[Turn]:
    """The sample's own question first, then those about the other objects of its clip.

    Times are partial annotations. Still frames do not show when: there the seconds are not scored, and only the first
    answer is said to its end.
    """
    sample, turns = loaded.sample, list[Turn]()
    assert sample.truth.interval is not None  # the toy world's truths have one
    asked = [(sample.query, sample.truth.interval, sample.truth.object_id)]
    asked += [(other["query"], other["interval"], other["object_id"]) for other in sample.meta["others"]]
    for query, interval, object_id in asked:
        truth = Answer(partial(interval, generator(sample.id, query, "partial")), object_id)
        # The ID follows the query's words directly: with a word between them it was not learnt.
        words = stvg.normalise_query(query).removeprefix("the ")
        text = stvg.answer_text(truth, f"{words} {object_id}")
        ends = not (still and turns)
        pieces = unscored_seconds(text) if still else [(text, True)]
        thinking = [(text.partition(" <answer>")[0], True)]
        turns.append(Turn(stvg.prompt(query, prompt_kind), pieces if ends else thinking, ends))
    return turns


def partial(interval: Interval, rng: np.random.Generator) -> Interval:
    """A part of an interval, at least a second long: each end is one second further inside with chance `PARTIAL`."""
    start, end = interval.start, interval.end
    late, early = rng.random(2) < PARTIAL
    if late and end - start > 1:
        start += 1
    if early and end - start > 1:
        end -= 1
    return Interval(start, end)


def unscored_seconds(text: str) -> list[tuple[str, bool]]:
    """An answer in pieces, all scored but the digits of its time range."""
    head, name, seconds = text.partition("Time range:")
    parts = [part for part in re.split(r"( ?\d)", seconds) if part]
    return [(head + name, True), *((part, not part.strip().isdigit()) for part in parts)]


def completion_tokens(policy: Policy, turns: Sequence[Turn]) -> tuple[torch.Tensor, torch.Tensor]:
    """Answers and further questions as one completion, and which answer (1, 2, ...) each token belongs to.

    Returns:
        Two int64 tensors, shape (C,); a question's tokens, and those of pieces that are not scored, belong to 0.
    """
    tokenizer = policy.tokenizer
    tokens: list[int] = []
    owner: list[int] = []

    def say(new: list[int], answer: int) -> None:
        tokens.extend(new)
        owner.extend([answer] * len(new))

    for number, turn in enumerate(turns, start=1):
        if number > 1:
            chat = [{"role": "user", "content": turn.prompt}]
            text = policy.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
            say(tokenizer("\n" + text)["input_ids"], 0)
        for piece, scored in turn.answer:
            say(tokenizer(piece)["input_ids"], number if scored else 0)
        say([tokenizer.eos_token_id], number if turn.ends else 0)
    return torch.tensor(tokens), torch.tensor(owner)


def _shown(interval: Interval | None, pts: np.ndarray) -> bool:
    return interval is not None and interval.start <= pts[0] and pts[-1] < interval.end
