"""Moving marks apart so that none lies over another, and into the frame."""

from __future__ import annotations

import numpy as np

ROUNDS = 6  # times that pairs are looked for
PUSHES = 6  # pushes between two looks
NEARBY = 8.0  # pixels; pairs this much further apart may come together between two looks
AT_ONCE = 1 << 20  # pairs looked at together
ENOUGH = 1e-6  # pixels
GAP = 1.0  # pixels between marks, so that rounding to whole pixels does not bring them together
STEPS = np.mgrid[-12:13, -12:13].reshape(2, -1).T.astype(float)  # ways to try where pushing did not help
STEPS = STEPS[np.argsort(np.hypot(*STEPS.T), kind="stable")]


def within(centres: np.ndarray, halves: np.ndarray, room: tuple[int, int]) -> np.ndarray:
    """Centres moved as little as the frame asks for; a mark larger than the frame goes to its middle.

    Args:
        centres: (x, y) in pixels, shape (..., 2).
        halves: Half of width and height, same shape.
        room: (height, width) of the frame.
    """
    sides = np.array(room[::-1], float)
    low = np.minimum(halves, sides / 2)
    return np.clip(centres, low, sides - low)


def part(
    centres: np.ndarray, halves: np.ndarray, gaps: np.ndarray, seen: np.ndarray, room: tuple[int, int]
) -> np.ndarray:
    """Push marks apart, each half of the shorter way out, again and again while any are too near.

    In a frame that is too full some overlaps are left.

    Args:
        centres: (x, y) of the marks' middles in pixels, shape (T, N, 2).
        halves: Half of their width and height, same shape.
        gaps: What a mark keeps clear around it, across and down, pixels, same shape; two marks' gaps add up.
        seen: Which marks there are, bool (T, N).
        room: (height, width) of the frame.

    Returns:
        Shape (T, N, 2), within the frame.
    """
    parted = within(centres, halves, room)
    frames = max(1, AT_ONCE // max(1, seen.shape[1] ** 2))
    for begin in range(0, len(parted), frames):
        some = slice(begin, begin + frames)
        for _ in range(ROUNDS):
            pairs = overlapping(parted[some], (halves + gaps)[some], seen[some], NEARBY)
            if not _push(parted[some], halves[some], gaps[some], pairs, room):
                break
    return parted


def settled(
    centres: np.ndarray, halves: np.ndarray, seen: np.ndarray, areas: np.ndarray, room: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Where pushing left marks over one another, look for room: larger objects first, each as near as may be.

    Args:
        centres: (x, y) of the marks' middles in pixels, shape (T, N, 2).
        halves: Half of their width and height, same shape.
        seen: Which marks there are, bool (T, N).
        areas: Of their objects, shape (T, N).
        room: (height, width) of the frame.

    Returns:
        Middles, shape (T, N, 2), and the marks that have found room, bool (T, N).
    """
    centres, drawn = centres.copy(), seen.copy()
    for t in np.unique(overlapping(centres, halves, seen, GAP - 0.01)[0]):
        done: list[int] = []
        for n in sorted(np.flatnonzero(seen[t]).tolist(), key=lambda n: (-areas[t, n], n)):
            reach = halves[t, done] + halves[t, n] + GAP - 0.01
            for steps in (STEPS[:1], STEPS):
                tried = within(centres[t, n] + steps * halves[t, n].min(), halves[t, n], room)
                free = ~_taken(tried, centres[t, done], reach)
                if free.any():
                    break
            drawn[t, n] = free.any()
            if drawn[t, n]:
                centres[t, n] = tried[free.argmax()]
                done.append(n)
    return centres, drawn


def _taken(places: np.ndarray, others: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Which of some places (S, 2) are nearer to any of the others (M, 2) than its reach (M, 2), across and down."""
    low, high = places.min(axis=0), places.max(axis=0)
    near = ((others + reach > low) & (others - reach < high)).all(axis=1)
    across, down = (np.abs(places[:, None, i] - others[near, i]) < reach[near, i] for i in (0, 1))
    return (across & down).any(axis=1)


def overlapping(
    centres: np.ndarray, halves: np.ndarray, seen: np.ndarray, slack: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of marks that lie over one another, or less than `slack` pixels apart: frames, first and second marks."""
    apart = np.abs(centres[:, :, None] - centres[:, None])
    near = (apart < halves[:, :, None] + halves[:, None] + slack).all(axis=-1)
    near &= seen[:, :, None] & seen[:, None] & np.tri(seen.shape[1], k=-1, dtype=bool).T
    frames, first, second = np.nonzero(near)
    return frames, first, second


def _push(
    centres: np.ndarray,
    halves: np.ndarray,
    gaps: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
    room: tuple[int, int],
) -> bool:
    """Push pairs apart, in `centres` itself; whether any were too near."""
    frames, first, second = pairs
    pushed = False
    reach = (halves + gaps)[frames, first] + (halves + gaps)[frames, second]
    for _ in range(PUSHES if len(frames) else 0):
        between = centres[frames, second] - centres[frames, first]
        deep = reach - np.abs(between)
        over = (deep > ENOUGH).all(axis=1)
        if not over.any():
            break
        pushed = True
        shorter = np.arange(2) == deep.argmin(axis=1)[:, None]
        step = np.where(over[:, None] & shorter, 0.5 * deep * np.where(between < 0, -1.0, 1.0), 0.0)
        np.add.at(centres, (frames, second), step)
        np.add.at(centres, (frames, first), -step)
        centres[:] = within(centres, halves, room)
    return pushed
