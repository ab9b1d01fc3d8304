"""Which points a view sees, and where: projection and the z-test against the view's depth.

A point is seen where its pixel has a depth and that depth is the point's own within `tolerance`: 5 cm, or 2 % of the
depth where that is more, for sensors grow less exact with distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from grounding.core import UserError
from lift3d.scene import FARTHEST, View

NEAR, FAR = 0.05, 20.0  # metres; depth beyond is as good as none
BESIDE = 5  # pixels of the side of a square; depth and poses err by about two pixels to either side


def placed(points: np.ndarray) -> np.ndarray:
    """Which of (N, 3) points have a place, bool (N,); meshes may have vertices that are no numbers, or too large."""
    return (np.abs(points) < FARTHEST).all(axis=1)


@dataclass(frozen=True)
class Tolerance:
    """How far a point may lie from the depth of its pixel and still be seen: the larger of the two.

    Args:
        absolute: Metres.
        relative: Share of the depth.
    """

    absolute: float = 0.05
    relative: float = 0.02

    def __post_init__(self) -> None:
        for name in ("absolute", "relative"):
            if not 0 <= getattr(self, name) <= FAR:
                raise UserError(f"tolerance.{name} must be from 0 to {FAR:g}, got {getattr(self, name)}")


@dataclass(frozen=True, eq=False)
class Points:
    """Points made ready for projecting: float32 rows around their middle, so that far origins cost no precision.

    Attributes:
        rows: x, y and z, float32 (3, N), less the middle.
        middle: float64 (3,), metres.
    """

    rows: np.ndarray
    middle: np.ndarray

    @classmethod
    def of(cls, points: np.ndarray) -> Points:
        """From (N, 3) metres; a point without a place is seen by no view."""
        known = placed(points)
        middle = np.median(points[known], axis=0).astype(np.float64) if known.any() else np.zeros(3)
        rows = np.where(known[:, None], points - middle, np.nan)  # infinity times 0 would be a warning
        return cls(np.ascontiguousarray(rows.T, dtype=np.float32), middle)


@dataclass(frozen=True, eq=False)
class Seen:
    """What a view sees of the points.

    Attributes:
        points: Indices of the seen points, ascending, int64 (M,).
        pixels: Flat index of each one's pixel in the depth image, int64 (M,).
        depths: Distance of each along the optical axis, float32 (M,), metres.
        tested: How many points fell on a pixel with a depth, those that failed the test included.
    """

    points: np.ndarray
    pixels: np.ndarray
    depths: np.ndarray
    tested: int


def in_image(points: Points, view: View, size: tuple[int, int]) -> Seen:
    """The points that project into an image of `size` (height, width), hidden ones included."""
    height, width = size
    world_to_camera = np.linalg.inv(view.pose)
    shift = world_to_camera[:3, :3] @ points.middle + world_to_camera[:3, 3]
    # Rows of K times the rotation: one product gives u * z, v * z and z. Half a pixel is added for rounding down.
    lens = view.intrinsics + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    x, y, z = (lens @ world_to_camera[:3, :3]).astype(np.float32) @ points.rows + (lens @ shift).astype(np.float32)[
        :, None
    ]
    # x / z < width without dividing; NaN fails every comparison.
    inside = np.flatnonzero((z > NEAR) & (x >= 0) & (y >= 0) & (x < width * z) & (y < height * z))
    z = z[inside]
    columns, rows = (x[inside] / z).astype(np.int64), (y[inside] / z).astype(np.int64)
    np.minimum(columns, width - 1, out=columns)  # rounding of x / z can reach the edge
    np.minimum(rows, height - 1, out=rows)
    return Seen(inside, rows * width + columns, z, len(inside))


def visible(points: Points, view: View, depth: np.ndarray, tolerance: Tolerance) -> Seen:
    """The points that pass the z-test against `depth`, float32 (H, W), metres, 0 = invalid."""
    return at_depth(in_image(points, view, (depth.shape[0], depth.shape[1])), depth, tolerance)


def at_depth(found: Seen, depth: np.ndarray, tolerance: Tolerance) -> Seen:
    """Of the points in an image, those that pass the z-test."""
    measured = depth.ravel()[found.pixels]
    tested = measured > 0
    passed = np.flatnonzero(tested & (np.abs(measured - found.depths) <= _allowed(found, tolerance)))
    return Seen(found.points[passed], found.pixels[passed], found.depths[passed], int(np.count_nonzero(tested)))


def looked_through(found: Seen, depth: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    """Of the points in an image, indices of those at whose place the view sees that nothing is, (M,).

    All depths around the pixel lie behind the point. One that lies before it could be the point's own, off by a pixel:
    a chair's leg is not looked through because a view shows it two pixels to the side.
    """
    near = cv2.erode(np.where(depth > 0, depth, np.float32(np.inf)), np.ones((BESIDE, BESIDE), np.uint8))
    nearest = near.ravel()[found.pixels]
    behind = (nearest - found.depths > _allowed(found, tolerance)) & (depth.ravel()[found.pixels] > 0)
    return found.points[behind]


def _allowed(found: Seen, tolerance: Tolerance) -> np.ndarray:
    return np.maximum(np.float32(tolerance.absolute), np.float32(tolerance.relative) * found.depths)
