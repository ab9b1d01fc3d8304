"""How often each point was seen, and as what; kept sparsely, so memory grows with points and votes, not with frames.

A vote is clean, or a border vote where mask or depth may be off by a pixel. Both are counted in one number, clean
votes in its high half: sums of such numbers stay exact.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

BORDER = np.uint32(1)
CLEAN = np.uint32(1 << 16)
BORDER_WEIGHT = 0.1  # decides points at the rim that no view sees cleanly, and is outvoted everywhere else
PENDING = 1 << 20  # votes that are held until they are added up: 12 MB
MOST_FRAMES = (1 << 16) - 1


def weight(votes: np.ndarray) -> np.ndarray:
    """Votes as a weight: 1 a clean vote, a tenth a border vote."""
    return (votes >> 16) + BORDER_WEIGHT * (votes & 0xFFFF)


def count(votes: np.ndarray) -> np.ndarray:
    """How many votes, clean or not."""
    return (votes >> 16) + (votes & 0xFFFF)


class Votes:
    """Votes of all frames so far.

    Args:
        points: How many points there are.
        columns: How many labels there can be, 0 included.

    Attributes:
        seen: Of each point, the frames that see it, as votes; uint32 (N,).
    """

    def __init__(self, points: int, columns: int) -> None:
        self.seen = np.zeros(points, np.uint32)
        self._sums = sparse.csr_array((points, columns), dtype=np.uint32)
        self._pending: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._held = 0

    def see(self, points: np.ndarray, votes: np.ndarray) -> None:
        """A frame sees these points, each listed once; `votes` is BORDER or CLEAN for each."""
        self.seen[points] += votes

    def add(self, points: np.ndarray, labels: np.ndarray, votes: np.ndarray) -> None:
        """A frame takes these points for these labels."""
        self._pending.append((points.astype(np.int32), labels.astype(np.int32), votes))
        self._held += len(points)
        if self._held > PENDING:
            self._add_up()

    def sums(self) -> sparse.csr_array:
        """Votes by point and label, (N, columns), with sorted columns."""
        self._add_up()
        return self._sums

    def _add_up(self) -> None:
        if self._pending:
            points, labels, votes = (np.concatenate(part) for part in zip(*self._pending, strict=True))
            self._pending, self._held = [], 0
            self._sums = (self._sums + sparse.coo_array((votes, (points, labels)), self._sums.shape).tocsr()).tocsr()
            self._sums.sort_indices()
