from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, ParseFailure
from rewards import temporal_iou

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
    assert temporal_iou(Answer(Interval(start, end), 7), TRUTH, "") == pytest.approx(expected)


def test_a_failure_and_a_missing_interval_score_0():
    assert temporal_iou(ParseFailure("no tags"), TRUTH, "") == 0.0
    assert temporal_iou(Answer(object_id=1), TRUTH, "") == 0.0


def test_without_a_true_interval_it_is_not_scored():
    assert temporal_iou(TRUTH, Answer(object_id=1), "") is None
    assert temporal_iou(ParseFailure("no tags"), Answer(object_id=1), "") is None


@given(intervals, intervals)
def test_it_is_symmetric_and_in_range(a, b):
    there, back = temporal_iou(Answer(a), Answer(b), ""), temporal_iou(Answer(b), Answer(a), "")
    assert 0.0 <= there <= 1.0
    assert there == pytest.approx(back)


@given(intervals)
def test_the_truth_is_the_best_answer(truth):
    assert temporal_iou(Answer(truth), Answer(truth), "") == (1.0 if truth.duration > 0 else 0.0)
