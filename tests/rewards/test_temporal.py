from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, ParseFailure, UserError
from rewards import (
    Meta,
    boundary_iou,
    shaped_iou,
    temporal_iop,
    temporal_iou,
    temporal_recall,
    time_proximity,
)
from rewards.temporal import BEST_SHAPED

META = Meta()
TRUTH = Answer(Interval(2.0, 6.0), 1)
seconds = st.floats(0, 1e6, allow_nan=False)
intervals = st.tuples(seconds, seconds).map(lambda pair: Interval(min(pair), max(pair)))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (2.0, 6.0, 1.0),  # the truth itself
        (4.0, 8.0, 1 / 3),  # shared 4..6 = 2; union 2..8 = 6
        (3.0, 4.0, 0.25),  # inside: 1 of 4
        (0.0, 20.0, 0.2),  # a whole 20-s video: 4 of 20
        (6.0, 9.0, 0.0),  # touching only
        (5.0, 5.0, 0.0),  # empty
        (2.0, 999999.0, 4 / 999997),  # far past any video: not clamped, so it does not pay
    ],
)
def test_hand_worked(start, end, expected):
    assert temporal_iou(Answer(Interval(start, end), 7), TRUTH, META) == pytest.approx(expected)


def test_a_failure_and_a_missing_interval_score_0():
    assert temporal_iou(ParseFailure("no tags"), TRUTH, META) == 0.0
    assert temporal_iou(Answer(object_id=1), TRUTH, META) == 0.0


def test_without_a_true_interval_it_is_not_scored():
    assert temporal_iou(TRUTH, Answer(object_id=1), META) is None
    assert temporal_iou(ParseFailure("no tags"), Answer(object_id=1), META) is None


@given(intervals, intervals)
def test_it_is_symmetric_and_in_range(a, b):
    there, back = temporal_iou(Answer(a), Answer(b), META), temporal_iou(Answer(b), Answer(a), META)
    assert 0.0 <= there <= 1.0
    assert there == pytest.approx(back)


@given(intervals)
def test_the_truth_is_the_best_answer(truth):
    assert temporal_iou(Answer(truth), Answer(truth), META) == (1.0 if truth.duration > 0 else 0.0)


# Time-R1: IoU with a factor for each bound; the truth is 2..6 of 20 s


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (2.0, 6.0, 1.0),
        (4.0, 8.0, 1 / 3 * 0.9 * 0.9),  # both bounds 2 s off: 1 - 2 / 20
        (3.0, 4.0, 0.25 * 0.95 * 0.9),  # 1 s and 2 s off
        (0.0, 20.0, 0.2 * 0.9 * 0.3),  # the whole video: 2 s and 14 s off
        (2.0, 30.0, 0.0),  # the end is 24 s off: 1 - 24 / 20 < 0
        (0.0, 50.0, 0.0),
    ],
)
def test_boundary_iou_hand_worked(start, end, expected):
    assert boundary_iou(Answer(Interval(start, end)), TRUTH, Meta(duration=20.0)) == pytest.approx(expected)


def test_two_factors_below_0_do_not_make_a_good_answer():
    # Both bounds 30 s off in a video of 10 s: unclamped (1 - 3) * (1 - 3) = 4.
    assert boundary_iou(Answer(Interval(0.0, 70.0)), Answer(Interval(30.0, 40.0)), Meta(duration=10.0)) == 0.0


def test_boundary_iou_needs_the_duration():
    with pytest.raises(UserError, match=r"meta\.duration"):
        boundary_iou(TRUTH, TRUTH, META)
    assert boundary_iou(ParseFailure("no tags"), TRUTH, META) == 0.0
    assert boundary_iou(TRUTH, Answer(), META) is None


@given(intervals, intervals, st.floats(0.01, 1e6))
def test_boundary_iou_is_at_most_the_iou(a, b, duration):
    value = boundary_iou(Answer(a), Answer(b), Meta(duration=duration))
    assert 0.0 <= value <= temporal_iou(Answer(a), Answer(b), META)


# TempSamp-R1: e = 2.71828, tau = 0.8


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (2.0, 6.0, 0.8018232),  # IoU 1: 0.8 + 0.01 ln 1.2, ln 1.2 = 0.1823216
        (2.0, 5.2, 0.8),  # IoU 3.2 / 4 = tau
        (2.0, 4.0, 0.5963903),  # IoU 0.5: 0.8 - (e^0.3 - 1) / (e - 1) = 0.8 - 0.3498588 / 1.7182818
        (8.0, 9.0, 0.0867629),  # IoU 0: 0.8 - (e^0.8 - 1) / (e - 1) = 0.8 - 1.2255409 / 1.7182818
    ],
)
def test_shaped_iou_hand_worked(start, end, expected):
    assert shaped_iou(Answer(Interval(start, end)), TRUTH, META) == pytest.approx(expected, abs=1e-6)


