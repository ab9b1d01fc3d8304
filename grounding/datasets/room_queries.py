"""What is asked for in rooms: things by their look, by their size, or by what they stand beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from grounding.core import Answer
from grounding.datasets.rooms import SHAPES, SIZE, RoomThing, draw_room, make_room, paint_room, things_of
from grounding.datasets.toy import COLOURS, Question, Toy, ToyObject, present

NEVER = 0.2  # how often a clip's own question is about something that is not there; our choice
WELL = 49  # pixels of a thing that can be asked for in a picture: a quarter of what a visual token shows; our choice


def ask_when(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """When each thing is seen, the target first, and when one is that is not there; this comes first now and then."""
    things = sorted(things_of(world), key=lambda one: one is not target)
    named = [(refer(one, things, rng), one) for one in things]
    if not named[0][0]:
        return []
    asked = [Question(f"the {name}", Answer(intervals=(one.interval,)), one) for name, one in named if name]
    never = Question(f"the {absent(things, rng)}", Answer(intervals=()), target)
    return [never, *asked] if rng.random() < NEVER else [*asked, never]


def ask_where(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """Where each thing is on a random frame that shows the target well, and another one if there is such a frame.

    A thing is called by any words that fit it alone, so that which of them names it is learnt, too.
    """
    things = sorted(things_of(world), key=lambda one: one is not target)
    seen = [[one for one in things if shown_well(one, at)] for at in range(len(things[0].boxes))]
    shows = [at for at, some in enumerate(seen) if target in some]
    fair = [at for at in shows if len(seen[at]) > 1] or shows
    if not fair or not references(things[0], things):
        return []
    at = int(rng.choice(fair))
    return [_where(one, str(rng.choice(ways)), at) for one in seen[at] if (ways := references(one, things))]


def _where(thing: RoomThing, called: str, frame: int) -> Question:
    """Where a thing is on a source frame; words for the thing itself lead there, not those for what is beside it."""
    sized = f"{thing.size} {thing.name}"
    own = sized if called == sized else thing.name
    return Question(f"the {called}", Answer(box=thing.box_at(frame), size=SIZE), thing, {"frame": frame}, own)


def shown_well(thing: RoomThing, frame: int) -> bool:
    """Whether a source frame of the seconds in which the thing is seen shows `WELL` pixels of it or more."""
    return present(thing, frame) and int((thing.filmed.labels[frame] == thing.id).sum()) >= WELL


def refer(target: RoomThing, things: Sequence[RoomThing], rng: np.random.Generator) -> str:
    """Words that fit one thing of a room alone: its look, its size, or what it stands beside; "" where none do."""
    ways = references(target, things)
    return target.name if target.name in ways else str(rng.choice(ways)) if ways else ""


def references(target: RoomThing, things: Sequence[RoomThing]) -> list[str]:
    """All words that fit one thing of a room alone, also those that say more than they must."""
    twins = [one for one in things if one is not target and one.name == target.name]
    ways = [] if twins else [target.name]
    if all(one.size != target.size for one in twins):
        ways.append(f"{target.size} {target.name}")
    for other in things:
        place = side(target, other)
        if place and other.name != target.name and all(side(one, other) != place for one in twins):
            ways.append(f"{target.name} {place} of the {other.name}")
    return ways


def side(one: RoomThing, other: RoomThing) -> str:
    """On which side of another thing one stands, `left` or `right`, where the camera sees both together; else ""."""
    if abs(one.column - other.column) != 1 or not one.interval.shared(other.interval):
        return ""
    return "left" if one.column > other.column else "right"


def absent(things: Sequence[ToyObject], rng: np.random.Generator) -> str:
    """The name of a thing that is not there, nor another of its colour."""
    colours = sorted(set(COLOURS) - {thing.colour for thing in things})
    return f"{rng.choice(colours)} {rng.choice(SHAPES)}"


ROOMS = Toy(ask_when, make_room, paint_room, draw=draw_room)
STILL_ROOMS = replace(ROOMS, ask=ask_where)  # of which one frame is shown
