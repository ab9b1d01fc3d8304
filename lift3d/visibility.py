"""Which points a view sees, and where: projection and the z-test against the view's depth.

A point is seen where its pixel has a depth and that depth is the point's own within `tolerance`: 5 cm, or 2 % of the
depth where that is more, for sensors grow less exact with distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lift3d.scene import View

NEAR, FAR = 0.05, 20.0  # metres; depth beyond is as good as none


@dataclass(frozen=True)
class Tolerance:
    """How far a point may lie from the depth of its pixel: max(`absolute` metres, `relative` x depth)."""

    absolute: float = 0.05
    relative: float = 0.02


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
        """From (N, 3) metres; a point that is not finite is seen by no view."""
        finite = points[np.isfinite(points).all(axis=1)]
        middle = (finite.min(axis=0) + finite.max(axis=0)).astype(np.float64) / 2 if len(finite) else np.zeros(3)
        return cls(np.ascontiguousarray((points - middle).T, dtype=np.float32), middle)


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
    # x / z < width without dividing; a point that is not finite fails every comparison.
    inside = np.flatnonzero((z > NEAR) & (x >= 0) & (y >= 0) & (x < width * z) & (y < height * z))
    z = z[inside]
    columns, rows = (x[inside] / z).astype(np.int64), (y[inside] / z).astype(np.int64)
    np.minimum(columns, width - 1, out=columns)  # rounding of x / z can reach the edge
    np.minimum(rows, height - 1, out=rows)
    return Seen(inside, rows * width + columns, z, len(inside))


def visible(points: Points, view: View, depth: np.ndarray, tolerance: Tolerance) -> Seen:
    """The points that pass the z-test against `depth`, float32 (H, W), metres, 0 = invalid."""
    found = in_image(points, view, (depth.shape[0], depth.shape[1]))
    measured = depth.ravel()[found.pixels]
    allowed = np.maximum(np.float32(tolerance.absolute), np.float32(tolerance.relative) * found.depths)
    tested = measured > 0
    passed = np.flatnonzero(tested & (np.abs(measured - found.depths) <= allowed))
    return Seen(found.points[passed], found.pixels[passed], found.depths[passed], int(np.count_nonzero(tested)))
