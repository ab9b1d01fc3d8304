"""A toy world of ways: shapes travel, each in its lane, until they are level with a shape that stands still.

A way leads from the left edge of the picture to its middle or to the right edge. There are eleven places to stand. From
both edges to both was too much for the tiny policy: on one of two seeds it took ways to the left for ways to the right.

How far a shape comes is drawn for each clip, and so is when it sets out and when it stops, both in the second second:
neither its speed nor the length of the clip tells how far it came. In the last two seconds it stands still, for the
tiny policy learns where something is long before it learns when. `TAKES` clips in a row are of one episode: they differ
in how far shapes come, and in when, alone.

The ground gets greener to the right: a ruler that the tiny policy can read, for its vision tower knows relative
positions only. As in the first toy world it goes from blue to red as time goes by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grounding.core import Answer, Interval
from grounding.datasets.toy import COLOURS, FPS, ID_COUNT, SECONDS, SHAPES, SIZE, Question, Toy, ToyObject

TAKES = 4  # clips of an episode
RADIUS = 9  # of all shapes, in pixels
PLACES = np.linspace(RADIUS + 1, SIZE - RADIUS - 1, 11)  # where shapes stand still, in pixels from the left
GOALS = (5, 10)  # the places where a way can end, in the middle or at the edge
WORDS = tuple(f"x{letter}" for letter in "abcdefghijk")  # what visual tokens call the places
RULER = 100  # how much greener the right side is


def make_ways(rng: np.random.Generator, level: int, objects: int) -> list[ToyObject]:
    """Travellers, whose paths go all their way, and last the shape that they travel to; one lane each.

    At level 2 the first two have one colour and differ in shape.
    """
    colours = [str(one) for one in rng.permutation(list(COLOURS))[:objects]]
    shapes = [str(one) for one in rng.choice(SHAPES, objects)]
    if level > 1:
        colours[1], shapes[:2] = colours[0], [str(one) for one in rng.permutation(SHAPES)[:2]]
    ids = rng.permutation(ID_COUNT)[:objects] + 1
    lanes = SIZE * (rng.permutation(objects) + 0.5) / objects
    goal = int(rng.choice(GOALS))
    frames = int(SECONDS * FPS)
    world = []
    for k in range(objects):
        start, motion = (0, "moves right") if k < objects - 1 else (goal, "stands still")
        path = np.stack([np.linspace(PLACES[start], PLACES[goal], frames), np.full(frames, lanes[k])], axis=1)
        whole = Interval(0.0, SECONDS)
        world.append(ToyObject(int(ids[k]), colours[k], shapes[k], motion, RADIUS, path, whole))
    return world


def take(world: list[ToyObject], rng: np.random.Generator) -> list[ToyObject]:
    """The same shapes, of which each traveller comes no further than is drawn."""
    return [_stopped(thing, rng) for thing in world[:-1]] + [world[-1]]


def _stopped(thing: ToyObject, rng: np.random.Generator) -> ToyObject:
    """It moves to a place on its way, in the second second, for a quarter of it at least."""
    places = abs(place(thing, -1) - place(thing, 0))
    share = rng.integers(places + 1) / places
    begin, end = sorted(rng.choice(np.arange(1, 2.25, 0.25), 2, replace=False))
    times = np.arange(len(thing.path)) / FPS
    come = share * np.clip((times - begin) / (end - begin), 0, 1)
    return replace(thing, path=thing.path[0] + come[:, None] * (thing.path[-1] - thing.path[0]))


def ask_how_far(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """How far each traveller has come in the end; always the first one first, for an episode asks one thing."""
    goal = world[-1]
    return [
        Question(
            f"the {one.name} is level with the {goal.name}",
            Answer(number=come(one, goal)),
            one,
            thinking=f"{goal.name} {WORDS[place(goal, -1)]} three {one.name} {WORDS[place(one, -1)]}",
        )
        for one in world[:-1]
    ]


def place(thing: ToyObject, frame: int) -> int:
    """Which of `PLACES` an object is next to on a source frame."""
    return int(np.abs(PLACES - thing.path[frame, 0]).argmin())


def come(thing: ToyObject, goal: ToyObject) -> float:
    """Percent of its way that a traveller has come in the end."""
    start, now, there = place(thing, 0), place(thing, -1), place(goal, 0)
    return 100 * abs(now - start) / abs(there - start)


def paint_ways(world: Sequence[ToyObject], labels: np.ndarray, every: int, rng: np.random.Generator) -> np.ndarray:
    """Colour the id maps of a clip; arguments and result as those of `grounding.datasets.toy.paint`."""
    late = np.linspace(0, 1, len(labels))[::every, None, None]
    right = np.broadcast_to(np.linspace(0, 1, SIZE), (len(late), SIZE, SIZE))
    ground = np.stack([60 * late + 0 * right, RULER * right, 60 * (1 - late) + 0 * right], axis=3)
    noise = 20 + rng.normal(0, 6, size=(SIZE, SIZE, 1))
    frames = (ground + noise).clip(0, 255).astype(np.uint8)
    for thing in world:
        frames[labels[::every] == thing.id] = COLOURS[thing.colour]
    return frames


WAYS = Toy(ask_how_far, make_ways, paint_ways, TAKES, take)
