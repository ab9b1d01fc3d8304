"""The main part of an instance: what lies far from its bulk is a stray, not the object.

Points are put into cells of a grid, and cells that touch are one part. That is linear in the points, where DBSCAN
keeps every neighbourhood.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

HALF = [step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)]  # 13 of 26 neighbours; the others mirror


def parts(points: np.ndarray, gap: float) -> np.ndarray:
    """Number of the part that each point belongs to, (N,).

    Points nearer than `gap` are always in one part, and points of neighbouring cells at most 2 sqrt(3) `gap` apart.

    Args:
        points: (N, 3) metres.
        gap: Side of a cell, metres.
    """
    if not len(points):
        return np.zeros(0, np.int64)
    cells = np.floor((points - points.min(axis=0)) / gap).astype(np.int64) + 1
    sides = cells.max(axis=0) + 2
    keys = (cells[:, 0] * sides[1] + cells[:, 1]) * sides[2] + cells[:, 2]
    occupied, cell_of = np.unique(keys, return_inverse=True)
    pairs = []
    for dx, dy, dz in HALF:
        wanted = occupied + (dx * sides[1] + dy) * sides[2] + dz
        found = np.minimum(np.searchsorted(occupied, wanted), len(occupied) - 1)
        there = np.flatnonzero(occupied[found] == wanted)
        pairs.append(np.stack([there, found[there]]))
    edges = np.concatenate(pairs, axis=1)
    graph = sparse.coo_array((np.ones(edges.shape[1], bool), (edges[0], edges[1])), (len(occupied), len(occupied)))
    return connected_components(graph, directed=False)[1][cell_of]


def main_part(points: np.ndarray, gap: float, min_share: float) -> np.ndarray:
    """Which points lie in the largest part or in one with at least `min_share` of its points, bool (N,)."""
    numbers = parts(points, gap)
    sizes = np.bincount(numbers, minlength=1)
    return (sizes >= min_share * sizes.max())[numbers]
