"""A toy world of stills: where objects are on one frame of a clip, on a ground that tells where one looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grounding.core import Answer
from grounding.datasets.toy import COLOURS, SIZE, WORLD, Question, ToyObject, present, true_tube

RULER = 90  # by so much the ground changes from one side to the other; our choice


def paint(world: Sequence[ToyObject], labels: np.ndarray, every: int, rng: np.random.Generator) -> np.ndarray:
    """Like `toy.paint`, but on a ruler: the ground gets greener to the right, and from blue to red downwards.

    The vision tower of the tiny policy knows relative positions only; on an even ground no token could tell its place.
    """
    y, x = np.mgrid[0 : 1 : SIZE * 1j, 0 : 1 : SIZE * 1j]
    ground = 20 + rng.normal(0, 6, size=(SIZE, SIZE, 1)) + RULER * np.stack([y, x, 1 - y], axis=2)
    shown = labels[::every]
    frames = np.repeat(ground.clip(0, 255).astype(np.uint8)[None], len(shown), axis=0)
    for thing in world:
        frames[shown == thing.id] = COLOURS[thing.colour]
    return frames


def ask(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """Where each object is on a random frame that shows the target, and another one that could be meant.

    Never the middle frame: there moving objects are in the middle of the picture.
    """
    fair = [at for at in true_tube(target).frames if target in (seen := _told_apart(world, at)) and len(seen) > 1]
    if not fair:
        return []
    at = int(rng.choice(fair))
    asked = sorted(_told_apart(world, at), key=lambda one: one is not target)
    meta = {"frame": at}
    return [Question(f"the {one.name}", Answer(box=one.box_at(at), size=(SIZE, SIZE)), one, meta) for one in asked]


def _told_apart(world: Sequence[ToyObject], at: int) -> list[ToyObject]:
    """The objects on a source frame that no other one there looks like."""
    seen = [one for one in world if present(one, at)]
    names = [one.name for one in seen]
    return [one for one in seen if names.count(one.name) == 1]


STILLS = replace(WORLD, ask=ask, paint=paint)
