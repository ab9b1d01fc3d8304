"""A cloud of the depth images, for scenes without a mesh: one point a voxel, the mean of what falls into it.

Voxels are as wide as a pixel sees unless a side is given: what is finer no mask can tell apart, and what is coarser
joins what masks do tell apart. Where that would be too many points, larger voxels take their place.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from grounding.core import UserError
from lift3d.colours import Colours
from lift3d.frames import Frame, Frames, usable
from lift3d.scene import Scene, View

PENDING = 1 << 20  # rows that are held until they are merged
SPAN = 1 << 20  # voxels to either side of the first point: 1 km at 1 mm
MOST_POINTS = 1_000_000  # of a cloud whose voxels nobody chose: no heavier than a large mesh
SAMPLED = 16  # views that say how wide a pixel sees
AROUND = 5  # pixels of the side of the square in which a pixel's neighbours lie; some sensors fill every second one


def back_project(view: View, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World coordinates of the pixels with a depth.

    Returns:
        Points, float64 (M, 3), metres, and the flat indices of their pixels, (M,).
    """
    pixels = np.flatnonzero(depth)
    rows, columns = np.divmod(pixels, depth.shape[1])
    z = depth.ravel()[pixels].astype(np.float64)
    rays = np.linalg.inv(view.intrinsics) @ np.stack([columns, rows, np.ones_like(z)])
    return (rays * z).T @ view.pose[:3, :3].T + view.pose[:3, 3], pixels


