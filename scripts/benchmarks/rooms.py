"""Rooms of many boxes and spheres that a camera goes around, and surface points whose true owners are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grounding.datasets.room_views import WALLS, Solid, lens, looking, render
from lift3d.scene import Scene, View


@dataclass(frozen=True)
class Thing(Solid):
    """A box or ball that stands in the room, along its walls."""

    @property
    def aabb(self) -> np.ndarray:
        """`x1 y1 z1 x2 y2 z2`, metres."""
        centre, half = np.array(self.centre), np.array(self.half)
        return np.concatenate([centre - half, centre + half])


@dataclass(frozen=True, eq=False)
class Room:
    """A room and what a camera of it sees; thing i has id i + 1.

    Args:
        things: In the room; none touches another.
        scene: Views, and points with their true owners, 0 = the room.
        owners: True id of each point, (N,).
        labels: True label map of each view, uint16 (H, W).
    """

    things: tuple[Thing, ...]
    scene: Scene
    owners: np.ndarray
    labels: tuple[np.ndarray, ...]


def things(count: int, seed: int = 0) -> tuple[Thing, ...]:
    """Boxes, and every third a ball, on cells of a grid on the floor, so that none touches another."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(count)))
    cell = 4.0 / side
    made = []
    for place in rng.permutation(side * side)[:count]:
        x, y = (np.array(divmod(int(place), side)) + 0.5) * cell - 2.0
        half = rng.uniform(0.25, 0.4, 3) * cell
        shape = "sphere" if len(made) % 3 == 2 else "box"
        half = np.full(3, half.min()) if shape == "sphere" else half
        made.append(Thing(shape, "grey", (float(x), float(y), float(half[2])), tuple(half.tolist())))
    return tuple(made)


def orbit(count: int, radius: float = 2.8) -> list[np.ndarray]:
    """Camera-to-world poses around the room that look at its middle, at heights from 1.0 to 2.2 m."""
    poses = []
    for turn in range(count):
        angle = 2 * np.pi * turn / count
        eye = np.array([radius * np.cos(angle), radius * np.sin(angle), 1.6 + 0.6 * np.sin(2.4 * turn)])
        poses.append(looking(eye, angle + np.pi, np.arctan2(eye[2] - 0.3, radius)))  # at (0, 0, 0.3)
    return poses


def surface(made: tuple[Thing, ...], spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Points on the floor, the walls and every thing but its underside, and their owners."""
    floor = _faces(np.array([0, 0, WALLS[2]]), WALLS, spacing, "floor and walls")
    parts = [floor, *(_skin(thing, spacing) for thing in made)]
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    points = np.concatenate(parts)
    covered = np.zeros(len(points), bool)  # floor below things
    for thing in made:
        covered |= (owners == 0) & (np.abs(points - thing.centre) <= np.array(thing.half) + 1e-6).all(axis=1)
    return points[~covered], owners[~covered]


def _skin(thing: Thing, spacing: float) -> np.ndarray:
    centre, half = np.array(thing.centre), np.array(thing.half)
    if thing.shape == "box":
        return _faces(centre, half, spacing, "top and sides")
    count = int(4 * np.pi * half[0] ** 2 / spacing**2)
    height = 1 - 2 * (np.arange(count) + 0.5) / count  # Fibonacci's even points on a ball
    angle = np.pi * (1 + 5**0.5) * np.arange(count)
    ring = np.sqrt(1 - height**2)
    return centre + half[0] * np.column_stack([ring * np.cos(angle), ring * np.sin(angle), height])


def _faces(centre: np.ndarray, half: np.ndarray, spacing: float, which: str) -> np.ndarray:
    """Even points on four sides of a box and on its top or floor."""
    level = 1 if which == "top and sides" else -1
    found = []
    for axis, signs in ((0, (-1, 1)), (1, (-1, 1)), (2, (level,))):
        others = [a for a in range(3) if a != axis]
        lines = [np.linspace(-half[a], half[a], max(int(2 * half[a] / spacing) + 1, 2)) for a in others]
        grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 2)
        for sign in signs:
            face = np.zeros((len(grid), 3))
            face[:, others], face[:, axis] = grid, sign * half[axis]
            found.append(face + centre)
    return np.concatenate(found)


@dataclass(frozen=True)
class Noise:
    """What a real capture adds.

    Args:
        depth: Standard deviation of the depth's error, as a share of the depth.
        pose: Standard deviation of the camera's place, metres.
        holes: Share of pixels without depth.
    """

    depth: float = 0.0
    pose: float = 0.0
    holes: float = 0.0


def room(
    count: int, views: int, size: tuple[int, int] = (240, 320), spacing: float = 0.02, noise: Noise | None = None
) -> Room:
    """A room with `count` things and `views` views of it; noise comes from a fixed seed."""
    made, k, rng = things(count), lens(size), np.random.default_rng(1)
    points, owners = surface(made, spacing)
    shown, labels = [], []
    for number, pose in enumerate(orbit(views)):
        seen = render(dict(enumerate(made, start=1)), pose, k, size)
        shown.append(_view(number, _noisy_pose(pose, noise, rng), k, _noisy(seen.depth, noise, rng)))
        labels.append(seen.labels.astype(np.uint16))
    colours = np.full((len(points), 3), 160, np.uint8)
    return Room(made, Scene(shown, points, None, colours, layout="generated"), owners, tuple(labels))


def _noisy(depth: np.ndarray, noise: Noise | None, rng: np.random.Generator) -> np.ndarray:
    if noise is None:
        return depth
    depth = depth * (1 + noise.depth * rng.standard_normal(depth.shape, np.float32))
    return np.where(rng.random(depth.shape) < noise.holes, 0, depth).astype(np.float32)


def _noisy_pose(pose: np.ndarray, noise: Noise | None, rng: np.random.Generator) -> np.ndarray:
    moved = pose.copy()
    if noise is not None:
        moved[:3, 3] += noise.pose * rng.standard_normal(3)
    return moved


def _view(number: int, pose: np.ndarray, k: np.ndarray, depth: np.ndarray) -> View:
    grey = np.full((*depth.shape, 3), 128, np.uint8)
    return View(f"{number:06}", number / 30, pose, k, lambda: depth, lambda: grey)


def longer(made: Room, times: int) -> tuple[Scene, tuple[np.ndarray, ...]]:
    """The same views several times over, as a scene of so many frames, and their label maps."""
    views = [replace(view, name=f"{turn:03}-{view.name}") for turn in range(times) for view in made.scene.views]
    return replace(made.scene, views=views), made.labels * times
