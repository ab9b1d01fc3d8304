"""Questions with options about a toy clip: what comes first, what something looks like, how many are there.

The thinking recites what is asked for and says what depends on it directly after it. Whether something is there is
taught from partial annotations, which often miss its first and last second: that is left to reinforcement learning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.core import Answer
from grounding.datasets.options import letter
from grounding.datasets.toy import COLOURS, SHAPES, Question, ToyObject
from grounding.tasks.teaching import PARTIAL, SECONDS

MOST = 4  # options of a question
TIMES = 2  # how often each kind of question is asked about a clip that is learnt from


def ask_options(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """Questions of all kinds about the objects of a clip that a name tells from all others, in random order.

    None, where the first one cannot be asked.
    """
    names = [thing.name for thing in world]
    things = [thing for thing in world if names.count(thing.name) == 1]
    kinds = [kind for _ in range(TIMES) for kind in rng.permutation(len(KINDS))]
    asked = [KINDS[kind](things, rng) for kind in kinds]
    return [one for one in asked if one is not None] if asked[0] else []


def order(things: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """Which of two or three comes first, or leaves last; none where two do."""
    if len(things) < 2:
        return None
    comes = bool(rng.integers(2))
    some = [things[place] for place in rng.permutation(len(things))[: rng.integers(2, MOST)]]
    seconds = [int(one.interval.start if comes else one.interval.end - 1) for one in some]
    best = (min if comes else max)(seconds)
    if seconds.count(best) > 1:
        return None
    right = seconds.index(best)
    seen = " ".join(f"{one.name} {SECONDS[at]}" for one, at in zip(some, seconds, strict=True))
    query = "which comes first?" if comes else "which leaves last?"
    return _question(query, [one.name for one in some], right, some[right], seen)


def look(things: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """The colour of the only one of its shape, or the shape of the only one of its colour."""
    known, asked = [("shape", "colour"), ("colour", "shape")][rng.integers(2)]
    values = [getattr(thing, known) for thing in things]
    alone = [thing for thing in things if values.count(getattr(thing, known)) == 1]
    if not alone:
        return None
    thing = alone[rng.integers(len(alone))]
    given, right = getattr(thing, known), getattr(thing, asked)
    wrong = [str(one) for one in rng.permutation(list(COLOURS if asked == "colour" else SHAPES)) if one != right]
    wrong.sort(key=lambda one: one not in {getattr(other, asked) for other in things})  # the clip's own first
    some = [right, *wrong[: rng.integers(1, min(MOST, len(wrong) + 1))]]
    options = [some[place] for place in rng.permutation(len(some))]
    query = f"what colour is the {given}?" if asked == "colour" else f"which shape is in {given}?"
    return _question(query, options, options.index(right), thing, f"{given} {right}")


def there(things: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """Whether something is there at a second."""
    return _at_a_second(things, 1, rng)


def count(things: Sequence[ToyObject], rng: np.random.Generator) -> Question | None:
    """How many of two or three are there at a second."""
    return _at_a_second(things, int(rng.integers(2, MOST)), rng)


def _at_a_second(things: Sequence[ToyObject], named: int, rng: np.random.Generator) -> Question | None:
    """How many of so many named ones are there; each number is as likely, or the question would tell."""
    many = int(rng.integers(named + 1))
    at = int(rng.integers(len(SECONDS)))
    seen = [one for one in things if one.interval.start <= at < one.interval.end]
    if len(seen) < many or not things:
        return None
    others = [one.name for one in things if one not in seen]
    unknown = [f"{form} in {hue}" for hue in COLOURS for form in SHAPES if hue not in {one.colour for one in things}]
    names: dict[str, ToyObject | None] = {seen[i].name: seen[i] for i in rng.permutation(len(seen))[:many]}
    while len(names) < named:
        pool = others if others and rng.integers(2) else unknown
        names.setdefault(pool[rng.integers(len(pool))], None)
    listed = [list(names.items())[i] for i in rng.permutation(named)]
    known = [thing is not None and not (_at_an_end(thing, at) and rng.random() < PARTIAL) for _, thing in listed]
    thinking = " ".join(
        f"{name} {SECONDS[at] if is_there else 'no'}" for (name, _), is_there in zip(listed, known, strict=True)
    )
    about = next((thing for _, thing in listed if thing is not None), things[0])
    said = [name for name, _ in listed]
    if named == 1:
        query, options = f"is there a {said[0]} at second {SECONDS[at]}?", ["no", "yes"]
    else:
        query = f"how many of {', '.join(said[:-1])} and {said[-1]} are there at second {SECONDS[at]}?"
        options = [str(number) for number in range(named + 1)]
    places = rng.permutation(len(options))
    shuffled = [options[place] for place in places]
    right, taught = (shuffled.index(options[number]) for number in (many, sum(known)))
    return _question(query, shuffled, right, about, f"{thinking} {options[sum(known)]}", taught)


def _at_an_end(thing: ToyObject, at: int) -> bool:
    """Whether a second is the first or the last of an object that stays longer."""
    interval = thing.interval
    return interval.duration > 1 and at in (interval.start, interval.end - 1)


def _question(
    query: str, options: list[str], right: int, about: ToyObject, seen: str, taught: int | None = None
) -> Question:
    truth, said = (Answer(choices=frozenset(letter(place))) for place in (right, right if taught is None else taught))
    return Question(
        query, truth, about, {"options": options}, f"{seen} {letter(right if taught is None else taught)}", said
    )


KINDS = (order, look, there, count)
