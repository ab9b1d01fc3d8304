"""Scenes of a wall, views that cannot be read, a generated room, and steps and a tracker that know the truth."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from benchmarks import rooms

from grounding.core import Answer, Interval, UserError
from grounding.ground3d.footage import Footage
from grounding.ground3d.steps import Box, Steps
from grounding.tasks.task import Said
from lift3d.scene import Scene, View

SIZE = (48, 64)
LENS = np.array([[60.0, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])


@dataclass
class Wall:
    """A wall that a still camera sees.

    Args:
        reads: Views whose picture was decoded, in order.
    """

    footage: Footage
    reads: list[int] = field(default_factory=list)


@pytest.fixture
def wall() -> Callable[..., Wall]:
    """`wall(count)`: views at 30 a second of a wall 2 m away; view v is blacker in the middle the sharper it is."""

    def make(
        count: int,
        *,
        unreadable: Collection[int] = (),
        deep: Mapping[int, float] | None = None,
        sharp: Mapping[int, int] | None = None,
        size: tuple[int, int] = SIZE,
    ) -> Wall:
        reads: list[int] = []

        def colour(number: int) -> Callable[[], np.ndarray]:
            def read() -> np.ndarray:
                reads.append(number)
                if number in unreadable:
                    raise UserError(f"cannot read {number}.jpg")
                picture = np.full((*size, 3), 128, np.uint8)
                picture[:, size[1] // 2] -= np.uint8((sharp or {}).get(number, 0))
                return picture

            return read

        def depth(number: int) -> Callable[[], np.ndarray]:
            return lambda: np.full(size, (deep or {}).get(number, 2.0), np.float32)

        views = [View(f"{n:03}", None, np.eye(4), LENS, depth(n), colour(n)) for n in range(count)]
        made = Wall(Footage.of(Scene(views), name="wall"), reads)
        reads.clear()
        return made

    return make


@pytest.fixture(scope="session")
def room() -> rooms.Room:
    """Three things; a camera goes round them in 24 views, 0.8 s."""
    return rooms.room(3, 24, (120, 160), spacing=0.04)


@pytest.fixture(scope="session")
def footage(room: rooms.Room) -> Footage:
    """The room as a video."""
    return Footage.of(room.scene, name="room")


@dataclass(frozen=True)
class Truth:
    """Steps that know where thing 1 of the room is.

    Args:
        room: The room.
        says: What is answered about when.
        boxes: By view, what is answered instead of the true box.
    """

    room: rooms.Room
    says: Sequence[Said] = (Answer(Interval(0.0, 0.5)),)
    boxes: Mapping[int, Said] = field(default_factory=dict)

    def mask(self, view: int) -> np.ndarray:
        return self.room.labels[view] == 1

    def box_of(self, view: int) -> Box:
        rows, columns = np.nonzero(self.mask(view))
        return float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)

    def box(self, query: str, footage: Footage, view: int) -> Said:
        return self.boxes.get(view) or Answer(box=self.box_of(view))

    def masks(self, footage: Footage, view: int, box: Box) -> Iterator[tuple[int, np.ndarray]]:
        for other in [view, *(one for one in range(len(footage)) if one != view)]:
            yield other, self.mask(other)

    @property
    def steps(self) -> Steps:
        return Steps(lambda query, footage: self.says, self.box, self.masks)


@pytest.fixture
def truth(room: rooms.Room) -> Callable[..., Truth]:
    """`truth(says=..., boxes=...)`."""
    return lambda **changes: Truth(room, **changes)
