from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from prompting.smoothing import SIGMA, is_film, smooth

FILM = np.arange(60) / 24


def seen_like(values: np.ndarray) -> np.ndarray:
    return np.ones(values.shape[:2], bool)


def test_a_frame_alone_stays_as_it_is() -> None:
    values = np.array([[[3.0, -7.0], [0.5, 2.0]]])
    assert smooth(values, seen_like(values), np.array([4.0])) == pytest.approx(values)


def test_frames_far_apart_do_not_touch_one_another() -> None:
    values = np.array([[[1.0]], [[9.0]], [[-4.0]]])
    assert smooth(values, seen_like(values), np.array([0.0, 0.5, 1.0])) == pytest.approx(values)  # 3 sigmas apart


def test_even_motion_stays_as_it_is_in_the_middle() -> None:
    values = (10 + 90 * FILM)[:, None, None]
    assert smooth(values, seen_like(values), FILM)[12:-12] == pytest.approx(values[12:-12])
    # At the ends it lags, by less than a tenth of what a plain mean would: 2.5 sigmas * 90 / s on one side.
    assert np.abs(smooth(values, seen_like(values), FILM) - values).max() < 0.1 * 2.5 * SIGMA * 90


def test_two_frames_worked_out_by_hand() -> None:
    # One sigma apart: weights 1 and e = exp(-1/2), lag s. For the first frame: level 1 + e, slope e s, spread e s^2
    # plus the ridge of 0.1 (1 + e) s^2; values 0 and 1 have sum e and moment e s.
    e = np.exp(-0.5)
    level, slope, spread = 1 + e, e, e + 0.1 * (1 + e)
    expected = (spread * e - slope * e) / (level * spread - slope**2)
    found = smooth(np.array([[[0.0]], [[1.0]]]), np.ones((2, 1), bool), np.array([0.0, SIGMA]))
    assert found.ravel() == pytest.approx([expected, 1 - expected])


def test_a_film_is_what_smoothing_reaches_across() -> None:
    # 2.5 sigmas of a sixth of a second are 0.417 s.
    for gap, film in ((1 / 24, True), (1 / 3, True), (0.41, True), (0.42, False), (0.5, False)):
        assert is_film(np.arange(5) * gap) == film
    assert is_film(np.array([0.0, 0.1, 0.2, 1.6])) == (1.6 / 3 <= 0.417)  # on average
    assert not is_film(np.array([3.0])) and not is_film(np.array([]))


def test_noise_is_taken_out() -> None:
    values = np.random.default_rng(0).normal(0, 1, (60, 1, 2))
    found = smooth(values, seen_like(values), FILM)
    # Weights of sigma 4 frames have about 4 * 2 * sqrt(pi) = 14 frames' worth: the deviation falls to 1 / sqrt(14).
    assert found[12:-12].std() < 1.5 / np.sqrt(14)


def test_what_is_not_seen_counts_for_nothing_and_is_zero() -> None:
    values = np.full((60, 2, 1), 5.0)
    values[20:30, 0] = 1e9
    seen = values[..., 0] < 100
    found = smooth(values, seen, FILM)
    assert found[seen] == pytest.approx(np.full((seen.sum(), 1), 5.0))
    assert (found[~seen] == 0).all()


@settings(max_examples=50, deadline=None)
@given(
    arrays(float, (12, 2, 1), elements=st.floats(-100, 100)),
    arrays(bool, (12, 2)),
    st.lists(st.floats(0.01, 1), min_size=12, max_size=12),
)
def test_objects_do_not_touch_one_another_and_shifts_carry_over(
    values: np.ndarray, seen: np.ndarray, gaps: list[float]
) -> None:
    times = np.cumsum(gaps)
    together = smooth(values, seen, times)
    for n in range(2):
        assert together[:, n] == pytest.approx(smooth(values[:, [n]], seen[:, [n]], times)[:, 0])
    assert smooth(values + 50, seen, times)[seen] == pytest.approx(together[seen] + 50)
