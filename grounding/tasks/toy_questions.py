"""Questions with options about when the colours of a toy clip come: order, look, count, and yes or no.

The thinking recites each colour that is asked for with the second at which it comes, and its letter where it is an
option: each word is learnt from the one before it. These are always true. The option at the end is taught from partial
annotations, in which most objects come a second too late: that is left to reinforcement learning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations
from math import floor

import numpy as np

from grounding.core import Answer
from grounding.datasets.options import letter
from grounding.datasets.toy import NAMES, Question, ToyObject
from grounding.tasks.teaching import Spot, partial

MOST = 3  # options that are colours
ASKED = 3  # questions about a clip
NUMBERS, WORDS = ["0", "1", "2"], ["no", "yes"]  # options that always have this order

Choose = Callable[[Sequence[int]], int | None]  # the seconds at which some come -> the place of the right option


def ask_options(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """Questions of different kinds about a clip, in random order; none, where the first one cannot be asked."""
    last_first = sorted(world, key=lambda thing: -thing.interval.start)
    things = list({thing.colour: thing for thing in last_first}.values())  # of each colour what comes first
    asked = [KINDS[kind](things, rng) for kind in rng.permutation(len(KINDS))[:ASKED]]
    return [one for one in asked if one is not None] if asked[0] else []


def colour_and_second(thing: ToyObject | None, spot: Spot) -> dict[str, float]:
    """What the questions are about, equally."""
    return {} if thing is None else {thing.colour: 0.5, NAMES[floor(spot.at)]: 0.5}


def order(things: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """Which of two or three comes first, or last; none where two do."""
    some, first = _some(things, rng), bool(rng.integers(2))

    def best(starts: Sequence[int]) -> int | None:
        most = (min if first else max)(starts)
        return starts.index(most) if starts.count(most) == 1 else None

    return _of_colours(f"which colour comes {'first' if first else 'last'}?", some, best, rng)


def look(things: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """What colour comes at a second, of two or three; none where two do."""
    some = _some(things, rng)
    at = int(some[rng.integers(len(some))].interval.start) if some else 0

    def only(starts: Sequence[int]) -> int | None:
        return starts.index(at) if starts.count(at) == 1 else None

    return _of_colours(f"what colour comes at second {NAMES[at]}?", some, only, rng)


def before(things: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """Whether one comes before another; none where all come together."""
    pairs = [pair for pair in permutations(things, 2) if pair[0].interval.start != pair[1].interval.start]
    if not pairs:
        return None
    pair = pairs[rng.integers(len(pairs))]
    query = f"does {pair[0].colour} come before {pair[1].colour}?"
    return _of_words(query, WORDS, pair, lambda starts: int(starts[0] < starts[1]), rng)


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
    return _of_words(query, NUMBERS, pair, lambda starts: list(starts).count(at), rng)


def _some(things: Sequence[ToyObject], rng: np.random.Generator) -> list[ToyObject]:
    """Two or three in any order; none where there is only one."""
    most = min(MOST, len(things))
    return [] if most < 2 else [things[place] for place in rng.permutation(len(things))[: rng.integers(2, most + 1)]]


def _of_colours(query: str, some: Sequence[ToyObject], choose: Choose, rng: np.random.Generator) -> Question | None:
    """A question whose options are colours; after all of them the thinking says the second of the right one."""
    right = choose(_starts(some)) if some else None
    if right is None:
        return None
    taught = choose(_annotated(some, rng))
    seen = [f"{one.colour} {_second(one)} {letter(place)}" for place, one in enumerate(some)]
    options = [one.colour for one in some]
    return _question(query, options, some, [*seen, _second(some[right])], right, right if taught is None else taught)


def _of_words(
    query: str,
    options: list[str],
    some: Sequence[ToyObject],
    choose: Callable[[Sequence[int]], int],
    rng: np.random.Generator,
) -> Question:
    """A question whose options are words in a fixed order; the thinking ends with the one that is taught."""
    right, taught = choose(_starts(some)), choose(_annotated(some, rng))
    seen = [f"{one.colour} {_second(one)}" for one in some]
    return _question(query, options, some, [*seen, options[taught]], right, taught)


def _second(thing: ToyObject) -> str:
    return NAMES[int(thing.interval.start)]


def _starts(some: Sequence[ToyObject]) -> list[int]:
    return [int(one.interval.start) for one in some]


def _annotated(some: Sequence[ToyObject], rng: np.random.Generator) -> list[int]:
    """When each comes by a partial annotation."""
    return [int(partial(one.interval, rng).start) for one in some]


def _question(
    query: str, options: list[str], some: Sequence[ToyObject], seen: Sequence[str], right: int, taught: int
) -> Question:
    truth, said = (Answer(choices=frozenset(letter(place))) for place in (right, taught))
    return Question(query, truth, some[0], {"options": options}, " ".join([*seen, letter(taught)]), said)


KINDS = (order, look, before, count)
