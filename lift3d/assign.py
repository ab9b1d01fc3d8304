"""From votes to owners: which instance a point belongs to, where several claim it or none does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from lift3d.votes import count, weight


@dataclass(frozen=True, eq=False)
class Assigned:
    """The owner of each point and the evidence for it.

    Attributes:
        owner: Instance id, int32 (N,), 0 = none.
        ratio: Weighted hits / views for the owner, float32 (N,), in [0, 1].
        hits: Views that put the point into its owner, int32 (N,).
        seen: Views that see the point, int32 (N,).
    """

    owner: np.ndarray
    ratio: np.ndarray
    hits: np.ndarray
    seen: np.ndarray

    def at(self, points: np.ndarray) -> Assigned:
        """The same for some of the points, bool (N,) or indices."""
        return Assigned(self.owner[points], self.ratio[points], self.hits[points], self.seen[points])

    def groups(self) -> dict[int, np.ndarray]:
        """Ascending points of each instance."""
        order = np.argsort(self.owner, kind="stable")
        ids, starts = np.unique(self.owner[order], return_index=True)
        parts = np.split(order, starts[1:])
        return {int(i): part for i, part in zip(ids, parts, strict=True) if i > 0}


def assign(sums: sparse.csr_array, seen: np.ndarray, min_ratio: float, min_hits: int) -> Assigned:
    """Give each point to the instance with the most evidence.

    Among instances that reach `min_ratio` and `min_hits` at a point it goes to the one with the highest ratio; at a
    tie to the one that claims fewer points (the cup, not the table it is part of), then to the smaller id.

    Args:
        sums: Votes by point and id (`Votes.sums`), (N, columns).
        seen: Votes of the views that see each point, (N,).
        min_ratio: Least weighted hits / views.
        min_hits: Least number of hits.
    """
    points = np.repeat(np.arange(len(seen)), np.diff(sums.indptr))
    ids, hits = sums.indices, count(sums.data)
    ratio = np.minimum(weight(sums.data) / np.maximum(weight(seen)[points], 1e-9), 1)
    claims = np.flatnonzero((ratio >= min_ratio) & (hits >= min_hits))
    sizes = np.bincount(ids[claims], minlength=1)
    order = claims[np.lexsort((ids[claims], sizes[ids[claims]], -ratio[claims], points[claims]))]
    first = order[np.append(True, np.diff(points[order]) > 0)[: len(order)]]
    found = Assigned(
        np.zeros(len(seen), np.int32), np.zeros(len(seen), np.float32), np.zeros(len(seen), np.int32), count(seen)
    )
    found.owner[points[first]] = ids[first]
    found.ratio[points[first]] = ratio[first]
    found.hits[points[first]] = hits[first]
    return found


def constancy(sums: sparse.csr_array, named: np.ndarray) -> float:
    """How constant ids are over frames, in [0, 1].

    The share of the frames with a mask on a point that give it its most frequent id, in mean over the points with two
    such frames or more; 1 where there are none.

    Args:
        sums: Votes by point and id, (N, columns).
        named: How many frames have a mask on each point, (N,).
    """
    most = sparse.csr_array((count(sums.data), sums.indices, sums.indptr), sums.shape).max(axis=1).toarray().ravel()
    twice = named >= 2
    return float((most[twice] / named[twice]).mean()) if twice.any() else 1.0


def by_superpoints(assigned: Assigned, superpoints: np.ndarray, visible: np.ndarray) -> Assigned:
    """Give whole superpoints to the instance that owns at least half of their visible points; others go to none.

    Args:
        assigned: Owners of single points.
        superpoints: Segment of each point, int (N,).
        visible: Which points any view sees, bool (N,).
    """
    segments, which = np.unique(superpoints, return_inverse=True)
    owned = assigned.owner > 0
    ones = np.ones(int(owned.sum()), np.int64)
    shape = (len(segments), int(assigned.owner.max(initial=0)) + 1)
    table = sparse.coo_array((ones, (which[owned], assigned.owner[owned])), shape).tocsr()
    winner = np.asarray(table.argmax(axis=1)).ravel() if len(ones) else np.zeros(len(segments), np.int64)
    most = table.max(axis=1).toarray().ravel()
    total = np.bincount(which[visible], minlength=len(segments))
    winner = np.where((most > 0) & (2 * most >= total), winner, 0)
    owner = winner[which].astype(np.int32)
    same = owner == assigned.owner
    return Assigned(owner, np.where(same, assigned.ratio, 0), np.where(same, assigned.hits, 0), assigned.seen)
