"""Rooms as RGB-D scenes: views that are rendered when they are read, a scan of what they show, and the truth.

The scan is a cloud such as a sensor gives: points of the surfaces that the camera sees, one a voxel of 2 cm, each with
its true owner. It stands turned and moved, and the scene's axis alignment brings it back to the room's walls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import cv2
import numpy as np

from grounding.core import Sample
from grounding.core.seeds import generator
from grounding.datasets.room_views import View as Shot
from grounding.datasets.room_views import lens
from grounding.datasets.rooms import NOISE, SIZE, Room, RoomThing, filmed, things_of
from grounding.datasets.toy import SECONDS
from lift3d.cloud import VoxelCloud, back_project
from lift3d.clusters import cells
from lift3d.scene import Scene, View

SENSOR = (480, 640)  # height and width of the pictures, those of most sensors
SCANNED = (240, 320)  # of the pictures that the scan is made of: enough for its voxels
VOXEL = 0.02  # metres
SEGMENT = 0.3  # metres: a segment of the scan is what one owner has in a cell of this side
FARTHEST = 5.0  # metres by which a scan is moved at most, along each axis of the floor
KEPT = 32  # rendered views that are held, 3 MB each


@dataclass(frozen=True, eq=False)
class Film:
    """What the camera films of a room.

    Args:
        room: The room.
        fps: Views a second.
        size: (height, width) of its pictures.
        noise: Of the ground, (56, 84), as the tiny policy's pictures have it.
    """

    room: Room
    fps: float
    size: tuple[int, int]
    noise: np.ndarray

    def __len__(self) -> int:
        return round(SECONDS * self.fps)

    def shot(self, view: int) -> Shot:
        """Depth, ids and light of a view."""
        return _rendered(self, view)

    def picture(self, view: int) -> np.ndarray:
        """The colours of a view, uint8 (H, W, 3)."""
        shot = self.shot(view)
        # Noise as coarse as in small pictures is still there when a large one is shrunk.
        noise = cv2.resize(self.noise, self.size[::-1], interpolation=cv2.INTER_NEAREST)
        return self.room.picture(shot.labels, shot.light, view / self.fps, noise)

    def layers(self, view: int) -> list[np.ndarray]:
        """The true id map of a view, uint16 (H, W), as a `lift3d.labels.MaskSource`."""
        return [self.shot(view).labels.astype(np.uint16)]


@lru_cache(maxsize=KEPT)
def _rendered(film: Film, view: int) -> Shot:
    return film.room.view(view / film.fps, film.size)


@dataclass(frozen=True, eq=False)
class RoomScene:
    """A room as a scene, and all that is true of it.

    Args:
        sample: The toy sample of the room; `meta["questions"]` are what is asked.
        scene: Views, scan, and axis alignment.
        film: What the views are made of; the true masks.
        owners: Id of the thing that each point of the scan lies on, 0 = the room, (N,).
    """

    sample: Sample
    scene: Scene
    film: Film
    owners: np.ndarray

    @property
    def things(self) -> list[RoomThing]:
        """What stands in the room."""
        return things_of(self.sample.meta["objects"])

    @cached_property
    def boxes(self) -> Mapping[int, np.ndarray]:
        """Of each thing, the least and greatest coordinates of its points, `x1 y1 z1 x2 y2 z2`, metres, aligned."""
        assert self.scene.points is not None and self.scene.axis_alignment is not None
        points = moved(self.scene.points, self.scene.axis_alignment)
        own = {thing.id: points[self.owners == thing.id] for thing in self.things}
        return {number: np.concatenate([some.min(axis=0), some.max(axis=0)]) for number, some in own.items()}


def room_scene(sample: Sample, fps: float, size: tuple[int, int] = SENSOR) -> RoomScene:
    """The scene of a toy sample that is a room; its pictures, shrunk, are those that the tiny policy is trained on.

    Args:
        sample: Of a `ToySource` of rooms.
        fps: Views a second.
        size: (height, width) of colour and depth.
    """
    number = sample.video.removeprefix("toy:")
    noise = generator(int(number), "ground").normal(0, NOISE, size=SIZE)
    film = Film(filmed(sample.meta["objects"]).room, fps, size, noise)
    alignment = _alignment(generator(number, "alignment"))
    points, colours, owners = _scan(replace(film, size=SCANNED))
    back = np.linalg.inv(alignment)
    scene = Scene(
        views=[_view(film, view, back) for view in range(len(film))],
        points=moved(points, back),
        colours=colours,
        axis_alignment=alignment,
        layout="room",
        superpoints=_segments(points, owners),
    )
    return RoomScene(sample, scene, film, owners)


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(N, 3) points under a rotation with a translation, (4, 4)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _view(film: Film, view: int, back: np.ndarray) -> View:
    time = view / film.fps
    return View(
        name=str(view),
        time=time,
        pose=back @ film.room.pose(time),
        intrinsics=lens(film.size),
        read_depth=lambda: film.shot(view).depth,
        read_colour=partial(film.picture, view),
    )


def _alignment(rng: np.random.Generator) -> np.ndarray:
    """A turn about z and a shift along the floor."""
    angle = rng.uniform(-np.pi, np.pi)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:2, 3] = rng.uniform(-FARTHEST, FARTHEST, size=2)
    return matrix


def _scan(film: Film) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of all that the film shows, with the colour and the owner of each."""
    clouds: dict[int, VoxelCloud] = {}
    for points, colours, owners in _surfaces(film):
        for number in np.unique(owners).tolist():
            own = owners == number
            clouds.setdefault(number, VoxelCloud(VOXEL)).add(points[own], colours[own])
    parts = {number: cloud.result() for number, cloud in sorted(clouds.items())}
    points, colours = (np.concatenate([part[column] for part in parts.values()]) for column in range(2))
    return points, colours, np.repeat(list(parts), [len(part.points) for part in parts.values()])


def _surfaces(film: Film) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each view, the place, colour and owner of every pixel."""
    for view in range(len(film)):
        shot = film.shot(view)
        points, pixels = back_project(_view(film, view, np.eye(4)), shot.depth)
        yield points, film.picture(view).reshape(-1, 3)[pixels], shot.labels.ravel()[pixels]


def _segments(points: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """The segment of each point, none of which has two owners, (N,)."""
    pairs = np.stack([owners, cells(points, SEGMENT)[0]], axis=1)
    return np.unique(pairs, axis=0, return_inverse=True)[1].ravel()
