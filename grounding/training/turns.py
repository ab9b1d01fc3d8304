"""What a toy clip teaches: questions about all of its objects, with their answers, as tokens.

Times are partial annotations (as in many real datasets, see VideoTG-R1), often without an object's first and last
second: something is left to reinforcement learning on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from grounding.core import Answer, Interval, LoadedSample
from grounding.core.seeds import generator
from grounding.datasets.toy import as_they_are, toy_source
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking
from grounding.tasks.task import normalise_query

PARTIAL = 0.75  # how often a boundary is annotated a second too far inside; our choice
SECONDS = ("zero", "one", "two", "three")  # what visual tokens call the seconds of a toy clip, see `naming`


@dataclass(frozen=True)
class Turn:
    """One question about the video and its right answer.

    Args:
        prompt: The user's turn.
        answer: The assistant's turn.
        ends: Whether it is scored that the assistant's turn ends there.
    """

    prompt: str
    answer: str
    ends: bool


def toy_corpus(asking: Asking) -> list[str]:
    """Texts of the toy world, for the tokenizer of the tiny policy: questions and answers of both levels."""
    texts = [" ".join(("", *SECONDS))]
    for level in (1, 2):
        for sample in toy_source(0, 300, level=level, asks=asking.task.toy or as_they_are).samples:
            texts += [asking.ask(sample), answer_text(asking, sample.query, sample.truth)]
    return texts


def answer_text(asking: Asking, query: str, truth: Answer) -> str:
    """The answer to a query, as the warm-up teaches it.

    The thinking repeats the query's words; the ID follows them directly, and the seconds follow the ID, as far as the
    truth has these. Each is learnt from a visual token that holds the token before it. With other words between them
    none was learnt.
    """
    seen = [normalise_query(query).removeprefix("the ")]
    seen += [str(one) for one in sorted(truth.ids or ())]
    seen += [f"{one.start:g} to {one.end:g}" for one in truth.segments or ()]
    return asking.task.say(truth, " ".join(seen))


def two_frames(loaded: LoadedSample) -> LoadedSample:
    """The sample with two neighbouring frames that show its object, and without the objects that they miss."""
    clip, sample = loaded.clip, loaded.sample
    questions = sample.meta["questions"]
    starts = [t for t in range(len(clip) - 1) if _shown(questions[0].about.interval, clip.pts[t : t + 2])]
    first = int(generator(sample.id, "two frames").choice(starts))
    cut = replace(clip, frames=clip.frames[first : first + 2], pts=clip.pts[first : first + 2])
    asked = [one for one in questions if _shown(one.about.interval, cut.pts)]
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


def completion_tokens(policy: Policy, turns: Sequence[Turn]) -> tuple[torch.Tensor, torch.Tensor]:
    """Answers and further questions as one completion, and which answer (1, 2, ...) each token belongs to.

    Returns:
        Two int64 tensors, shape (C,); a question's tokens, and an end that is not scored, belong to 0.
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
        say(tokenizer(turn.answer)["input_ids"], number)
        say([tokenizer.eos_token_id], number if turn.ends else 0)
    return torch.tensor(tokens), torch.tensor(owner)


def _shown(interval: Interval, pts: np.ndarray) -> bool:
    return bool(interval.start <= pts[0] and pts[-1] < interval.end)
