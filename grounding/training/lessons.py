"""What a toy clip teaches the tiny policy: words for what it sees, and questions about all of its objects.

Words: every visual token learns the colour, shape, ID and second that it shows. They are read with the model's own
head, whose weights are the word embeddings too. A visual token comes to hold the embeddings of its words, so that
attending from a word of the query to the object, and copying the object's ID, is little more than matching equal
vectors; and the first and the last second of an object can be told from its tokens.

Questions: their times are partial annotations (as in many real datasets, see VideoTG-R1), often without an object's
first and last second: something is left to reinforcement learning on purpose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, floor

import numpy as np
import torch
from torch.nn import functional

from grounding.core import Answer, Clip, Interval, LoadedSample
from grounding.core.seeds import generator
from grounding.datasets.toy import as_they_are, toy_source
from grounding.policies.families import MERGED
from grounding.policies.policy import Policy, VideoPrompt
from grounding.tasks.asking import Asked, Asking
from grounding.tasks.task import normalise_query
from grounding.training.dense import Turn

PARTIAL = 0.75  # how often a boundary is annotated a second too far inside; our choice
SECONDS = ("zero", "one", "two", "three")  # what visual tokens call the seconds of a toy clip


def toy_corpus(asking: Asking) -> list[str]:
    """Texts of the toy world, for the tokenizer of the tiny policy: questions and answers of both levels."""
    texts = [" ".join(("", *SECONDS))]
    for level in (1, 2):
        for sample in toy_source(0, 300, level=level, asks=asking.task.toy or as_they_are).samples:
            texts += [asking.ask(sample), answer_text(asking, sample.query, sample.truth)]
    return texts


def answer_text(asking: Asking, query: str, truth: Answer) -> str:
    """The answer to a query, as the warm-up teaches it.

    The thinking repeats the query's words; the ID follows them directly, and the ID is followed by every second of the
    answer, as far as the truth has these. Each is a word that a visual token says, and is learnt from one that holds
    the words before it. With other words between them none was learnt, and the two ends alone were learnt late.
    """
    seen = [normalise_query(query).removeprefix("the ")]
    seen += [str(one) for one in sorted(truth.ids or ())]
    seen += [second for one in truth.segments or () for second in SECONDS[floor(one.start) : ceil(one.end)]]
    return asking.task.say(truth, " ".join(seen))


def two_frames(loaded: LoadedSample) -> LoadedSample:
    """The sample with two frames of one visual token that show its object, and without the objects that they miss.

    Answers that say when say it of these frames, in whole seconds.
    """
    clip, sample = loaded.clip, loaded.sample
    questions = sample.meta["questions"]
    starts = [t for t in range(0, len(clip) - 1, MERGED) if _shown(questions[0].about.interval, clip.pts[t : t + 2])]
    first = int(generator(sample.id, "two frames").choice(starts))
    cut = replace(clip, frames=clip.frames[first : first + 2], pts=clip.pts[first : first + 2])
    now = Interval(floor(cut.pts[0]), floor(cut.pts[-1]) + 1)
    asked = [
        replace(one, truth=replace(one.truth, interval=one.truth.interval and now))
        for one in questions
        if _shown(one.about.interval, cut.pts)
    ]
    return replace(loaded, clip=cut, sample=replace(sample, meta={"questions": asked}))


def turns_of(loaded: LoadedSample, asking: Asking, still: bool) -> list[Turn]:
    """The sample's own question first, then those about the other objects of its clip.

    Times are partial annotations. Of still frames only the first answer is said to its end, the others are thoughts.
    """
    sample, turns = loaded.sample, list[Turn]()
    for one in sample.meta["questions"]:
        truth = one.truth
        if truth.interval is not None:
            truth = replace(truth, interval=partial(truth.interval, generator(sample.id, one.query, "partial")))
        text = answer_text(asking, one.query, truth)
        ends = not (still and turns)
        asked = replace(sample, query=one.query, truth=one.truth)
        turns.append(Turn(asking.ask(asked), text if ends else text.partition(" <answer>")[0], ends))
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


def _shown(interval: Interval, pts: np.ndarray) -> bool:
    return bool(interval.start <= pts[0] and pts[-1] < interval.end)


TIME = 0.15  # share of the second among a visual token's words; with more, IDs were learnt late; our choice
TIME_ALONE = 1 / 3  # the same where no IDs are drawn: shape, colour and second are equal
LEAST = 0.25  # share of a visual token's pixels that must be of one object for it to be named; our choice


def naming_loss(
    policy: Policy,
    features: Sequence[torch.Tensor],
    prompts: Sequence[VideoPrompt],
    asked: Sequence[Asked],
    *,
    marks: bool,
) -> torch.Tensor:
    """Mean cross-entropy between what visual tokens say and the words of the objects that they show.

    Args:
        policy: Whose head reads the features.
        features: Of each prompt's clips, shape (levels, visual tokens, width).
        prompts: The encoded turns.
        asked: The same with masks, and with questions that say what each object is called.
        marks: Whether their IDs are drawn, and so are among the words.
    """
    made = [targets_of(policy, prompt, one, marks) for prompt, one in zip(prompts, asked, strict=True)]
    targets = torch.cat(made).to(policy.model.device)
    seen, named = torch.cat([levels[0] for levels in features]), targets.any(1)
    if not named.any():  # a task that shows something else than the sample's own clip
        return 0 * seen.sum()
    return functional.cross_entropy(policy.head(seen[named]).float(), targets[named])


def targets_of(policy: Policy, prompt: VideoPrompt, asked: Asked, marks: bool) -> torch.Tensor:
    """For each visual token of a turn the shares of the words of what it shows, float32, shape (N, vocabulary).

    A row is 0 where a token shows no object, or too little of one; so it is in clips that a task shows beside the
    sample's own.
    """
    merge = policy.model.config.vision_config.spatial_merge_size
    clips = [part for part in asked.turn if isinstance(part, Clip)]
    parts = []
    for clip, (time, height, width) in zip(clips, prompt.grid.tolist(), strict=True):
        grid = time, height // merge, width // merge
        nothing = torch.zeros(math.prod(grid), policy.model.config.text_config.vocab_size)
        parts.append(_words(policy, asked.loaded, grid, marks) if clip is asked.shown else nothing)
    return torch.cat(parts)


def _words(policy: Policy, loaded: LoadedSample, grid: tuple[int, int, int], marks: bool) -> torch.Tensor:
    """The same for the sample's own clip, whose visual tokens have the shape `grid` (time, rows, columns).

    Colour, shape and, if it is drawn, ID have equal shares of what the second leaves.
    """
    shown = objects_shown(loaded, grid)
    called = {
        object_id: _shares(policy, f" {name} {object_id}" if marks else f" {name}")
        for object_id, name in names(loaded).items()
    }
    share, rows = TIME if marks else TIME_ALONE, []
    for second, ids in zip(loaded.clip.pts[::MERGED].astype(int), shown, strict=True):
        now = _shares(policy, f" {SECONDS[second]}")
        words = {object_id: (1 - share) * what + share * now for object_id, what in called.items()}
        rows += [words.get(object_id, torch.zeros_like(now)) for object_id in ids.ravel().tolist()]
    return torch.stack(rows)


def _shares(policy: Policy, words: str) -> torch.Tensor:
    """Equal shares of the tokens of some words, shape (vocabulary,)."""
    tokens = torch.tensor(policy.tokenizer(words)["input_ids"])
    return torch.zeros(policy.model.config.text_config.vocab_size).index_fill(0, tokens, 1 / len(tokens))


def names(loaded: LoadedSample) -> Mapping[int, str]:
    """Shape and colour of each object that is asked for."""
    questions = loaded.sample.meta["questions"]
    plain = {one.about.id: normalise_query(one.query).removeprefix("the ") for one in questions}
    return {object_id: name.replace(" in ", " ") for object_id, name in plain.items()}


def objects_shown(loaded: LoadedSample, grid: tuple[int, int, int]) -> np.ndarray:
    """The object that each visual token shows most of, 0 for none, shape `grid` (time, rows, columns)."""
    masklets, (time, rows, columns) = loaded.masklets, grid
    ids = [0, *names(loaded)]
    seen = [masklets.masks_at(masklets.frame_at(float(at))) for at in loaded.clip.pts]
    nothing = np.zeros(masklets.size, bool)
    masks = np.array([[frame.get(object_id, nothing) for object_id in ids] for frame in seen], np.float32)
    height, width = masklets.size
    blocks = masks.reshape(time, MERGED, len(ids), rows, height // rows, columns, width // columns)
    shares = blocks.mean(axis=(1, 4, 6))
    shares[:, 0] = LEAST
    return np.array(ids)[shares.argmax(axis=1)]
