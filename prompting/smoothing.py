"""Smoothing over time, of tracks with gaps."""

from __future__ import annotations

import numpy as np

SIGMA = 1 / 6  # seconds; four frames of a film
REACH = 2.5  # sigmas; what lies further away in time has no weight
RIDGE = 0.1  # of sigma squared; damps the slope where frames are on one side only, or a frame stands alone


def is_film(times: np.ndarray) -> bool:
    """Whether frames follow one another so closely that they are seen, and smoothed, as motion and not one by one."""
    return len(times) > 1 and bool(times[-1] - times[0] <= REACH * SIGMA * (len(times) - 1))


def smooth(values: np.ndarray, seen: np.ndarray, times: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    """Each value replaced by that of a straight line through its neighbours in time, the near ones weighing most.

    Even motion stays as it is, and at the ends and beside gaps, where only one side is known, lags a little behind.

    Args:
        values: Shape (T, N, D); whatever is not seen is not looked at.
        seen: bool (T, N).
        times: Seconds, ascending, shape (T,).
        sigma: Of the Gaussian of weights, seconds.

    Returns:
        Shape (T, N, D); 0 where not seen.
    """
    values = np.where(seen[..., None], values, 0.0)
    last = np.searchsorted(times, times + REACH * sigma, side="right") - 1
    reach = int((last - np.arange(len(times))).max())
    level, slope, spread = (np.zeros(seen.shape) for _ in range(3))
    sums, moments = np.zeros(values.shape), np.zeros(values.shape)
    for shift in range(-reach, reach + 1):
        here = slice(max(0, -shift), len(times) - max(0, shift))
        there = slice(max(0, shift), len(times) - max(0, -shift))
        late = times[there] - times[here]
        weight = seen[there] * np.exp(-0.5 * (late / sigma) ** 2)[:, None]
        late = late[:, None]
        level[here] += weight
        slope[here] += weight * late
        spread[here] += weight * late**2
        sums[here] += weight[..., None] * values[there]
        moments[here] += (weight * late)[..., None] * values[there]
    spread += RIDGE * sigma**2 * level
    scale = np.where(seen, level * spread - slope**2, 1.0)
    line = (spread[..., None] * sums - slope[..., None] * moments) / scale[..., None]
    return np.where(seen[..., None], line, 0.0)
