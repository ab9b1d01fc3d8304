"""Questions with free answers about rooms: whether something is there, how many things are, what is seen before what.

The thinking goes through the seconds for each colour that is asked for, until the camera sees it, and ends with the
right answer: each word is learnt from those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations

import numpy as np

from grounding.core import Answer
from grounding.datasets.toy import COLOURS, NAMES, Question, ToyObject

HASTY = 0.75  # how often only the first second is watched; our choice
NONE, WORDS = "none", ("no", "yes")

Seen = Mapping[str, Sequence[int]]  # by colour, the seconds at which things of it come into view, in their order
Asks = tuple[str, Sequence[str], Callable[[Seen], str]]  # words, colours, and the answer where this is all that is seen


def ask_rooms(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """A question of each kind about a room, in random order."""
    starts = sorted((int(one.interval.start), one.colour) for one in world)
    seen = {colour: [at for at, its in starts if its == colour] for colour in COLOURS}
    asked = [KINDS[kind](seen, rng) for kind in rng.permutation(len(KINDS))]
    return [_question(one, seen, target) for one in asked if one is not None]


def first_view(question: Question, rng: np.random.Generator) -> Answer:
    """The truth, or often what the first second alone shows, as if somebody had not watched on.

    Something is left to reinforcement learning on purpose. The thinking is right all the same.
    """
    return question.taught if question.taught and rng.random() < HASTY else question.truth


def there(seen: Seen, rng: np.random.Generator) -> Asks:
    """Whether there is something of a colour; each second at which something comes into view is as likely."""
    starts = sorted({times[0] for times in seen.values() if times})
    came = [starts[rng.integers(len(starts))]] if rng.integers(2) else []
    colour = str(rng.choice([colour for colour, times in seen.items() if times[:1] == came]))
    return f"is there a {colour} thing?", [colour], lambda known: WORDS[bool(known[colour])]


def count(seen: Seen, rng: np.random.Generator) -> Asks:
    """How many things have one of two colours; each number is as likely where all can be asked for."""
    pairs = list(permutations(seen, 2))
    numbers = [sum(len(seen[colour]) for colour in pair) for pair in pairs]
    many = rng.choice(sorted(set(numbers)))
    some = [pair for pair, number in zip(pairs, numbers, strict=True) if number == many]
    a, b = pair = some[rng.integers(len(some))]
    return f"how many things are {a} or {b}?", pair, lambda known: str(len(known[a]) + len(known[b]))


def before(seen: Seen, rng: np.random.Generator) -> Asks | None:
    """Whether one colour comes into view before another; none where all come together."""
    came = [colour for colour, times in seen.items() if times]
    pairs = [(a, b) for a, b in permutations(came, 2) if seen[a][0] != seen[b][0]]
    if not pairs:
        return None
    a, b = pair = pairs[rng.integers(len(pairs))]
    query = f"does the camera see {a} before {b}?"
    return query, pair, lambda known: WORDS[bool(known[a] and known[b]) and known[a][0] < known[b][0]]


def _question(asked: Asks, seen: Seen, about: ToyObject) -> Question:
    """A question, its thinking, and its answer where the first second is all that is seen."""
    query, colours, says = asked
    truth = says(seen)
    early = says({colour: [at for at in times if at == 0] for colour, times in seen.items()})
    thinking = " ".join([*(_looked_for(colour, seen[colour]) for colour in colours), truth])
    return Question(query, Answer(text=truth), about, {}, thinking, Answer(text=early))


def _looked_for(colour: str, times: Sequence[int]) -> str:
    """A colour, and for each second, up to that at which it comes into view, whether it is seen: its name, or `none`.

    To name that second alone was hardly learnt: what was said was the likeliest one.
    """
    missed = NAMES[: times[0]] if times else NAMES
    found = f"{NAMES[times[0]]} {colour}" if times else ""
    return " ".join([colour, *(f"{second} {NONE}" for second in missed), found]).rstrip()


KINDS: tuple[Callable[[Seen, np.random.Generator], Asks | None], ...] = (there, count, before)
