"""The toy world of rooms: boxes, cylinders and spheres on a floor, and a camera that turns among them for 4 seconds.

The camera stands near the middle of the room and looks outwards. In each second it dwells on one view, then it turns
on to the next, always the same way round. Things stand in columns of 30 degrees, two of which a view shows: so a thing
is seen well for whole seconds, or not at all, and what has left does not come back.

The ground of every picture is a clock and a ruler that the tiny policy can read: bluer early and redder late, greener
to the right, brighter downwards. Its pictures are as the processor makes them of those of 640 x 480.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from grounding.core import Interval
from grounding.core.boxes import mask_box
from grounding.datasets.room_views import Solid, View, lens, looking, render
from grounding.datasets.toy import COLOURS, FPS, ID_COUNT, SECONDS, STILL, ToyObject

SIZE = (56, 84)  # height and width of the pictures that the tiny policy sees
SHAPES = ("box", "cylinder", "sphere")
SIZES = {"small": 0.2, "large": 0.31}  # half of the width of a thing, metres
TALL = (0.8, 1.2)  # height of boxes and cylinders as a share of their width
COLUMN = np.pi / 6  # angle of a column
ROWS = (1.9, 2.6)  # metres from the middle at which things stand
TURNS = (0, 0, 1, 1)  # columns that the camera may turn by after a second
MOVING = 0.2  # share of a second in which the camera turns to the next view
SWAY = np.radians(3)  # the most that it turns to either side while it dwells
STANDS, HEIGHT, PITCH = 0.35, 1.35, np.radians(25)  # metres from the middle and above the floor; how far it looks down
FEWEST, SHARE = 0.77, 0.1  # pixels, and share of its most pixels, with which a thing counts as seen: 50 of 640 x 480
GROUND, CLOCK, ACROSS, DOWN, NOISE, TILES = 15, 60, 90, 45, 6, 12  # of the ground's colours, of 255


@dataclass(frozen=True, eq=False)
class Room:
    """A room, and the way of the camera through it.

    Args:
        solids: What stands in it, by id.
        angles: Where the camera looks in each second, radians.
        sways: How far it turns from there while it dwells, radians, signed.
    """

    solids: dict[int, Solid]
    angles: np.ndarray
    sways: np.ndarray

    def pose(self, time: float) -> np.ndarray:
        """Camera-to-world at a time in seconds, (4, 4), OpenCV axes, metres; z is up and the floor is z = 0."""
        angle = self._angle(time)
        eye = np.array([STANDS * np.cos(angle), STANDS * np.sin(angle), HEIGHT])
        return looking(eye, angle, PITCH)

    def view(self, time: float, size: tuple[int, int]) -> View:
        """What the camera sees at a time, as pictures of (height, width)."""
        return render(self.solids, self.pose(time), lens(size), size)

    def picture(self, labels: np.ndarray, light: np.ndarray, time: float, noise: np.ndarray) -> np.ndarray:
        """The colours of a view, uint8 (H, W, 3).

        Args:
            labels: What is seen, ids (H, W).
            light: How bright it is, (H, W).
            time: When, in seconds.
            noise: Added to the ground's colours, float (H, W), with a standard deviation of about `NOISE`.
        """
        height, width = labels.shape
        late = np.float32(min(time / SECONDS, 1))
        down, across = np.linspace(0, DOWN, height)[:, None], np.linspace(0, ACROSS, width)
        even = (GROUND - TILES + noise + TILES * light).astype(np.float32)
        shown = np.stack([even + CLOCK * late + down, even + across, even + CLOCK * (1 - late) + down], axis=2)
        for number, solid in self.solids.items():
            seen = labels == number
            shown[seen] = np.array(COLOURS[solid.colour], np.float32) * light[seen, None]
        return shown.clip(0, 255).astype(np.uint8)

    def _angle(self, time: float) -> float:
        second = min(int(time), len(self.angles) - 1)
        part = (time - second) / (1 - MOVING)
        here = self.angles[second] + self.sways[second] * (2 * min(part, 1) - 1)
        if part <= 1 or second + 1 == len(self.angles):
            return float(here)
        turned = (part - 1) * (1 - MOVING) / MOVING
        there = self.angles[second + 1] - self.sways[second + 1]
        return float(here + (3 - 2 * turned) * turned**2 * (there - here))


@dataclass(frozen=True)
class Look:
    """What a thing looks like.

    Args:
        colour: A key of `COLOURS`.
        shape: One of `SHAPES`.
        size: A key of `SIZES`.
    """

    colour: str
    shape: str
    size: str


@dataclass(frozen=True)
class RoomThing(ToyObject):
    """A thing in a room, as its pictures show it; its path and radius are those of the box around what is visible.

    Args:
        size: A key of `SIZES`.
        column: The column in which it stands; one with a greater number stands to its left.
        boxes: Around its visible pixels on every source frame, xyxy, float (T, 4); NaN where it is not visible.
        filmed: What the camera sees; the same for all things of a room.
    """

    size: str
    column: int
    boxes: np.ndarray
    filmed: Filmed

    @property
    def name(self) -> str:
        """Colour and shape."""
        return f"{self.colour} {self.shape}"

    @property
    def look(self) -> tuple[str, ...]:
        """Shape, colour and size."""
        return self.shape, self.colour, self.size

    def box_at(self, frame: int) -> tuple[float, float, float, float]:
        """Around its visible pixels on a source frame, xyxy."""
        x1, y1, x2, y2 = self.boxes[frame].tolist()
        return x1, y1, x2, y2


@dataclass(frozen=True, eq=False)
class Filmed:
    """What the camera sees of a room on the source frames.

    Args:
        room: The room.
        labels: Ids, uint8 (T, H, W).
        light: How bright each pixel is, float32 (T, H, W).
    """

    room: Room
    labels: np.ndarray
    light: np.ndarray


def make_room(rng: np.random.Generator, level: int, objects: int) -> list[ToyObject]:
    """The things of a room, each of which is seen for whole seconds, one at least.

    At level 1 all have different colours. At level 2 the first two have one colour and shape, and differ in size or in
    what they stand beside.
    """
    return list(_room(int(rng.integers(2**62)), level, objects))


@lru_cache(maxsize=256)  # a sample's questions and its pictures are made of the same room
def _room(seed: int, level: int, objects: int) -> tuple[RoomThing, ...]:
    rng = np.random.default_rng(seed)
    while not (made := _tried(rng, level, objects)):
        pass
    return made


def _tried(rng: np.random.Generator, level: int, objects: int) -> tuple[RoomThing, ...]:
    """A room's things; nothing where one of them is not seen for whole seconds."""
    way = int(rng.choice((-1, 1))) * np.cumsum([0, *rng.choice(TURNS, size=int(SECONDS) - 1)]) + rng.integers(12)
    columns, rows = np.divmod(rng.permutation((np.ptp(way) + 2) * len(ROWS))[:objects], len(ROWS))
    columns += way.min()
    looks = _looks(rng, level, objects)
    ids = [int(number) for number in rng.permutation(ID_COUNT)[:objects] + 1]
    solids = [_solid(rng, look, *place) for look, *place in zip(looks, columns, rows, strict=True)]
    # Column c lies between the angles c and c + 1, times `COLUMN`; the camera looks at the border of two columns.
    room = Room(dict(zip(ids, solids, strict=True)), (way + 1) * COLUMN, rng.uniform(-SWAY, SWAY, len(way)))
    views = [room.view(frame / FPS, SIZE) for frame in range(int(SECONDS * FPS))]
    filmed = Filmed(room, np.stack([view.labels for view in views]), np.stack([view.light for view in views]))
    things = [
        _thing(number, look, int(column), filmed) for number, look, column in zip(ids, looks, columns, strict=True)
    ]
    return tuple(thing for thing in things if thing) if all(things) else ()


