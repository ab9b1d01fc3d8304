"""The toy world where looks repeat, and questions about all objects of a kind: by shape, colour, motion or time.

Shapes and motions come again in a clip, at level 2 colours too, but no two objects look the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grounding.core import Answer
from grounding.datasets.toy import (
    COLOURS,
    ID_COUNT,
    MOTIONS,
    NAMES,
    SHAPES,
    Question,
    Toy,
    ToyObject,
    make_object,
    paint,
)

MISSING = 0.6  # how often the last of several objects is left out of what is taught, as by hasty annotators; our choice
MOST = 2  # questions about a clip, beside those about each object alone


def make_alike(rng: np.random.Generator, level: int, objects: int) -> list[ToyObject]:
    """Objects of three motions and of different looks; at level 1 also of different colours, at level 2 of two."""
    colours = [str(colour) for colour in rng.permutation(list(COLOURS))]
    picked: list[tuple[str, str]]
    if level > 1:
        looks = [(colour, shape) for colour in colours[:2] for shape in SHAPES]
        picked = [looks[place] for place in rng.permutation(len(looks)).tolist()]
    else:
        picked = [(colour, str(rng.choice(SHAPES))) for colour in colours]
    motions = rng.choice(rng.permutation(list(MOTIONS))[:3], objects)
    ids, lanes = rng.permutation(ID_COUNT)[:objects] + 1, rng.permutation(4)
    return [make_object(rng, int(ids[k]), *picked[k], str(motions[k]), int(lanes[k])) for k in range(objects)]


def ask_all(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """Questions, the first of which means the target, perhaps among others; each object is asked for alone, too."""
    own = _about(target, world, rng)
    first = own[rng.integers(len(own))]
    more = [one for thing in world for one in _about(thing, world, rng)]
    more = [more[place] for place in rng.permutation(len(more))[: MOST - 1]]
    alone = [_question(f"the {thing.name}", [thing], "", rng) for thing in world]
    return list({one.query: one for one in [first, *alone, *more]}.values())


def _about(thing: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """The questions that mean an object: a kind each."""
    other = world[int(rng.integers(len(world)))]
    second = int(rng.integers(int(thing.interval.start), int(thing.interval.end)))
    way = thing.motion.split()[1]
    shape = [one for one in world if one.shape == thing.shape]
    colour = [one for one in world if one.colour == thing.colour]
    motion = [one for one in world if one.motion == thing.motion]
    there = [one for one in world if one.interval.start <= second < one.interval.end]
    moving = "all that stand still" if way == "still" else f"all that move {way}"
    pair = [thing] if other is thing else [thing, other]
    return [
        _question(moving, motion, way, rng),
        _question(f"the {thing.shape}{'s' * (len(shape) > 1)}", shape, thing.shape, rng),
        _question(f"everything in {thing.colour}", colour, thing.colour, rng),
        _question(f"the shapes that are there at second {NAMES[second]}", there, NAMES[second], rng),
        _question(" and ".join(f"the {one.name}" for one in pair), pair, "", rng),
    ]


def _question(query: str, meant: Sequence[ToyObject], word: str, rng: np.random.Generator) -> Question:
    """A question whose thinking is a word that all have in common, then the colour of each and its ID; or all names.

    What is taught often lacks the last object, as partial annotations do: something is left to reinforcement learning.
    """
    ordered = sorted(meant, key=lambda one: (list(COLOURS).index(one.colour), one.shape)) if word else meant
    taught = ordered[: len(ordered) - (rng.random() < MISSING)] or ordered
    told = [word] if word else []
    for one in taught:
        told += [*([] if word else [one.shape]), *([] if one.colour == word else [one.colour]), str(one.id)]
    truth, label = (Answer(object_ids=frozenset(one.id for one in these)) for these in (meant, taught))
    return Question(query, truth, ordered[0], thinking=" ".join(told), taught=label)


SETS = Toy(ask_all, make_alike, paint)
