"""The toy world: a deterministic, generated world of coloured shapes that come, move, cross, hide each other and leave.

Every clip is made from one whole number in milliseconds, with exact masks and a query whose answer needs the object,
its motion and the order of events. The ground turns from blue to red as time goes by: a clock that the tiny policy can
read. Held-out clips come from a range of numbers that no training clip uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import cv2
import numpy as np

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, Sample, Tube, UserError, rle
from grounding.core.seeds import generator
from grounding.datasets.truth import completed

SIZE = 84  # pixels, square frames
FPS = 4.0  # source frames a second
RATES = (1.0, 2.0, 4.0)  # what a clip can be sampled at
SECONDS = 4.0
NAMES = ("zero", "one", "two", "three")  # what its seconds are called
STEP = 1.0  # objects come and leave on this grid, in seconds
MAX_OBJECTS = 4
ID_COUNT = 9  # ids are drawn from 1..9, so that they say nothing about the object
HELD_OUT = range(0, 1_000_000)  # clip numbers of held-out clips; training clips start above
PER_SEED = 100_000_000  # clip numbers of one training seed

COLOURS = {
    "red": (220, 50, 47),
    "green": (60, 180, 75),
    "blue": (50, 90, 230),
    "yellow": (240, 220, 60),
    "white": (245, 245, 245),
    "purple": (150, 60, 190),
}
TRIES = 1000  # clips that are drawn for a number until a fair question can be asked
SHAPES = ("circle", "square", "triangle")
MOTIONS = {
    "moves left": (-1, 0),
    "moves right": (1, 0),
    "moves up": (0, -1),
    "moves down": (0, 1),
    (STILL := "stands still"): (0, 0),
}


@dataclass(frozen=True)
class ToyObject:
    """One shape: what it looks like, how it moves, when it is there.

    Args:
        id: The number drawn on it.
        colour: A key of `COLOURS`.
        shape: One of `SHAPES`.
        motion: A key of `MOTIONS`.
        radius: Half of its extent in pixels.
        path: Centre on every source frame, shape (T, 2), x and y in pixels.
        interval: When it is in the picture.
    """

    id: int
    colour: str
    shape: str
    motion: str
    radius: int
    path: np.ndarray
    interval: Interval

    @property
    def name(self) -> str:
        """Shape and colour."""
        return f"{self.shape} in {self.colour}"

    @property
    def look(self) -> tuple[str, ...]:
        """Words for what is seen of it at once."""
        return self.shape, self.colour

    def box_at(self, frame: int) -> tuple[float, float, float, float]:
        """Its whole extent on a source frame of its interval, xyxy, also where something hides it."""
        x, y = (round(float(middle)) for middle in self.path[frame])
        return float(x - self.radius), float(y - self.radius), float(x + self.radius + 1), float(y + self.radius + 1)


@dataclass(frozen=True)
class Question:
    """A question about a clip.

    Args:
        query: The sentence.
        truth: The right answer.
        about: The object that it is about; of several, the one that must be seen.
        meta: What an annotation row would hold besides, such as options.
        thinking: Words that lead to the answer, where the task does not make them of the truth.
        taught: What the warm-up teaches instead of the truth; None where the task says it.
    """

    query: str
    truth: Answer
    about: ToyObject
    meta: Mapping[str, Any] = field(default_factory=dict)
    thinking: str = ""
    taught: Answer | None = None


def shape_polygon(thing: ToyObject, frame: int) -> np.ndarray:
    """Corners of a square or triangle, int32, shape (K, 2)."""
    x, y = thing.path[frame]
    r = thing.radius
    corners = {"square": [(-r, -r), (r, -r), (r, r), (-r, r)], "triangle": [(0, -r), (r, r), (-r, r)]}[thing.shape]
    return np.round(np.add(corners, (x, y))).astype(np.int32)


def present(thing: ToyObject, frame: int) -> bool:
    """Whether the object is in the picture on a source frame."""
    return thing.interval.start <= frame / FPS < thing.interval.end


def draw_labels(world: Sequence[ToyObject], frame: int) -> np.ndarray:
    """Id map of a source frame, uint8, shape (SIZE, SIZE); 0 is background."""
    labels = np.zeros((SIZE, SIZE), np.uint8)
    for thing in world:
        if not present(thing, frame):
            continue
        if thing.shape == "circle":
            x, y = np.round(thing.path[frame]).astype(int)
            cv2.circle(labels, (int(x), int(y)), thing.radius, thing.id, cv2.FILLED)
        else:
            cv2.fillPoly(labels, [shape_polygon(thing, frame)], thing.id)
    return labels


def draw_shapes(world: Sequence[ToyObject]) -> np.ndarray:
    """The id map of every source frame, uint8 (T, SIZE, SIZE)."""
    return np.stack([draw_labels(world, frame) for frame in range(int(SECONDS * FPS))])


def as_made(world: list[ToyObject], rng: np.random.Generator) -> list[ToyObject]:
    """For a world without episodes."""
    return world


@dataclass(frozen=True)
class Toy:
    """A toy world: what is in its clips, how they look, and what is asked about them.

    All functions are pure and live at the top of a module, so that a world can be sent to another process.

    Args:
        ask: The object of a clip that is to be asked for, all objects and what to draw from -> questions, the sample's
            own first; none where no fair question can be asked: then another clip takes its place.
        make: What to draw from, the level and the number of objects -> the objects, later ones hide earlier ones.
        paint: The objects, the id map of every source frame, which frames are wanted (each so many), and what to draw
            from -> RGB frames, see `paint`.
        takes: How many clips in a row are of one episode: they show the same objects, and `take` makes the difference.
        take: The objects of an episode, and what to draw from -> those of one of its clips.
        draw: The objects -> the id map of every source frame, uint8 (T, H, W), 0 for the ground.
    """

    ask: Callable[[ToyObject, Sequence[ToyObject], np.random.Generator], Sequence[Question]]
    make: Callable[[np.random.Generator, int, int], list[ToyObject]]
    paint: Callable[[Sequence[ToyObject], np.ndarray, int, np.random.Generator], np.ndarray]
    takes: int = 1
    take: Callable[[list[ToyObject], np.random.Generator], list[ToyObject]] = as_made
    draw: Callable[[Sequence[ToyObject]], np.ndarray] = draw_shapes


def toy_source(
    first: int, count: int, *, level: int = 1, objects: int = 3, fps: float = 2.0, toy: Toy | None = None
) -> ToySource:
    """Samples made from the clip numbers `[first, first + count)`.

    Args:
        first: First clip number, >= 0.
        count: How many, >= 1.
        level: 1 has shapes that all look different; 2 has twins, told apart by motion or by who comes or leaves
            first or last.
        objects: Objects in a clip, 1 to 4 (level 2 needs at least 2).
        fps: Sampled frames a second, one of `RATES`.
        toy: The world, see `Task.toy`; None is `WORLD`, which asks when, which and where.

    Raises:
        UserError: If an argument is out of its range.
    """
    if level not in (1, 2):
        raise UserError(f"the toy world has the levels 1 and 2, got {level}")
    if not (2 if level > 1 else 1) <= objects <= MAX_OBJECTS:
        raise UserError(
            f"a toy clip of level {level} holds {2 if level > 1 else 1} to {MAX_OBJECTS} objects, got {objects}"
        )
    if first < 0 or count < 1:
        raise UserError(f"toy clips need first >= 0 and count >= 1, got {first} and {count}")
    if fps not in RATES:
        raise UserError(f"toy clips are sampled at {', '.join(f'{r:g}' for r in RATES)} frames a second, got {fps:g}")
    return ToySource(range(first, first + count), level, objects, fps, toy or WORLD)


@dataclass(frozen=True)
class ToySource:
    """A `Source` over a range of toy clips."""

    numbers: range
    level: int
    objects: int
    fps: float
    toy: Toy

    @property
    def samples(self) -> ToySamples:
        """One sample a clip number."""
        return ToySamples(self)

    def sample(self, number: int) -> Sample:
        """The sample of one clip: its query and truth (boxes are whole shapes, also where something hides them).

        `meta["questions"]` holds all `Question`s about the clip, the sample's own first; `meta["objects"]` all objects.
        """
        world, questions = self.scene(number)
        own = questions[0]
        name = f"toy-{self.level}-{self.objects}-{number}"
        episode = {"episode": str(number // self.toy.takes)} if self.toy.takes > 1 else {}
        meta = {**own.meta, **episode, "duration": SECONDS, "questions": questions, "objects": world}
        return Sample(name, f"toy:{number}", own.query, own.truth, meta)

    def scene(self, number: int) -> tuple[list[ToyObject], Sequence[Question]]:
        """The objects of a clip and the questions about it; the first that a fair question can be asked about.

        Raises:
            UserError: If there is none in `TRIES`.
        """
        for tried in range(TRIES):
            again = [tried] if tried else []
            made = self.toy.make(generator(number // self.toy.takes, "world", *again), self.level, self.objects)
            world = self.toy.take(made, generator(number, "take", *again))
            rng = generator(number, "query", *again)
            target = world[rng.integers(len(world) if self.level == 1 else 2)]
            if questions := self.toy.ask(target, world, rng):
                return world, questions
        raise UserError(f"no fair question about toy clip {number} was found; choose other data.objects or data.level")

    def load(self, sample: Sample) -> LoadedSample:
        """Render the clip and its masks; where `meta` names a source `frame`, the clip is that frame alone."""
        number = int(sample.video.removeprefix("toy:"))
        world, _ = self.scene(number)
        labels = self.toy.draw(world)
        masklets = label_masklets(world, labels)
        still = sample.meta.get("frame")
        every = round(FPS / self.fps) if still is None else 1
        frames, pts = self.toy.paint(world, labels, every, generator(number, "ground")), masklets.pts[::every]
        if still is not None:
            frames, pts = frames[[still]], pts[[still]]
        clip = Clip(frames, pts, FPS, masklets.size, SECONDS)
        return LoadedSample(completed(sample, masklets), clip, masklets)

    def version(self, sample: Sample) -> str:
        """What the clip is made from: its number, the settings, and the names of the world's functions."""
        world = [_named(part) for part in vars(self.toy).values()]
        return repr((sample.video, sample.meta.get("frame"), self.level, self.objects, self.fps, world))


