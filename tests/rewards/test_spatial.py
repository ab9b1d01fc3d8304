from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grounding.core import Answer, Interval, ParseFailure, Tube
from rewards import id_match, tube_viou

TRUTH = Answer(Interval(0.0, 1.0), 3, Tube(10, np.tile([0.0, 0.0, 10.0, 10.0], (4, 1))))
NO_BOX = [np.nan] * 4


def tube(start, *boxes):
    return Answer(tube=Tube(start, np.array(boxes, float).reshape(-1, 4)))


def with_gaps(raw):
    boxes = np.concatenate([raw[:, :2], raw[:, :2] + raw[:, 2:4]], axis=1)
    boxes[raw[:, 4] < 0.3] = np.nan
    return boxes


raw_boxes = hnp.arrays(float, st.tuples(st.integers(0, 12), st.just(5)), elements=st.floats(0, 1))
tubes = st.builds(lambda start, raw: Answer(tube=Tube(start, with_gaps(raw))), st.integers(0, 10), raw_boxes)


def test_id_match():
    assert id_match(Answer(object_id=3), TRUTH, "") == 1.0
    assert id_match(Answer(object_id=2), TRUTH, "") == 0.0
    assert id_match(Answer(Interval(0.0, 1.0)), TRUTH, "") == 0.0
    assert id_match(ParseFailure("no tags"), TRUTH, "") == 0.0


def test_the_right_id_at_the_wrong_time_still_counts():
    assert id_match(Answer(Interval(8.0, 9.0), 3), TRUTH, "") == 1.0


def test_without_a_truth_they_are_not_scored():
    assert id_match(Answer(object_id=3), Answer(), "") is None
    assert tube_viou(TRUTH, Answer(), "") is None
    assert tube_viou(ParseFailure("no tags"), Answer(), "") is None


FULL, HALF = [0, 0, 10, 10], [0, 0, 10, 5]  # HALF overlaps the truth by 50 / 100 = 0.5


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (tube(10, FULL, FULL, FULL, FULL), 1.0),
        (tube(10, HALF, HALF, HALF, HALF), 0.5),
        (tube(12, FULL, FULL, FULL, FULL), 2 / 6),  # frames 12, 13 shared; 10..15 in the union
        (tube(12, FULL, HALF), 1.5 / 4),  # (1 + 0.5) over the truth's four frames
        (tube(10, FULL, NO_BOX, NO_BOX, FULL), 0.5),  # frames without a box add nothing: 2 / 4
        (tube(8, *[FULL] * 16), 0.25),  # all 16 frames of a video: 4 / 16
        (tube(14, FULL), 0.0),  # one frame too late
        (tube(10), 0.0),  # an empty tube
        (tube(10, *[NO_BOX] * 4), 0.0),
        (tube(10, *[[20, 20, 30, 30]] * 4), 0.0),  # elsewhere
    ],
)
def test_tube_viou_hand_worked(answer, expected):
    assert tube_viou(answer, TRUTH, "") == pytest.approx(expected)


def test_a_failure_and_a_missing_tube_score_0():
    assert tube_viou(ParseFailure("no tags"), TRUTH, "") == 0.0
    assert tube_viou(Answer(Interval(0.0, 1.0), 3), TRUTH, "") == 0.0


@given(tubes, tubes)
def test_tube_viou_is_symmetric_and_in_range(a, b):
    there = tube_viou(a, b, "")
    assert 0.0 <= there <= 1.0
    assert there == pytest.approx(tube_viou(b, a, ""))


@given(tubes)
def test_an_object_against_itself_gets_the_share_of_frames_that_have_an_area(a):
    boxes = a.tube.boxes
    # A box of IoU 1 with itself needs an area; NaN (no box) compares false.
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    expected = float((areas > 0).mean()) if len(boxes) else 0.0
    assert tube_viou(a, a, "") == pytest.approx(expected)
