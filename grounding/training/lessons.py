"""What a toy clip teaches the tiny policy: words for what its visual tokens show, and answers to questions about it.

What is said of which token, what is thought and what is taught is the task's, see `grounding.tasks.teaching`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import floor

import numpy as np
import torch
from torch.nn import functional

from grounding.core import Answer, Clip, Interval, LoadedSample
from grounding.core.seeds import generator
from grounding.datasets.toy import Toy, ToyObject, toy_source
from grounding.policies.policy import Policy, VideoPrompt
from grounding.policies.settings import MERGED
from grounding.tasks.asking import Asked, Asking
from grounding.tasks.teaching import Spot
from grounding.training.talks import Turn

Says = Callable[[ToyObject | None, Spot], Mapping[str, float]]  # see `grounding.tasks.teaching.Teaching`
LEAST = 0.25  # share of a visual token's pixels that must be of one object for it to be named; our choice


def toy_corpus(asking: Asking) -> list[str]:
    """Texts of the toy world, for the tokenizer of the tiny policy: questions and answers of both levels."""
    task = asking.task
    texts = [" ".join(("", *task.teaching.vocabulary))]
    for level in (1, 2):
        for sample in toy_source(0, 300, level=level, toy=task.toy).samples:
            own = sample.meta["questions"][0]
            texts += [asking.ask(sample), task.say(own.truth, task.teaching.think(own, own.truth))]
    return texts


def two_frames(loaded: LoadedSample) -> LoadedSample:
    """The sample with two frames of one visual token that show its object; without questions about what they miss.

    Answers that say when say it of these frames, in whole seconds.
    """
    clip, sample = loaded.clip, loaded.sample
    questions = sample.meta["questions"]
    starts = [t for t in range(0, len(clip) - 1, MERGED) if _shown(questions[0].about.interval, clip.pts[t : t + 2])]
    first = int(generator(sample.id, "two frames").choice(starts))
    cut = replace(clip, frames=clip.frames[first : first + 2], pts=clip.pts[first : first + 2])
    now = _seconds(cut.pts)
    seen = {thing.id for thing in sample.meta["objects"] if _shown(thing.interval, cut.pts)}
    asked = [
        replace(one, truth=_at(now, one.truth)) for one in questions if {one.about.id, *(one.truth.ids or ())} <= seen
    ]
    return replace(loaded, clip=cut, sample=replace(sample, meta={**sample.meta, "questions": asked}))


def asked_anew(still: LoadedSample, toy: Toy) -> LoadedSample:
    """Two frames of a sample with new questions, about the objects that they show as if these were all there are."""
    sample, pts = still.sample, still.clip.pts
    shown = [thing for thing in sample.meta["objects"] if _shown(thing.interval, pts)]
    there = [replace(thing, interval=_seconds(pts)) for thing in shown]
    rng = generator(sample.id, "asked anew")
    questions = toy.ask(there[rng.integers(len(there))], there, rng)
    own, meta = questions[0], {**sample.meta, **questions[0].meta, "questions": questions}
    return replace(still, sample=replace(sample, query=own.query, truth=own.truth, meta=meta))


def last_frames(loaded: LoadedSample) -> LoadedSample:
    """The sample with the last two frames of its clip, those of one visual token."""
    clip = loaded.clip
    return replace(loaded, clip=replace(clip, frames=clip.frames[-MERGED:], pts=clip.pts[-MERGED:]))


def turns_of(loaded: LoadedSample, asking: Asking, still: bool) -> list[Turn]:
    """The sample's own question first, then the others about its clip, with the answers that are taught.

    Of still frames only the first answer is said to its end, the others are thoughts.
    """
    sample, task, turns = loaded.sample, asking.task, list[Turn]()
    for one in sample.meta["questions"]:
        taught = task.teaching.label(one, generator(sample.id, one.query, *one.meta.get("options", ()), "partial"))
        text = task.say(taught, task.teaching.think(one, taught))
        ends = not (still and turns)
        asked = replace(sample, query=one.query, truth=one.truth, meta={**sample.meta, **one.meta})
        turns.append(Turn(asking.ask(asked), text if ends else text.partition(" <answer>")[0], ends))
    return turns


def _seconds(pts: np.ndarray) -> Interval:
    """The whole seconds that some frames show."""
    return Interval(floor(pts[0]), floor(pts[-1]) + 1)


def _at(now: Interval, truth: Answer) -> Answer:
    """The answer, given at a time at which its object is seen; where it says when, it says this time."""
    return replace(truth, interval=truth.interval and now, intervals=truth.intervals and (now,))


def _shown(interval: Interval, pts: np.ndarray) -> bool:
    return bool(interval.start <= pts[0] and pts[-1] < interval.end)


def naming_loss(
    policy: Policy, features: Sequence[torch.Tensor], prompts: Sequence[VideoPrompt], asked: Sequence[Asked], says: Says
) -> torch.Tensor:
    """Mean cross-entropy between what visual tokens say and the words of what they show.

    Args:
        policy: Whose head reads the features.
        features: Of each prompt's clips, shape (levels, visual tokens, width).
        prompts: The encoded turns.
        asked: The same with masks, and with the objects of the toy clip.
        says: The words, see `grounding.tasks.teaching.Teaching`.
    """
    made = [targets_of(policy, prompt, one, says) for prompt, one in zip(prompts, asked, strict=True)]
    targets = torch.cat(made).to(policy.model.device)
    seen, named = torch.cat([levels[0] for levels in features]), targets.any(1)
    if not named.any():  # a task that shows something else than the sample's own clip
        return 0 * seen.sum()
    return functional.cross_entropy(policy.head(seen[named]).float(), targets[named])


def targets_of(policy: Policy, prompt: VideoPrompt, asked: Asked, says: Says) -> torch.Tensor:
    """For each visual token of a turn the shares of the words of what it shows, float32, shape (N, vocabulary).

    A row is 0 where a token shows nothing that has words; so it is in clips that hold no frames of the sample's own.
    """
    merge = policy.model.config.vision_config.spatial_merge_size
    clips = [part for part in asked.turn if isinstance(part, Clip)]
    parts = []
    for clip, (time, height, width) in zip(clips, prompt.grid.tolist(), strict=True):
        grid = time, height // merge, width // merge
        nothing = torch.zeros(math.prod(grid), policy.model.config.text_config.vocab_size)
        own = _part_of(asked.shown, clip)
        parts.append(_words(policy, replace(asked.loaded, clip=clip), grid, says) if own else nothing)
    return torch.cat(parts)


def _part_of(whole: Clip, clip: Clip) -> bool:
    """Whether a clip holds frames of another, unchanged."""
    places = np.flatnonzero(np.isin(whole.pts, clip.pts))
    return clip is whole or (len(places) == len(clip) and np.array_equal(whole.frames[places], clip.frames))


def _words(policy: Policy, loaded: LoadedSample, grid: tuple[int, int, int], says: Says) -> torch.Tensor:
    """`targets_of` frames of the sample's clip, whose visual tokens have the shape `grid` (time, rows, columns)."""
    things = {thing.id: thing for thing in loaded.sample.meta["objects"]}
    tokens: dict[str, list[int]] = {}
    targets = np.zeros((math.prod(grid), policy.model.config.text_config.vocab_size), np.float32)
    for row, ((time, *place), shown) in zip(targets, np.ndenumerate(objects_shown(loaded, grid)), strict=True):
        spot = Spot(float(loaded.clip.pts[time * MERGED]), *place)
        for word, share in says(things.get(shown), spot).items():
            if word not in tokens:
                tokens[word] = policy.tokenizer(f" {word}")["input_ids"]
            np.add.at(row, tokens[word], share / len(tokens[word]))
    return torch.from_numpy(targets)


def objects_shown(loaded: LoadedSample, grid: tuple[int, int, int]) -> np.ndarray:
    """The object that each visual token shows most of, 0 for none, shape `grid` (time, rows, columns)."""
    masklets, (time, rows, columns) = loaded.masklets, grid
    ids = [0, *masklets.tracks]
    seen = [masklets.masks_at(masklets.frame_at(float(at))) for at in loaded.clip.pts]
    nothing = np.zeros(masklets.size, bool)
    masks = np.array([[frame.get(object_id, nothing) for object_id in ids] for frame in seen], np.float32)
    masks = np.pad(masks, [(0, time * MERGED - len(masks)), (0, 0), (0, 0), (0, 0)], "edge")  # as the processor does
    height, width = masklets.size
    blocks = masks.reshape(time, MERGED, len(ids), rows, height // rows, columns, width // columns)
    shares = blocks.mean(axis=(1, 4, 6))
    shares[:, 0] = LEAST
    return np.array(ids)[shares.argmax(axis=1)]
