"""Scene cuts: where the colours of a picture change all over, and stay changed.

Two pictures are compared cell by cell (4 x 4) and channel by channel by how far the values must be moved to turn one
distribution into the other (the earth mover's distance, which for numbers is the area between the two cumulative
histograms). Noise, a moving object and a gradual change of light move little; another scene moves much.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

GRID = 4
BINS = 32
CELL = 16  # pixels a side of a cell after shrinking: 256 values are enough for 32 bins

Frame = tuple[int, np.ndarray]


def signature(picture: np.ndarray) -> np.ndarray:
    """Cumulative colour histograms of a picture's cells.

    Args:
        picture: RGB, uint8, shape (H, W, 3).

    Returns:
        Shares in [0, 1], shape (GRID * GRID, 3, BINS).
    """
    import cv2

    side = GRID * CELL
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    cells = small.reshape(GRID, CELL, GRID, CELL, 3).transpose(0, 2, 4, 1, 3).reshape(GRID * GRID * 3, -1)
    rows = np.arange(len(cells))[:, None] * BINS
    counts = np.bincount((cells // (256 // BINS) + rows).ravel(), minlength=len(cells) * BINS)
    shares = counts.reshape(GRID * GRID, 3, BINS) / (CELL * CELL)
    return np.cumsum(shares, axis=-1)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """How far colours moved between two signatures: 0 for the same, 1 from all black to all white."""
    return float(np.abs(a - b)[..., :-1].mean())


def with_cuts(frames: Iterable[Frame], threshold: float) -> Iterator[tuple[int, np.ndarray, bool]]:
    """Tell of each frame whether a new scene begins with it; holds back one frame.

    A frame begins a scene if it differs from the one before by at least `threshold`, and the frame after it does so,
    too: a flash of one frame is no cut. The first frame is none; the last one has no successor to be asked.

    Args:
        frames: Index and picture, in order.
        threshold: Least `difference`.
    """
    before: np.ndarray | None = None
    waiting: tuple[Frame, np.ndarray] | None = None
    for frame in frames:
        now = signature(frame[1])
        if waiting is not None:
            held, its = waiting
            other = before is not None and difference(before, its) >= threshold
            flash = other and before is not None and difference(before, now) < threshold
            yield *held, other and not flash
            before = before if flash else its  # what follows a flash is compared with what was before it
        waiting = frame, now
    if waiting is not None:
        held, its = waiting
        yield *held, before is not None and difference(before, its) >= threshold
