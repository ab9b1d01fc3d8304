"""Questions with options about a toy clip: what comes first, what is there at a second, and how many of some are.

The thinking recites colours, says what is seen of each directly after it, and then the letter if it is an option: so a
value that is looked for has its letter beside it. It is always true. The letters of what is there and of how many are
taught from partial annotations, which miss a first and a last second: that is left to reinforcement learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import numpy as np

from grounding.core import Answer, Interval
from grounding.datasets.options import letter
from grounding.datasets.toy import COLOURS, Question, ToyObject
from grounding.tasks.teaching import SECONDS, Spot

MOST = 4  # options of a question
NAMED = 2  # objects of which is asked how many are there


def ask_options(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """Questions of all kinds about a clip in random order; none, where the first one cannot be asked."""
    asked = [KINDS[kind](world, rng) for kind in rng.permutation(len(KINDS))]
    asked += [kind(world, rng) for kind in AGAIN]
    return [one for one in asked if one is not None] if asked[0] else []


def colour_and_second(thing: ToyObject | None, spot: Spot) -> dict[str, float]:
    """What the questions are about, equally."""
    return {} if thing is None else {thing.colour: 0.5, SECONDS[floor(spot.at)]: 0.5}


def order(world: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """Which of two or three comes first, or leaves last; none where two do."""
    things = _apart(world)
    if len(things) < 2:
        return None
    comes = bool(rng.integers(2))
    some = [things[place] for place in rng.permutation(len(things))[: rng.integers(2, MOST)]]
    seconds = [int(one.interval.start if comes else one.interval.end - 1) for one in some]
    best = (min if comes else max)(seconds)
    if seconds.count(best) > 1:
        return None
    options, right = [one.colour for one in some], seconds.index(best)
    seen = _listed(options, [SECONDS[at] for at in seconds])
    query = "which colour comes first?" if comes else "which colour leaves last?"
    return _question(query, options, right, some[right], f"{seen} {SECONDS[best]}")


def _listed(options: Sequence[str], values: Sequence[str]) -> str:
    """Every option, what is seen of it, and its letter: the letter that follows the right value is the answer."""
    said = zip(options, values, strict=True)
    return " ".join(f"{option} {value} {letter(place)}" for place, (option, value) in enumerate(said))


def alone(world: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """The colour of what is there at a second at which nothing else is; the others of the clip stand beside it."""
    present = [[one for one in world if _is_there(one.interval, at)] for at in range(len(SECONDS))]
    fitting = [at for at, things in enumerate(present) if len(things) == 1]
    if not fitting:
        return None
    at = fitting[rng.integers(len(fitting))]
    (thing,) = present[at]
    wrong = [str(colour) for colour in rng.permutation(list(COLOURS)) if colour != thing.colour]
    wrong.sort(key=lambda colour: colour not in {one.colour for one in world})  # the clip's own first
    some = [thing.colour, *wrong[: rng.integers(1, MOST)]]
    options = [some[place] for place in rng.permutation(len(some))]
    right, second = options.index(thing.colour), SECONDS[at]
    seen = _listed(options, [second if option == thing.colour else "no" for option in options])
    return _question(f"what colour is there at second {second}?", options, right, thing, f"{seen} {second}")


def there(world: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """Whether something is there at a second."""
    return _at_a_second(world, 1, rng)


def count(world: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """How many of some are there at a second."""
    return _at_a_second(world, NAMED, rng)


def _at_a_second(world: Sequence[ToyObject], named: int, rng: np.random.Generator) -> Question | None:
    """How many of so many named ones are there; each number is about as likely, or the question would tell."""
    things, many = _apart(world), int(rng.integers(named + 1))
    fitting = [at for at in range(len(SECONDS)) if sum(_is_there(one.interval, at) for one in things) >= many]
    if not fitting or not things:
        return None
    at = fitting[rng.integers(len(fitting))]
    present, absent = ([one for one in things if _is_there(one.interval, at) is seen] for seen in (True, False))
    listed: dict[str, ToyObject | None] = {present[i].colour: present[i] for i in rng.permutation(len(present))[:many]}
    unknown = [colour for colour in COLOURS if colour not in {one.colour for one in world}]
    while len(listed) < named:
        if absent and rng.integers(2):
            other = absent[rng.integers(len(absent))]
            listed[other.colour] = other
        else:
            listed[str(rng.choice(unknown))] = None
    colours = [str(colour) for colour in rng.permutation(list(listed))]
    there, second = [colour in {one.colour for one in present} for colour in colours], SECONDS[at]
    seen = " ".join(f"{colour} {second if here else 'no'}" for colour, here in zip(colours, there, strict=True))
    taught = sum(_is_annotated(thing, at) for colour, thing in listed.items() if thing is not None)
    if named == 1:
        query, options = f"is there at second {second} something {colours[0]}?", ["no", "yes"]
    else:
        query = f"how many are there at second {second} of {' and '.join(colours)}?"
        options = [str(number) for number in range(named + 1)]
    about = next((thing for thing in listed.values() if thing is not None), things[0])
    return _question(query, options, many, about, f"{seen} {options[many]}", taught)


def _apart(world: Sequence[ToyObject]) -> list[ToyObject]:
    """The objects that no other one has the colour of."""
    colours = [thing.colour for thing in world]
    return [thing for thing in world if colours.count(thing.colour) == 1]


def _is_there(interval: Interval, at: int) -> bool:
    return bool(interval.start <= at < interval.end)


def _is_annotated(thing: ToyObject, at: int) -> bool:
    """Whether something is there at a second that is neither the first nor the last of several."""
    start, end = thing.interval.start, thing.interval.end
    return _is_there(thing.interval, at) and (end - start == 1 or start < at < end - 1)


def _question(
    query: str, options: Sequence[str], right: int, about: ToyObject, seen: str, taught: int | None = None
) -> Question:
    """A question with its right option, the option that is taught, and the thinking that leads to the right one."""
    truth, said = (Answer(choices=frozenset(letter(place))) for place in (right, right if taught is None else taught))
    return Question(query, truth, about, {"options": list(options)}, f"{seen} {letter(right)}", said)


KINDS = (order, alone, there, count)
AGAIN = (order, alone)  # asked once more about a clip, for their letters are learnt late
