"""Pictures of rooms, ray-cast: depth, ids and shading of boxes, cylinders and spheres between walls.

Metres, z up, the floor at z = 0. Cameras have OpenCV axes (x right, y down, z forward), poses are camera-to-world, and
pixel centres are at integers. Rays have length 1 along the camera's z, so that the length of a ray is its depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

WALLS = np.array([3.2, 3.2, 1.3])  # half of the room, metres
FOCAL = 1 / (2 * np.tan(np.radians(30)))  # of a picture as wide as 1: it shows 60 degrees
ASPECT = 480 / 640  # height of a picture over its width where pixels are square
LIGHT = np.array([0.3, 0.2, 0.93])  # where light comes from, about of length 1
DARK, GRAIN = 0.72, 0.06  # light on a face that is turned away; how much the texture changes it
TILE = 0.4  # metres of the floor's tiles
EMPTY = np.zeros(0, np.intp)


@dataclass(frozen=True)
class Solid:
    """Something that stands upright in a room.

    Args:
        shape: `box`, `cylinder` or `sphere`.
        colour: Its name.
        centre: Metres.
        half: Half of its extent in its own x, y and z, metres; a sphere's are equal, a cylinder's x and y are.
        turn: By how much a box is turned about z, radians.
    """

    shape: str
    colour: str
    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    turn: float = 0.0

    @property
    def reach(self) -> float:
        """Radius of a ball around the centre that holds it."""
        return self.half[0] if self.shape == "sphere" else float(np.linalg.norm(self.half))


@dataclass(frozen=True, eq=False)
class View:
    """What a camera sees.

    Args:
        depth: float32 (H, W), metres.
        labels: Ids, uint8 (H, W), 0 for the room.
        light: How bright each pixel is, about 1, float32 (H, W).
    """

    depth: np.ndarray
    labels: np.ndarray
    light: np.ndarray


def lens(size: tuple[int, int]) -> np.ndarray:
    """The camera matrix of pictures of (height, width): 60 degrees across, and 4:3, however they are squeezed."""
    height, width = size
    across, down = FOCAL * width, FOCAL * height / ASPECT
    return np.array([[across, 0, width / 2 - 0.5], [0, down, height / 2 - 0.5], [0, 0, 1]])


def looking(eye: np.ndarray, angle: float, pitch: float) -> np.ndarray:
    """The pose of an upright camera that looks along an angle in the plane, and down by `pitch`, radians; (4, 4)."""
    forward = np.array([np.cos(angle) * np.cos(pitch), np.sin(angle) * np.cos(pitch), -np.sin(pitch)])
    right = np.array([np.sin(angle), -np.cos(angle), 0.0])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.column_stack([right, np.cross(forward, right), forward]), eye
    return pose


def render(solids: Mapping[int, Solid], pose: np.ndarray, k: np.ndarray, size: tuple[int, int]) -> View:
    """What a camera in the room sees of it.

    Args:
        solids: By id, 1 to 255.
        pose: Camera-to-world, (4, 4).
        k: Camera matrix, (3, 3).
        size: (height, width) of the pictures.
    """
    rows, columns = (axis.ravel() for axis in np.indices(size))
    x, y = (columns - k[0, 2]) / k[0, 0], (rows - k[1, 2]) / k[1, 1]
    rays = (pose[:3, :3] @ np.stack([x, y, np.ones(len(x))])).astype(np.float32)
    eye = pose[:3, 3].astype(np.float32)
    middle = np.array([0, 0, WALLS[2]], np.float32)
    depth, light = _walls(rays, eye - middle)
    labels = np.zeros(len(x), np.uint8)
    for number, solid in solids.items():
        near = _near(solid, pose, k, size)
        at, turned = _turned(rays[:, near], eye, solid)
        entry, normal = SHAPES[solid.shape](turned, at, np.array(solid.half, np.float32))
        closer = np.isfinite(entry) & (entry < depth[near])
        hit = near[closer]
        depth[hit], labels[hit] = entry[closer], number
        light[hit] = _shade(solid, at[:, None] + turned[:, closer] * entry[closer], normal[:, closer])
    return View(depth.reshape(size), labels.reshape(size), light.reshape(size))


def _near(solid: Solid, pose: np.ndarray, k: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Places of the pixels that may show it: those of a rectangle around its ball; none where that is behind."""
    x, y, z = pose[:3, :3].T @ (np.array(solid.centre) - pose[:3, 3])
    if z < -solid.reach:
        return EMPTY
    close = max(z - solid.reach, 0.05)  # the ball's nearest plane: the rectangle there holds all of it
    sides = []
    for place, row, length in ((x, 0, size[1]), (y, 1, size[0])):
        edges = [(place + sign * solid.reach) / depth for sign in (-1, 1) for depth in (close, z + solid.reach)]
        ends = k[row, row] * np.array([min(edges), max(edges)]) + k[row, 2]
        sides.append(np.arange(*np.clip([ends[0], ends[1] + 2], 0, length).astype(int)))
    return (sides[1][:, None] * size[1] + sides[0]).ravel()


