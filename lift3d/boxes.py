"""Boxes around instances: axis-aligned, robust and raw, and turned about gravity; and how turned boxes overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from lift3d.clusters import cells

TRIM = 0.001  # share of the weight of the points that the robust box leaves out at either end of each axis
CELL = 0.02  # metres; where cells hold little, points weigh little
THIN = 0.5  # cells that hold less than this share of what is usual hold little


@dataclass(frozen=True, eq=False)
class Box:
    """A box that stands upright on the ground.

    Attributes:
        centre: (3,) metres.
        size: (3,) metres, along the columns of `axes`.
        axes: (3, 3), columns are unit vectors; the third points up.
    """

    centre: np.ndarray
    size: np.ndarray
    axes: np.ndarray


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of one instance.

    Attributes:
        aabb: Without strays (`robust_bounds`), `x1 y1 z1 x2 y2 z2`, metres, (6,).
        raw: The same of all points: their least and greatest coordinates, (6,).
        obb: The smallest upright box around the points that lie in `aabb`.
        frame: "aligned" if the scene's axis alignment was applied, else "world".
    """

    aabb: np.ndarray
    raw: np.ndarray
    obb: Box
    frame: str


def boxes_of(
    points: np.ndarray,
    alignment: np.ndarray | None,
    up: tuple[float, float, float],
    pixels: np.ndarray | None = None,
) -> Boxes:
    """All boxes of (N, 3) points, N >= 1; of the aligned points if there is an `alignment`, where z is up.

    Args:
        points: (N, 3) metres.
        alignment: (4, 4), or None.
        up: Against gravity, in the frame of the points.
        pixels: How many pixels each point stands for, (N,); None: one.
    """
    if alignment is not None:
        points, up = points @ alignment[:3, :3].T + alignment[:3, 3], (0.0, 0.0, 1.0)
    raw = np.concatenate([points.min(axis=0), points.max(axis=0)])
    aabb = robust_bounds(points, np.ones(len(points)) if pixels is None else pixels)
    inside = points[((points >= aabb[:3]) & (points <= aabb[3:])).all(axis=1)]
    obb = upright_box(inside if len(inside) else points, up)
    return Boxes(aabb, raw, obb, "world" if alignment is None else "aligned")


def robust_bounds(points: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Bounds of (N, 3) points without strays, `x1 y1 z1 x2 y2 z2`, (6,).

    On each axis they leave out `TRIM` of the weight of the points at either end. A point weighs as many pixels as it
    stands for, (N,), and less where its cell of the grid holds few: there strays are.
    """
    cell_of, _ = cells(points, CELL)
    held = np.bincount(cell_of, pixels)[cell_of]
    weights = pixels * np.minimum(held / (THIN * np.median(held)), 1)
    left_out = TRIM * weights.sum()
    bounds = np.empty((2, 3))
    for axis, along in enumerate(points.T):
        order = np.argsort(along, kind="stable")
        for end, inwards in enumerate((order, order[::-1])):
            bounds[end, axis] = along[inwards[np.searchsorted(np.cumsum(weights[inwards]), left_out)]]
    return bounds.ravel()


def upright_box(points: np.ndarray, up: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> Box:
    """The box of least ground area about points, (N, 3), with one axis along `up`.

    A side of the least rectangle lies on a side of the hull, so only the hull's directions are tried.
    """
    frame = ground_frame(np.array(up))
    local = points @ frame
    ground = np.concatenate([local[:1, :2], local[:, :2]])  # a line needs two points, an instance may have one
    hull = shapely.get_coordinates(shapely.convex_hull(shapely.linestrings(ground)))
    sides = np.diff(hull, axis=0) if len(hull) > 1 else np.array([[1.0, 0.0]])
    angles = np.append(np.arctan2(sides[:, 1], sides[:, 0]) % (np.pi / 2), 0.0)
    turns = np.stack([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]).transpose(2, 0, 1)
    turned = hull @ turns
    extents = turned.max(axis=1) - turned.min(axis=1)
    best = int(np.argmin(np.round(extents.prod(axis=1), 9)))
    axes = frame.copy()
    axes[:, :2] = frame[:, :2] @ turns[best]
    along = points @ axes
    low, high = along.min(axis=0), along.max(axis=0)
    return Box(axes @ ((low + high) / 2), high - low, axes)


def ground_frame(up: np.ndarray) -> np.ndarray:
    """Right-handed axes as columns, the third along `up`; the world's own for z."""
    up = up / np.linalg.norm(up)
    helper = np.array([1.0, 0.0, 0.0]) if abs(up[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    y = np.cross(up, helper)
    y /= np.linalg.norm(y)
    return np.column_stack([np.cross(y, up), y, up])


def corners(box: Box) -> np.ndarray:
    """The eight corners, (8, 3): those of the bottom around, then those of the top in the same order."""
    signs = np.array([[-1, -1, -1], [1, -1, -1], [1, 1, -1], [-1, 1, -1]], float)
    signs = np.concatenate([signs, signs * [1, 1, -1]])
    return box.centre + signs * box.size / 2 @ box.axes.T


def upright_iou(a: Box, b: Box) -> float:
    """IoU of two upright boxes with the same up, in [0, 1]; 0 where both are flat."""
    frame = ground_frame(a.axes[:, 2])
    feet = [shapely.Polygon((corners(box)[:4] @ frame)[:, :2]) for box in (a, b)]
    spans = [box.centre @ a.axes[:, 2] + np.array([-0.5, 0.5]) * box.size[2] for box in (a, b)]
    height = max(0.0, min(s[1] for s in spans) - max(s[0] for s in spans))
    # Snapped to a nanometre: the exact intersection of two boxes that differ by rounding alone may come out empty.
    both = shapely.intersection(*feet, grid_size=1e-9).area * height
    union = float(a.size.prod() + b.size.prod()) - both
    return both / union if union > 0 else 0.0
