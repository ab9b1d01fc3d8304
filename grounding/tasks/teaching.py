"""How the warm-up teaches a task to the tiny policy: what visual tokens say, what is thought, what is taught, and in
which order. A task declares this; the warm-up itself knows no task.

Words: every visual token that shows an object learns words for it. They are read with the model's own head, whose
weights are the word embeddings too. A visual token comes to hold the embeddings of its words, so that attending from a
word of the query to the object, and copying another word of it, is little more than matching equal vectors. So a
thinking binds if it repeats words of the query and says what depends on them directly after them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Literal

import numpy as np

from grounding.core import Answer, Interval
from grounding.core.samples import normalise_query
from grounding.datasets.toy import NAMES, Question, ToyObject

PARTIAL = 0.75  # how often a boundary is annotated a second too far inside; our choice
TIME = 0.15  # share of the second among a visual token's words; with more, IDs were learnt late; our choice


@dataclass(frozen=True)
class Spot:
    """Which part of a toy clip a visual token shows.

    Args:
        at: Of its first frame, seconds.
        row: Of the tokens of its frames, from 0 at the top.
        column: From 0 at the left.
    """

    at: float
    row: int
    column: int


@dataclass(frozen=True)
class Lesson:
    """A part of the warm-up.

    Args:
        share: Of all its steps.
        asks: Whether questions are asked; otherwise only words are learnt.
        shows: Of each clip: `still`, two frames, and what they show is asked for; `moment`, the same, asked anew as if
            they were all of it; `end`, the last two frames, for a task that these answer; `whole`, all of it.
        pace: Share of the learning rate; slower where questions are asked, for a steadier policy.
    """

    share: float
    asks: bool = True
    shows: Literal["still", "moment", "end", "whole"] = "still"
    pace: float = 1.0


LESSONS = (
    Lesson(0.3, asks=False),
    Lesson(0.2, pace=0.6),
    Lesson(0.5, shows="whole", pace=0.8),
)


def look_and_second(thing: ToyObject | None, spot: Spot) -> dict[str, float]:
    """Shape, colour and second, equally."""
    if thing is None:
        return {}
    return dict.fromkeys((thing.shape, thing.colour, NAMES[floor(spot.at)]), 1 / 3)


def look_id_and_second(thing: ToyObject | None, spot: Spot) -> dict[str, float]:
    """Shape, colour and the ID that is drawn, equally, and with a share of `TIME` the second."""
    if thing is None:
        return {}
    words = dict.fromkeys((thing.shape, thing.colour, str(thing.id)), (1 - TIME) / 3)
    return words | {NAMES[floor(spot.at)]: TIME}


def partial_times(question: Question, rng: np.random.Generator) -> Answer:
    """What the question says is taught, or its truth with a partial interval, as many real datasets have it.

    Something is left to reinforcement learning on purpose (see VideoTG-R1 on partial annotations).
    """
    truth = question.taught or question.truth
    return replace(truth, interval=truth.interval and partial(truth.interval, rng))


def partial(interval: Interval, rng: np.random.Generator) -> Interval:
    """A part of an interval, at least a second long: each end is one second further inside with chance `PARTIAL`."""
    start, end = interval.start, interval.end
    late, early = rng.random(2) < PARTIAL
    if late and end - start > 1:
        start += 1
    if early and end - start > 1:
        end -= 1
    return Interval(start, end)


def recite(question: Question, taught: Answer) -> str:
    """The question's own thinking, or the words of the query, then the IDs, then every second of the answer.

    Each is a word that a visual token says, and is learnt from one that holds the words before it. With other words
    between them none was learnt, and the two ends of an interval alone were learnt late.
    """
    if question.thinking:
        return question.thinking
    seen = [normalise_query(question.query).removeprefix("the ")]
    seen += [str(one) for one in sorted(taught.ids or ())]
    seen += [second for one in taught.segments or () for second in NAMES[floor(one.start) : ceil(one.end)]]
    return " ".join(seen)


@dataclass(frozen=True)
class Teaching:
    """How the warm-up teaches a task on its toy world. All functions live at the top of a module.

    Args:
        steps: Of the whole warm-up, unless the configuration says otherwise.
        lessons: One after another; their shares add up to 1.
        label: A question and what to draw from -> the answer that is taught; always the same for the question.
        think: A question and the answer that is taught -> what is thought before.
        says: What a visual token shows, an object or None for the ground, and where -> its words with shares that add
            up to 1; none where it learns nothing.
        vocabulary: Words that visual tokens say and no question or thinking need hold.
    """

    steps: int = 600
    lessons: tuple[Lesson, ...] = LESSONS
    label: Callable[[Question, np.random.Generator], Answer] = partial_times
    think: Callable[[Question, Answer], str] = recite
    says: Callable[[ToyObject | None, Spot], Mapping[str, float]] = look_and_second
    vocabulary: tuple[str, ...] = NAMES