def solid(depth: np.ndarray, edge: float) -> np.ndarray:
    """Which pixels lie on a surface, bool (H, W): at least half of the neighbours with a depth share theirs.

    Where one surface ends before another, a sensor mixes their depths into points that float between them.

    Args:
        depth: float32 (H, W), metres, 0 = invalid.
        edge: Depths that differ by no more than this share of themselves are shared.
    """
    window = np.ones((AROUND, AROUND), np.uint8)
    farthest = cv2.dilate(depth, window)
    nearest = cv2.erode(np.where(depth > 0, depth, np.float32(np.inf)), window)
    limit = np.float32(edge) * depth
    found = depth > 0
    rows, columns = np.nonzero(found & ((farthest - depth > limit) | (depth - nearest > limit)))
    around = np.lib.stride_tricks.sliding_window_view(np.pad(depth, AROUND // 2), window.shape)[rows, columns]
    known = around > 0  # the pixel itself is among them, hence "more than half"
    own, allowed = depth[rows, columns, None, None], limit[rows, columns, None, None]
    shared = known & (np.abs(around - own) <= allowed)
    found[rows, columns] = 2 * shared.sum(axis=(1, 2)) > known.sum(axis=(1, 2))
    return found


class Cloud(NamedTuple):
    """Points of voxels.

    Attributes:
        points: float64 (N, 3), metres.
        colours: uint8 (N, 3).
        pixels: How many pixels each point is the mean of, float64 (N,).
        problems: What is doubtful about them, a line each.
    """

    points: np.ndarray
    colours: np.ndarray
    pixels: np.ndarray
    problems: tuple[str, ...] = ()

    def at(self, points: np.ndarray) -> Cloud:
        """Some of the points, bool (N,)."""
        return self._replace(points=self.points[points], colours=self.colours[points], pixels=self.pixels[points])


class VoxelCloud:
    """A voxel hash: sums of the coordinates and colours of each voxel, merged in blocks.

    Args:
        voxel: Side of a voxel, metres.
        most: Where there are more voxels than this, they are made larger.
    """

    def __init__(self, voxel: float, most: float = math.inf) -> None:
        self.voxel = voxel
        self._most = most
        self._origin: np.ndarray | None = None  # a corner of the voxels
        self._keys = np.zeros(0, np.int64)
        self._sums = np.zeros((0, 7))
        self._pending: list[tuple[np.ndarray, np.ndarray]] = []
        self._held = 0

    def add(self, points: np.ndarray, colours: np.ndarray) -> None:
        """Put points, (M, 3) metres, with colours, (M, 3), into their voxels.

        Raises:
            UserError: If they lie too far apart for the voxel's size.
        """
        if not len(points):
            return
        if self._origin is None:
            self._origin = np.floor(points[0] / self.voxel) * self.voxel
        keys, sums = _merge(self._numbers(points), np.column_stack([points, colours, np.ones(len(points))]))
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        known = self._keys[place] == keys if len(self._keys) else np.zeros(len(keys), bool)
        self._sums[place[known]] += sums[known]
        self._pending.append((keys[~known], sums[~known]))
        self._held += len(self._pending[-1][0])
        if self._held > PENDING:
            self._merge_all()

    def result(self) -> Cloud:
        """Mean points and colours, in the order of their voxels."""
        self._merge_all()
        means = self._sums[:, :6] / self._sums[:, 6:]
        return Cloud(means[:, :3], np.rint(means[:, 3:]).astype(np.uint8), self._sums[:, 6].copy())

    def _merge_all(self) -> None:
        keys, sums = zip((self._keys, self._sums), *self._pending, strict=True)
        self._keys, self._sums = _merge(np.concatenate(keys), np.concatenate(sums))
        self._pending, self._held = [], 0
        while len(self._keys) > self._most:  # as many points as a surface has in voxels of the new side
            self.voxel *= max(math.sqrt(len(self._keys) / self._most), 1.1)
            self._keys, self._sums = _merge(self._numbers(self._sums[:, :3] / self._sums[:, 6:]), self._sums)

    def _numbers(self, points: np.ndarray) -> np.ndarray:
        """The number of the voxel of each point, int64 (M,)."""
        cells = np.floor((points - self._origin) / self.voxel)
        if not np.abs(cells).max() < SPAN:  # NaN is too far, too
            raise UserError(f"points lie more than {SPAN} voxels of {self.voxel:.3g} m apart; check the poses' unit")
        x, y, z = (cells.astype(np.int64) + SPAN).T
        return (x << 42) | (y << 21) | z


def _merge(keys: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum the rows of equal keys; keys come out ascending."""
    order = np.argsort(keys, kind="stable")
    ascending = keys[order]
    first = np.append(True, ascending[1:] != ascending[:-1])[: len(keys)]
    place = np.empty(len(keys), np.intp)
    place[order] = np.cumsum(first) - 1
    # Column by column: twice as fast as np.add.reduceat on whole rows.
    return ascending[first], np.column_stack([np.bincount(place, column) for column in rows.T])


def depth_cloud(
    scene: Scene, voxel: float | None = None, edge: float = math.inf, read: Iterable[Frame] | None = None
) -> Cloud:
    """The cloud of all views that can be used, without the pixels that float between surfaces (`solid`).

    Args:
        scene: Its views are read once.
        voxel: Side of a voxel, metres; None: what a pixel sees, or more where that gave over `MOST_POINTS`.
        edge: Step between surfaces, as a share of the depth.
        read: The frames, if they come from elsewhere (with a progress bar).

    Raises:
        UserError: If no view can be used, with the reasons.
    """
    cloud = VoxelCloud(pixel_width(scene.views), MOST_POINTS) if voxel is None else VoxelCloud(voxel)
    colours = Colours()
    for frame in read if read is not None else Frames(scene.views, None):
        if not frame.rejected:
            points, pixels = back_project(frame.view, frame.depth * solid(frame.depth, edge))
            cloud.add(points, colours.of(frame, pixels))
    return cloud.result()._replace(problems=colours.problems())


def pixel_width(views: Sequence[View]) -> float:
    """How wide a pixel sees at the depth that is usual in the scene, metres; by a few views spread over it.

    At least a millimetre, the step in which most sensors count; 2 cm where no view has a depth.
    """
    widths = []
    for view in views[:: max(len(views) // SAMPLED, 1)]:
        with contextlib.suppress(UserError):  # the lift will say it
            depth = usable(view.read_depth())
            if depth.any():
                widths.append(float(np.median(depth[depth > 0])) / view.intrinsics[0, 0])
    return max(float(np.median(widths)), 0.001) if widths else 0.02