def _looks(rng: np.random.Generator, level: int, objects: int) -> list[Look]:
    colours, sizes = rng.permutation(list(COLOURS))[:objects], list(SIZES)
    looks = [Look(str(colour), str(rng.choice(SHAPES)), str(rng.choice(sizes))) for colour in colours]
    if level > 1:
        looks[1] = replace(looks[0], size=str(rng.choice(sizes)))
    return looks


def _solid(rng: np.random.Generator, look: Look, column: int, row: int) -> Solid:
    angle, away = (column + 0.5) * COLUMN + rng.uniform(-0.05, 0.05), ROWS[row] + rng.uniform(-0.05, 0.05)
    wide = SIZES[look.size] * (0.85 if look.shape == "box" else 1)  # the diagonal of a box may lie across
    tall = wide * (1 if look.shape == "sphere" else rng.uniform(*TALL))
    turn = rng.uniform(0, np.pi / 2) if look.shape == "box" else 0.0
    return Solid(look.shape, look.colour, (away * np.cos(angle), away * np.sin(angle), tall), (wide, wide, tall), turn)


def _thing(number: int, look: Look, column: int, filmed: Filmed) -> RoomThing | None:
    """A thing as it is seen; None where that is not for whole seconds."""
    seen = filmed.labels == number
    counts = seen.sum(axis=(1, 2))
    there = (counts >= max(FEWEST, SHARE * counts.max())).reshape(int(SECONDS), -1)
    seconds = np.flatnonzero(there.all(axis=1))
    if not len(seconds) or there.any(axis=1).sum() != len(seconds) or np.ptp(seconds) >= len(seconds):
        return None
    boxes = np.stack([mask_box(one) for one in seen])
    path, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    interval = Interval(float(seconds[0]), float(seconds[-1] + 1))
    radius = round(float(np.nanmax(sides)) / 2)
    return RoomThing(number, look.colour, look.shape, STILL, radius, path, interval, look.size, column, boxes, filmed)


def draw_room(world: Sequence[ToyObject]) -> np.ndarray:
    """Id maps of all source frames, uint8 (T, H, W)."""
    return filmed(world).labels


def paint_room(world: Sequence[ToyObject], labels: np.ndarray, every: int, rng: np.random.Generator) -> np.ndarray:
    """The pictures; arguments and result as those of `grounding.datasets.toy.paint`."""
    all_of_it, noise = filmed(world), rng.normal(0, NOISE, size=SIZE)
    wanted = range(0, len(labels), every)
    return np.stack([all_of_it.room.picture(labels[at], all_of_it.light[at], at / FPS, noise) for at in wanted])


def filmed(world: Sequence[ToyObject]) -> Filmed:
    """What the camera sees of a room with these things."""
    return things_of(world)[0].filmed


def things_of(world: Sequence[ToyObject]) -> list[RoomThing]:
    """The objects of a toy world that is a room."""
    return [thing for thing in world if isinstance(thing, RoomThing)]