def _turned(rays: np.ndarray, eye: np.ndarray, solid: Solid) -> tuple[np.ndarray, np.ndarray]:
    """Eye and rays as the solid has them: from its centre, along its own axes."""
    c, s = np.cos(solid.turn), np.sin(solid.turn)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32)
    return turn @ (eye - np.array(solid.centre, np.float32)), turn @ rays


def _walls(rays: np.ndarray, eye: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth of floor, ceiling and walls, and their light: tiles on the floor, a pattern on the walls."""
    with np.errstate(divide="ignore", invalid="ignore"):
        exits = (np.sign(rays) * WALLS[:, None].astype(np.float32) - eye[:, None]) / rays
    exits = np.where(np.abs(rays) < 1e-9, np.inf, exits)
    axis = exits.argmin(axis=0)
    depth = exits[axis, np.arange(rays.shape[1])]
    hit = eye[:, None] + rays * depth
    tiles = np.floor(hit / TILE).astype(int)
    tiles[axis, np.arange(rays.shape[1])] = 0
    return depth.astype(np.float32), (1 + (tiles.sum(axis=0) % 2 - 0.5)).astype(np.float32)


def _box(rays: np.ndarray, eye: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter a box around the origin, infinite where they miss it, and the normals there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.stack([(sign * half - eye)[:, None] / rays for sign in (-1, 1)])
    nearer, farther = sides.min(axis=0), sides.max(axis=0)
    axis = nearer.argmax(axis=0)
    every = np.arange(rays.shape[1])
    entry, leave = nearer[axis, every], farther.min(axis=0)
    normal = np.zeros_like(rays)
    normal[axis, every] = -np.sign(rays[axis, every])
    return np.where((entry < leave) & (entry > 0), entry, np.inf), normal


def _sphere(rays: np.ndarray, eye: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `_box`, of a ball."""
    entry = _first_root((rays**2).sum(axis=0), rays.T @ eye, float(eye @ eye) - half[0] ** 2)
    return entry, (eye[:, None] + rays * np.where(np.isfinite(entry), entry, 0)) / half[0]


def _cylinder(rays: np.ndarray, eye: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `_box`, of a cylinder that stands."""
    flat, at = rays[:2], eye[:2]
    side = _first_root((flat**2).sum(axis=0), flat.T @ at, float(at @ at) - half[0] ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        side = np.where(np.abs(eye[2] + side * rays[2]) <= half[2], side, np.inf)
        top = (half[2] - eye[2]) / rays[2]
        on_top = (top > 0) & (((at[:, None] + top * flat) ** 2).sum(axis=0) <= half[0] ** 2)
    entry = np.minimum(side, np.where(on_top, top, np.inf))
    normal = np.zeros_like(rays)
    normal[:2] = (at[:, None] + flat * np.where(np.isfinite(side), side, 0)) / half[0]
    above = on_top & (top <= side)
    normal[:, above] = np.array([[0], [0], [1]], np.float32)
    return entry, normal


def _first_root(a: np.ndarray, b: np.ndarray, c: float) -> np.ndarray:
    """The smaller root of `a t^2 + 2 b t + c`, infinite where there is none that is positive."""
    inside = b**2 - a * c
    root = (-b - np.sqrt(np.maximum(inside, 0))) / a
    return np.where((inside > 0) & (root > 0), root, np.inf)


def _shade(solid: Solid, place: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Light on points of a solid's surface, (3, N) along its own axes: rough shading and a pattern of stripes."""
    c, s = np.cos(solid.turn), np.sin(solid.turn)
    lit = LIGHT @ np.stack([c * normal[0] - s * normal[1], s * normal[0] + c * normal[1], normal[2]])
    stripes = np.sign(np.sin(40 * place.sum(axis=0)))
    return (DARK + (1 - DARK) * np.maximum(lit, 0)) * (1 + GRAIN * stripes)


SHAPES = {"box": _box, "cylinder": _cylinder, "sphere": _sphere}