def test_shaped_iou_of_nothing():
    assert shaped_iou(ParseFailure("no tags"), TRUTH, META) == 0.0  # below any interval
    assert shaped_iou(TRUTH, TRUTH, META) == BEST_SHAPED
    assert shaped_iou(TRUTH, Answer(), META) is None


@given(intervals, intervals, intervals)
def test_shaping_keeps_the_order(a, b, truth):
    ious = [temporal_iou(Answer(one), Answer(truth), META) for one in (a, b)]
    shaped = [shaped_iou(Answer(one), Answer(truth), META) for one in (a, b)]
    if ious[0] <= ious[1]:
        assert shaped[0] <= shaped[1] + 1e-12


# Precision and recall in time


@pytest.mark.parametrize(
    ("start", "end", "iop", "recall"),
    [
        (2.0, 6.0, 1.0, 1.0),
        (4.0, 8.0, 0.5, 0.5),  # 2 of the 4 s said, 2 of the 4 s meant
        (3.0, 4.0, 1.0, 0.25),
        (0.0, 20.0, 0.2, 1.0),
        (6.0, 9.0, 0.0, 0.0),
        (3.0, 3.0, 0.0, 0.0),  # a moment: NExT-GQA's metric would say IoP 1
    ],
)
def test_iop_and_recall_hand_worked(start, end, iop, recall):
    answer = Answer(Interval(start, end))
    assert temporal_iop(answer, TRUTH, META) == pytest.approx(iop)
    assert temporal_recall(answer, TRUTH, META) == pytest.approx(recall)


def test_a_true_moment_is_recalled_by_nobody():
    assert temporal_recall(TRUTH, Answer(Interval(3.0, 3.0)), META) == 0.0


@given(intervals, intervals)
def test_iop_and_recall_are_each_others_mirror_and_bound_the_iou(a, b):
    a, b = Answer(a), Answer(b)
    assert temporal_iop(a, b, META) == pytest.approx(temporal_recall(b, a, META))
    assert temporal_iou(a, b, META) <= min(temporal_iop(a, b, META), temporal_recall(a, b, META)) + 1e-9


# Open-o3-Video: nearness in time


def moments(*times):
    return Answer(intervals=tuple(Interval(time, time) for time in times))


@pytest.mark.parametrize(
    ("said", "progress", "expected"),
    [
        (moments(5.0), 0.0, 1.0),
        (moments(9.0), 0.0, math.exp(-0.5)),  # 4 s from the truth at 5 s, sigma 4
        (moments(9.0), 0.5, math.exp(-2)),  # sigma 4 * 0.5 = 2: (4 / 2)^2 / 2
        (moments(6.0), 0.75, math.exp(-0.5)),  # sigma 1 from here on
        (moments(6.0), 1.0, math.exp(-0.5)),
        (moments(5.0, 9.0), 0.0, (1 + math.exp(-0.5)) / 2),  # the mean: more moments do not pay
        (moments(14.0), 0.0, math.exp(-0.5 * (6 / 4) ** 2)),  # 6 s to 20 s, 9 s to 5 s: the nearest counts
        (Answer(Interval(4.0, 6.0)), 1.0, 1.0),  # a segment is its middle
        (moments(), 0.0, 0.0),
    ],
)
def test_time_proximity_hand_worked(said, progress, expected):
    assert time_proximity(said, moments(5.0, 20.0), Meta(progress=progress)) == pytest.approx(expected)


def test_time_proximity_needs_the_progress_of_training():
    with pytest.raises(UserError, match=r"meta\.progress"):
        time_proximity(moments(1.0), moments(1.0), META)
    assert time_proximity(moments(1.0), Answer(), META) is None
    assert time_proximity(ParseFailure("no tags"), moments(1.0), META) == 0.0


@given(intervals, intervals, st.floats(0, 1), st.floats(0, 1))
def test_time_proximity_narrows_as_training_goes_on(a, b, early, late):
    early, late = sorted((early, late))
    wide, narrow = (time_proximity(Answer(a), Answer(b), Meta(progress=p)) for p in (early, late))
    assert 0.0 <= narrow <= wide <= 1.0
