"""Intervals, their overlap, and their conversion to half-open frame ranges."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Interval, UserError
from grounding.core.intervals import frame_midpoints, frames_within, nearest_frames

seconds = st.floats(0, 1e6)
intervals = st.tuples(seconds, seconds).map(lambda pair: Interval(min(pair), max(pair)))
REGULAR = np.arange(80) / 24  # 80 frames at 24 a second
VARIABLE = np.array([0.0, 0.1, 0.4, 1.0])


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (2.0, 1.0, "end 1.0 s lies before its start 2.0 s"),
        (-0.1, 1.0, "start must be .* >= 0, got -0.1"),
        (0.0, float("inf"), "end must be a finite number"),
        (float("nan"), 1.0, "start must be a finite number"),
    ],
)
def test_bad_intervals(start: float, end: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Interval(start, end)


def test_an_interval_is_a_value() -> None:
    assert Interval(1, 3) == Interval(1.0, 3.0)
    assert Interval(1, 3).duration == 2
    assert sorted([Interval(2, 3), Interval(1, 9)])[0].start == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        Interval(1, 3).start = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [
        ((0, 4), (2, 6), 2 / 6),  # shared 2..4, together 0..6
        ((0, 10), (2, 4), 2 / 10),  # one inside the other
        ((0, 1), (1, 2), 0),  # half-open: they only touch
        ((0, 1), (5, 6), 0),  # the gap is not part of the union, but nothing is shared
        ((3, 3), (3, 3), 0),  # both empty
        ((3, 3), (0, 6), 0),
        ((1, 3), (1, 3), 1),
    ],
)
def test_iou_by_hand(a: tuple, b: tuple, iou: float) -> None:
    assert Interval(*a).iou(Interval(*b)) == pytest.approx(iou)


def test_shared_seconds_by_hand() -> None:
    assert Interval(0, 4).shared(Interval(2.5, 6)) == 1.5
    assert Interval(2.5, 6).shared(Interval(0, 4)) == 1.5
    assert Interval(0, 10).shared(Interval(2, 4)) == 2
    assert Interval(0, 1).shared(Interval(1, 2)) == Interval(0, 1).shared(Interval(5, 6)) == 0


@given(intervals, intervals)
def test_iou_laws(a: Interval, b: Interval) -> None:
    assert a.iou(b) == b.iou(a)
    assert 0 <= a.iou(b) <= 1
    if a.duration > 0:
        assert a.iou(a) == 1
    if a.iou(b) > 0:  # the union is at least as long as each, so IoU is at most short / long
        assert a.iou(b) <= min(a.duration, b.duration) / max(a.duration, b.duration) + 1e-9


def test_midpoints_of_a_variable_rate() -> None:
    # shown 0..0.1, 0.1..0.4, 0.4..1.0, and the last for 1 / 2 s: 1.0..1.5
    np.testing.assert_allclose(frame_midpoints(VARIABLE, fps=2), [0.05, 0.25, 0.7, 1.25])


def test_midpoints_of_nothing() -> None:
    assert frame_midpoints(np.array([]), fps=2).shape == (0,)


@pytest.mark.parametrize(
    ("start", "end", "frames"),
    [
        (0.25, 1.0, range(6, 24)),  # schoolgirls: 0.25 * 24 = 6, 1.0 * 24 = 24, exclusive
        (0.0, 80 / 24, range(0, 80)),
        (0.0, 100.0, range(0, 80)),
        (0.26, 0.99, range(6, 24)),  # bounds off by less than half a frame (0.0208 s)
        (0.24, 1.01, range(6, 24)),
        (0.28, 0.96, range(7, 23)),  # 0.28 * 24 = 6.72 -> 7; 0.96 * 24 = 23.04 -> 23
        (1.0, 1.0, range(24, 24)),
        (50.0, 60.0, range(80, 80)),
    ],
)
def test_frames_within_at_24_fps(start: float, end: float, frames: range) -> None:
    assert frames_within(Interval(start, end), REGULAR, 24) == frames


def test_frames_within_a_variable_rate() -> None:
    # middles 0.05, 0.25, 0.7, 1.25
    assert frames_within(Interval(0.1, 1.0), VARIABLE, 2) == range(1, 3)
    assert frames_within(Interval(0.3, 0.6), VARIABLE, 2) == range(2, 2)  # no middle inside: no frame


def shown(first: int, last: int, pts: np.ndarray, fps: float) -> Interval:
    """When the frames [first, last) are on the screen; the last of all stays for 1 / fps."""
    ends = np.append(pts, pts[-1] + 1 / fps)
    return Interval(float(ends[first]), float(ends[last]))


@given(st.data(), st.sampled_from([9.53, 23.976, 24.0, 25.0, 29.97, 30.0]), st.integers(1, 400))
def test_frames_to_seconds_and_back(data: st.DataObject, fps: float, count: int) -> None:
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first + 1, count))
    pts = np.arange(count) / fps
    interval = shown(first, last, pts, fps)
    assert frames_within(interval, pts, fps) == range(first, last)
    rounded = Interval(round(interval.start, 2), round(interval.end, 2))  # two decimals, as in annotation files
    assert frames_within(rounded, pts, fps) == range(first, last)


@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=20), st.data())
def test_frames_to_seconds_and_back_at_a_variable_rate(gaps: list[float], data: st.DataObject) -> None:
    pts = np.concatenate([[0], np.cumsum(gaps)])
    first = data.draw(st.integers(0, len(pts) - 1))
    last = data.draw(st.integers(first + 1, len(pts)))
    assert frames_within(shown(first, last, pts, 10), pts, 10) == range(first, last)


def test_nearest_frames_by_hand() -> None:
    times = np.array([-1, 0.04, 0.06, 0.25, 0.26, 0.69, 0.71, 9])  # 0.25 is between 0.1 and 0.4: the earlier one
    assert nearest_frames(VARIABLE, times).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert nearest_frames(np.array([0.0]), np.array([[0.0, 5.0]])).tolist() == [[0, 0]]
    assert int(nearest_frames(VARIABLE, np.asarray(0.9))) == 3


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30, unique=True).map(sorted), st.floats(-10, 1100))
def test_nearest_frames_is_the_argmin(pts: list[float], time: float) -> None:
    distance = np.abs(np.array(pts) - time)
    assert distance[int(nearest_frames(np.array(pts), np.asarray(time)))] == distance.min()