def _named(part: Any) -> str:
    """A part of a world as a text that is the same in every process."""
    if isinstance(part, partial):
        return repr((_named(part.func), part.args, sorted(part.keywords.items())))
    return f"{part.__module__}.{part.__qualname__}" if hasattr(part, "__qualname__") else repr(part)


class ToySamples(Sequence[Sample]):
    """The samples of a source, made when asked for."""

    def __init__(self, source: ToySource) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source.numbers)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        if isinstance(index, slice):
            return ToySamples(replace(self.source, numbers=self.source.numbers[index]))
        return self.source.sample(self.source.numbers[index])


def some_stay(rng: np.random.Generator) -> tuple[int, int]:
    """When an object comes and leaves, in steps."""
    while True:
        start, end = sorted(rng.integers(0, int(SECONDS / STEP) + 1, size=2))
        if end - start > rng.integers(0, 2):  # half of those that would stay for one step only are drawn anew
            return start, end


def make_world(
    rng: np.random.Generator,
    level: int,
    objects: int,
    stay: Callable[[np.random.Generator], tuple[int, int]] = some_stay,
) -> list[ToyObject]:
    """The objects of a clip, in drawing order: later ones hide earlier ones."""
    colours = rng.permutation(list(COLOURS))[:objects]
    picked = [(str(colour), str(rng.choice(SHAPES))) for colour in colours]
    if level > 1:
        picked[1] = picked[0]  # twins, to be told apart by motion or order
    motions = rng.permutation(list(MOTIONS))
    ids = rng.permutation(ID_COUNT)[:objects] + 1
    lanes = rng.permutation(4)  # quarters of the frame, so that objects start apart
    return [make_object(rng, int(ids[k]), *picked[k], str(motions[k]), int(lanes[k]), stay) for k in range(objects)]


