"""Questions with options about when the colours of a toy clip come: order, look, count, and yes or no.

The thinking recites each colour that is asked for with the second at which it comes, and then its letter where it is an
option, or whether it is counted: each word is learnt from those before it. It ends with the right option.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from math import floor

import numpy as np

from grounding.core import Answer
from grounding.datasets.options import letter
from grounding.datasets.toy import NAMES, Question, ToyObject
from grounding.tasks.teaching import Spot

MOST = 3  # options that are colours; with two or three by chance, which colour is right was learnt late
ASKED = 3  # questions about a clip
NUMBERS, WORDS = ["0", "1", "2"], ["no", "yes"]  # options that always have this order
HASTY = 0.75  # how often the last option is not read; our choice


def ask_options(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """Questions of different kinds about a clip, in random order; none, where the first one cannot be asked."""
    last_first = sorted(world, key=lambda thing: -thing.interval.start)
    things = list({thing.colour: thing for thing in last_first}.values())  # of each colour what comes first
    asked = [KINDS[kind](things, rng) for kind in rng.permutation(len(KINDS))[:ASKED]]
    return [one for one in asked if one is not None] if asked[0] else []


def colour_and_second(thing: ToyObject | None, spot: Spot) -> dict[str, float]:
    """What the questions are about, equally."""
    return {} if thing is None else {thing.colour: 0.5, NAMES[floor(spot.at)]: 0.5}


def hasty(question: Question, rng: np.random.Generator) -> Answer:
    """The truth; but the option before it where it is the last, as if somebody had often not read to the end.

    Something is left to reinforcement learning on purpose. The thinking is right all the same.
    """
    last = len(question.meta["options"]) - 1
    unread = question.truth.choices == {letter(last)} and rng.random() < HASTY
    return replace(question.truth, choices=frozenset(letter(last - 1))) if unread else question.truth


def order(things: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """Which of some comes first, or last; none where two do."""
    some, first = _some(things, rng), bool(rng.integers(2))
    starts = _starts(some)
    at = (min if first else max)(starts, default=0)
    return _of_colours(f"which colour comes {'first' if first else 'last'}?", some, at)


def look(things: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """What colour comes at a second, of some; none where each comes with another."""
    some = _some(things, rng)
    starts = _starts(some)
    alone = [at for at in starts if starts.count(at) == 1]
    at = alone[rng.integers(len(alone))] if alone else 0
    return _of_colours(f"what colour comes at second {NAMES[at]}?", some, at)


def before(things: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """Whether one comes before another; none where all come together."""
    pairs = [pair for pair in permutations(things, 2) if pair[0].interval.start != pair[1].interval.start]
    if not pairs:
        return None
    pair = pairs[rng.integers(len(pairs))]
    first, second = _starts(pair)
    query = f"does {pair[0].colour} come before {pair[1].colour}?"
    return _question(query, WORDS, int(first < second), pair[0], [f"{one.colour} {_second(one)}" for one in pair])


def count(things: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """How many of two come at a second; each number is as likely where all can be asked for."""
    many = int(rng.integers(len(NUMBERS)))
    ways = [
        (pair, at) for pair in permutations(things, 2) for at in range(len(NAMES)) if _starts(pair).count(at) == many
    ]
    if not ways:
        return None
    pair, at = ways[rng.integers(len(ways))]
    query = f"how many of {pair[0].colour} and {pair[1].colour} come at second {NAMES[at]}?"
    seen = [f"{one.colour} {_second(one)} {WORDS[_second(one) == NAMES[at]]}" for one in pair]
    return _question(query, NUMBERS, many, pair[0], seen)


def _some(things: Sequence[ToyObject], rng: np.random.Generator) -> list[ToyObject]:
    """Three, or two where there are no more, in any order; none where there is only one."""
    some = [things[place] for place in rng.permutation(len(things))[:MOST]]
    return some if len(some) > 1 else []


def _of_colours(query: str, some: Sequence[ToyObject], at: int) -> Question | None:
    """A question whose options are colours, one of which comes at a second: that is right; none where several do."""
    starts = _starts(some)
    if starts.count(at) != 1:
        return None
    right = starts.index(at)
    seen = [f"{one.colour} {_second(one)} {letter(place)}" for place, one in enumerate(some)]
    return _question(query, [one.colour for one in some], right, some[right], seen)


def _second(thing: ToyObject) -> str:
    return NAMES[int(thing.interval.start)]


def _starts(some: Sequence[ToyObject]) -> list[int]:
    return [int(one.interval.start) for one in some]


def _question(query: str, options: list[str], right: int, about: ToyObject, seen: Sequence[str]) -> Question:
    """A question and its thinking: what is seen, then the right option, or the second of a colour, and its letter."""
    said = _second(about) if options[right] == about.colour else options[right]
    truth = Answer(choices=frozenset(letter(right)))
    return Question(query, truth, about, {"options": options}, " ".join([*seen, said, letter(right)]))


KINDS = (order, look, before, count)
