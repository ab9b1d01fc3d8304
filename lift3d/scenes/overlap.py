"""Frames of a scene, decoded once, and how well pairs of them agree: whether they see the same surface.

Depth pixels of one frame are put into the world and into another frame that saw the place from elsewhere. Where that
frame has depth too, the point must be on the surface it sees (agrees) or behind it (hidden, tells nothing); a point in
front of it contradicts. Agreement = agreeing / (agreeing + contradicting).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from grounding.core import UserError
from lift3d.frames import no_depth, usable
from lift3d.scene import View
from lift3d.scenes.images import NoImage

TOLERANCE = 0.03  # of the distance: sensors and poses err by a few centimetres at a few metres
ANCHORS, POINTS = 6, 1000
FEWEST = 0.02  # share of the points that must meet known depth, to say anything
TURN, SHIFT = np.deg2rad(3), 0.05  # a camera that moved less (radians, metres) agrees with itself in any convention
FAR_TURN, FAR_SHIFT = np.deg2rad(25), 0.15  # of cameras far apart: radians at most, and of the depth at most
LARGEST = 1 << 20  # pixels of a depth image that is looked at as it is; of a larger one every second, third, ...
FEW = 36  # frames of a scene that are all looked into

Pair = tuple[int, int]
Poses = Callable[[np.ndarray], np.ndarray]  # from a view's pose to what it is in another convention


@dataclass(frozen=True, eq=False)
class Seen:
    """A decoded frame.

    Attributes:
        pose: Of its view.
        intrinsics: (3, 3), for `depth`.
        depth: Metres, (H, W), 0 = invalid; of a large image not every pixel.
        points: Some of its pixels as points of its own camera, (N, 3).
    """

    pose: np.ndarray
    intrinsics: np.ndarray
    depth: np.ndarray
    points: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, view: View, depth: np.ndarray) -> Seen:
        """A frame from its view and its depth image."""
        step = math.ceil(math.sqrt(max(depth.size / LARGEST, 1)))
        depth, intrinsics = depth[::step, ::step].copy(), view.intrinsics / np.array([[step], [step], [1]])
        rows, columns = np.nonzero(depth)
        some = max(1, len(rows) // POINTS)
        rows, columns = rows[some // 2 :: some], columns[some // 2 :: some]
        rays = np.linalg.inv(intrinsics) @ np.stack([columns, rows, np.ones(len(rows))])
        return cls(view.pose, intrinsics, depth, (rays * depth[rows, columns].astype(np.float64)).T)


class Sampled:
    """Some frames of a scene, each decoded when it is first asked for.

    Args:
        views: All views of the scene; of a few all are decoded at once, with their pictures, else six pictures.

    Attributes:
        seen: The decoded frames by their place in the scene.
        unusable: Name of each frame that was tried and cannot be lifted -> why.
        colourless: Name of each frame whose picture was tried and is there, but cannot be read -> why.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self._views = views
        self.seen: dict[int, Seen] = {}
        self.unusable: dict[str, str] = {}
        self.colourless: dict[str, str] = {}
        self._tried: set[int] = set()
        few = len(views) <= FEW
        for index in range(len(views)) if few else ():
            self._has(index)
        for index in range(len(views)) if few else self._anchors():
            try:
                views[index].read_colour()
            except NoImage:
                pass  # the scene says it
            except UserError as error:
                self.colourless[views[index].name] = str(error)

    def near(self) -> list[Pair]:
        """Pairs a little, more and much later than anchors that are spread over the scene (or earlier, at the end)."""
        count = len(self._views)
        gaps = {1, 2, max(1, count // 50), max(1, count // 15), max(1, count // 6)}
        pairs = {(a, a + gap if a + gap < count else a - gap) for a in self._anchors() for gap in gaps}
        poses = [view.pose for view in self._views]
        pairs = {(a, b) for a, b in pairs if 0 <= b < count and _moved(poses[a], poses[b])}
        return [(a, b) for a, b in sorted(pairs) if self._has(a) and self._has(b)]

    def far(self, convert: Poses) -> list[Pair]:
        """For each anchor the frame farthest away that looks the same way, a small part of its depth away at most.

        These pairs tell best whether poses and depth have one unit: a camera that only turns agrees in any.
        """
        poses = np.stack([convert(view.pose) for view in self._views])
        pairs = []
        for a in self._anchors():
            if not self._has(a) or not len(self.seen[a].points):
                continue
            away = np.linalg.norm(poses[:, :3, 3] - poses[a, :3, 3], axis=1)
            turn = _angle(np.einsum("nij,ij->n", poses[:, :3, :3], poses[a, :3, :3]))
            limit = FAR_SHIFT * np.median(self.seen[a].points[:, 2])
            fits = (turn < FAR_TURN) & (away > 0) & (away <= limit)
            if fits.any():
                pairs.append((a, int(np.where(fits, away, -1).argmax())))
        return [(a, b) for a, b in pairs if self._has(b)]

    def agreement(self, pairs: Sequence[Pair], convert: Poses, scale: float = 1.0) -> float | None:
        """Share of agreeing points if the poses were as `convert` says and all depth were `scale` times as large.

        Returns:
            In [0, 1], or None where too few points meet known depth.
        """
        counts, total = np.zeros(3), 0
        for a, b in pairs:
            total += len(self.seen[a].points)
            to_b = np.linalg.inv(convert(self.seen[b].pose)) @ convert(self.seen[a].pose)
            points = scale * self.seen[a].points @ to_b[:3, :3].T + to_b[:3, 3]
            counts += hits(points, self.seen[b], scale)
        met = counts[:2].sum()
        return float(counts[0] / met) if met > FEWEST * total else None

    def median_depth(self) -> float | None:
        """Of all decoded frames together, metres."""
        depths = [frame.points[:, 2] for frame in self.seen.values()]
        return float(np.median(np.concatenate(depths))) if any(map(len, depths)) else None

    def _anchors(self) -> list[int]:
        return sorted({round(float(at)) for at in np.linspace(0, len(self._views) - 1, ANCHORS)})

    def _has(self, index: int) -> bool:
        """Whether a frame can be decoded; it is then in `seen`."""
        if index not in self._tried:
            self._tried.add(index)
            view = self._views[index]
            try:
                depth = view.read_depth()
            except UserError as error:
                self.unusable[view.name] = str(error)
                return False
            if not usable(depth).any():
                self.unusable[view.name] = no_depth(depth)
            self.seen[index] = Seen.of(view, depth)
        return index in self.seen

    @property
    def depth_units(self) -> float:
        """How many units a metre the depth was read with."""
        return self._views[0].depth_units

    @property
    def tried(self) -> int:
        """How many frames were decoded, or could not be."""
        return len(self._tried)


def hits(points: np.ndarray, frame: Seen, depth_scale: float = 1.0) -> np.ndarray:
    """How many points, (N, 3) in the frame's camera, agree with its depth, contradict it, and are hidden by it."""
    points = points[points[:, 2] > 1e-6]
    pixels = points @ frame.intrinsics.T
    column, row = np.rint(pixels[:, :2] / pixels[:, 2:]).T
    height, width = frame.depth.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    depth = depth_scale * frame.depth[row[inside].astype(np.int64), column[inside].astype(np.int64)]
    z = points[inside, 2]
    known = depth > 0
    in_front = (depth[known] - z[known]) / z[known]
    agree, contradict = np.count_nonzero(np.abs(in_front) <= TOLERANCE), np.count_nonzero(in_front > TOLERANCE)
    return np.array([agree, contradict, len(in_front) - agree - contradict])


def _moved(one: np.ndarray, other: np.ndarray) -> bool:
    turn = _angle(np.trace(one[:3, :3].T @ other[:3, :3]))
    return bool(turn > TURN or np.linalg.norm(one[:3, 3] - other[:3, 3]) > SHIFT)


def _angle(trace: np.ndarray) -> np.ndarray:
    """The angle of rotations by the traces of their matrices, radians."""
    return np.arccos(np.clip((trace - 1) / 2, -1, 1))