def make_object(
    rng: np.random.Generator,
    object_id: int,
    colour: str,
    shape: str,
    motion: str,
    lane: int,
    stay: Callable[[np.random.Generator], tuple[int, int]] = some_stay,
) -> ToyObject:
    """One object that starts in its quarter of the frame and moves by up to half of the frame."""
    radius = int(rng.integers(10, 14))
    start, end = stay(rng)
    middle = SIZE * (np.array([lane % 2, lane // 2]) * 2 + 1) / 4 + rng.uniform(-6, 6, size=2)
    direction = np.array(MOTIONS[motion], float)
    times = np.arange(int(SECONDS * FPS)) / FPS
    progress = np.clip((times - start * STEP) / ((end - start) * STEP), 0, 1)
    travel = rng.uniform(0.45, 0.6) * SIZE
    origin = np.where(direction == 0, middle, SIZE / 2 - direction * travel / 2)
    path = np.clip(origin + np.outer(progress, direction * travel), radius, SIZE - 1 - radius)
    return ToyObject(object_id, colour, shape, motion, radius, path, Interval(start * STEP, end * STEP))


def ask_where(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
    """When, which and where each object of a clip is: all that the world knows."""
    others = [_where(one, world, rng) for one in world if one is not target]
    return [_where(target, world, rng), *others]


def _where(thing: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> Question:
    return Question(make_query(thing, world, rng), Answer(thing.interval, thing.id, true_tube(thing)), thing)


def make_query(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> str:
    """A sentence that fits the target alone: by its look, or apart from its twin by motion or order of events."""
    twins = [o for o in world if o.name == target.name and o is not target]
    if not twins:
        return f"the {target.name}"
    ways = [target.motion]
    for verb, mine, other in (
        ("comes", target.interval.start, twins[0].interval.start),
        ("leaves", target.interval.end, twins[0].interval.end),
    ):
        if mine != other:
            ways.append(f"{verb} {'first' if mine < other else 'last'}")
    return f"the {target.name} that {rng.choice(ways)}"


def paint(world: Sequence[ToyObject], labels: np.ndarray, every: int, rng: np.random.Generator) -> np.ndarray:
    """Colour the id maps of a whole clip, shape (T, SIZE, SIZE), of which each `every`th frame is wanted.

    The ground is dark and noisy and goes from blue to red.

    Returns:
        RGB, uint8, shape (ceil(T / every), SIZE, SIZE, 3).
    """
    noise = rng.integers(15, 30, size=3) + rng.normal(0, 6, size=(SIZE, SIZE, 1))
    late = np.linspace(0, 1, len(labels))[::every, None]
    hues = 60 * np.concatenate([late, 0 * late, 1 - late], axis=1)
    # Whole numbers: half of the time that reading a toy clip takes was spent here.
    frames = (noise.astype(np.int16) + hues.astype(np.int16)[:, None, None]).clip(0, 255).astype(np.uint8)
    for thing in world:
        frames[labels[::every] == thing.id] = COLOURS[thing.colour]
    return frames


def label_masklets(world: Sequence[ToyObject], labels: np.ndarray) -> Masklets:
    """Masklets of id maps, shape (T, H, W)."""
    tracks = {
        thing.id: tuple(rle.encode(seen) if (seen := label == thing.id).any() else None for label in labels)
        for thing in world
    }
    return Masklets((labels.shape[1], labels.shape[2]), FPS, np.arange(len(labels)) / FPS, tracks)


def true_tube(thing: ToyObject) -> Tube:
    """The object's whole extent on the frames of its interval; pixel-exact where nothing hides it."""
    frames = range(round(thing.interval.start * FPS), round(thing.interval.end * FPS))
    centre = np.round(thing.path[frames.start : frames.stop])
    return Tube(frames.start, np.concatenate([centre - thing.radius, centre + thing.radius + 1], axis=1))


WORLD = Toy(ask_where, make_world, paint)
