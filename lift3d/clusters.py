"""The main part of an instance: what lies far from its bulk is a stray, not the object.

Points are put into cells of a quarter of the gap, and cells whose middles lie no farther apart than the gap are one
part. So memory grows with the surface, where DBSCAN keeps every neighbourhood of every point.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

CELLS = 4  # cells in a gap


def parts(points: np.ndarray, gap: float) -> np.ndarray:
    """Number of the part that each point belongs to, (N,).

    Cells blur distances by twice their diagonal at most: points nearer than 0.13 `gap` are always in one part, and
    points farther than 1.87 `gap` never are without others between them; single points in their cells count exactly.

    Args:
        points: (N, 3) metres.
        gap: Metres.
    """
    if not len(points):
        return np.zeros(0, np.int64)
    cell_of, sizes = cells(points, gap / CELLS)
    middles = np.column_stack([np.bincount(cell_of, axis) / sizes for axis in points.T])
    near = cKDTree(middles).query_pairs(gap, output_type="ndarray")
    graph = sparse.coo_array((np.ones(len(near), bool), (near[:, 0], near[:, 1])), (len(sizes), len(sizes)))
    return connected_components(graph, directed=False)[1][cell_of]


def cells(points: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Number of the cell of a grid that each of (N, 3) points lies in, (N,), and how many each cell holds, (cells,)."""
    places = np.floor((points - points.min(axis=0)) / side).astype(np.int64)
    sides = places.max(axis=0) + 1
    keys = (places[:, 0] * sides[1] + places[:, 1]) * sides[2] + places[:, 2]
    return np.unique(keys, return_inverse=True, return_counts=True)[1:]


def main_part(points: np.ndarray, gap: float, min_share: float) -> np.ndarray:
    """Which points lie in the largest part or in one with at least `min_share` of its points, bool (N,)."""
    numbers = parts(points, gap)
    sizes = np.bincount(numbers, minlength=1)
    return (sizes >= min_share * sizes.max())[numbers]
