from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grounding.core import Answer, Interval, Mask, ParseFailure, Tube, rle
from rewards import Meta, box_giou, box_iou, id_match, id_set_f1, point_in_mask, tube_viou

TRUTH = Answer(Interval(0.0, 1.0), 3, Tube(10, np.tile([0.0, 0.0, 10.0, 10.0], (4, 1))))
NO_BOX = [np.nan] * 4
META = Meta()


def tube(start, *boxes):
    return Answer(tube=Tube(start, np.array(boxes, float).reshape(-1, 4)))


def with_gaps(raw):
    boxes = np.concatenate([raw[:, :2], raw[:, :2] + raw[:, 2:4]], axis=1)
    boxes[raw[:, 4] < 0.3] = np.nan
    return boxes


raw_boxes = hnp.arrays(float, st.tuples(st.integers(0, 12), st.just(5)), elements=st.floats(0, 1))
tubes = st.builds(lambda start, raw: Answer(tube=Tube(start, with_gaps(raw))), st.integers(0, 10), raw_boxes)


def test_id_match():
    assert id_match(Answer(object_id=3), TRUTH, META) == 1.0
    assert id_match(Answer(object_id=2), TRUTH, META) == 0.0
    assert id_match(Answer(Interval(0.0, 1.0)), TRUTH, META) == 0.0
    assert id_match(ParseFailure("no tags"), TRUTH, META) == 0.0


def test_the_right_id_at_the_wrong_time_still_counts():
    assert id_match(Answer(Interval(8.0, 9.0), 3), TRUTH, META) == 1.0


def test_without_a_truth_they_are_not_scored():
    assert id_match(Answer(object_id=3), Answer(), META) is None
    assert tube_viou(TRUTH, Answer(), META) is None
    assert tube_viou(ParseFailure("no tags"), Answer(), META) is None


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
    assert tube_viou(answer, TRUTH, META) == pytest.approx(expected)


def test_a_failure_and_a_missing_tube_score_0():
    assert tube_viou(ParseFailure("no tags"), TRUTH, META) == 0.0
    assert tube_viou(Answer(Interval(0.0, 1.0), 3), TRUTH, META) == 0.0


@given(tubes, tubes)
def test_tube_viou_is_in_range(a, b):
    assert 0.0 <= tube_viou(a, b, META) <= 1.0


@given(tubes)
def test_an_object_against_itself_gets_the_share_of_boxes_that_have_an_area(a):
    boxes = a.tube.boxes[~np.isnan(a.tube.boxes[:, 0])]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])  # a box of IoU 1 with itself needs one
    expected = float((areas > 0).mean()) if len(boxes) else 0.0
    assert tube_viou(a, a, META) == pytest.approx(expected)


# Sets of ids


def ids(*numbers):
    return Answer(object_ids=frozenset(numbers))


@pytest.mark.parametrize(
    ("said", "true", "expected"),
    [
        (ids(1, 2), ids(1, 2), 1.0),
        (ids(1), ids(1, 2), 2 / 3),  # 2 * 1 / (1 + 2)
        (ids(1, 2, 3, 4), ids(1, 2), 4 / 6),  # all four of the video: 2 * 2 / (4 + 2)
        (ids(3), ids(1, 2), 0.0),
        (ids(), ids(), 1.0),  # rightly none
        (ids(1), ids(), 0.0),
        (ids(), ids(1), 0.0),
        (Answer(object_id=1), ids(1), 1.0),  # one id is a set of one
        (ParseFailure("no tags"), ids(), 0.0),
        (ids(1), Answer(), None),
    ],
)
def test_id_set_f1_hand_worked(said, true, expected):
    assert id_set_f1(said, true, META) == expected


# Boxes in an image; the truth is 10 x 10.


def box(*corners):
    return Answer(box=corners)


@pytest.mark.parametrize(
    ("said", "iou", "giou"),
    [
        ((0, 0, 10, 10), 1.0, 1.0),
        # 5 x 10 shared, 10 x 10 + 10 x 10 - 50 = 150 together; the hull is 15 x 10 = 150: GIoU = IoU = 1/3.
        ((5, 0, 15, 10), 1 / 3, 2 / 3),
        # Apart by 10: nothing shared, together 200, hull 30 x 10 = 300: GIoU = -1/3.
        ((20, 0, 30, 10), 0.0, 1 / 3),
        # Only corners near: 5 x 5 shared, 175 together, hull 15 x 15 = 225: GIoU = 25/175 - 50/225 = -5/63.
        ((5, 5, 15, 15), 1 / 7, (1 - 5 / 63) / 2),
        ((2, 2, 2, 8), 0.0, 0.5),  # no area, within: together 100 = hull
        ((0, 0, 1e200, 1e200), 0.0, 0.0),  # its area is no longer a number
    ],
)
def test_boxes_hand_worked(said, iou, giou):
    truth = box(0.0, 0.0, 10.0, 10.0)
    assert box_iou(box(*said), truth, META) == pytest.approx(iou)
    assert box_giou(box(*said), truth, META) == pytest.approx(giou)


def test_boxes_without_area_and_failures():
    point = box(1.0, 1.0, 1.0, 1.0)
    assert box_iou(point, point, META) == box_giou(point, point, META) == 0.0
    for score in (box_iou, box_giou):
        assert score(ParseFailure("no tags"), point, META) == score(Answer(), point, META) == 0.0
        assert score(point, Answer(), META) is None


coordinate = st.floats(0, 1e4)
boxes = st.tuples(coordinate, coordinate, coordinate, coordinate).map(
    lambda c: box(min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)


@given(boxes, boxes)
def test_boxes_are_symmetric_in_range_and_giou_is_the_stricter(a, b):
    iou, giou = box_iou(a, b, META), box_giou(a, b, META)
    assert 0.0 <= iou <= 1.0 and 0.0 <= giou <= 1.0
    assert iou == pytest.approx(box_iou(b, a, META)) and giou == pytest.approx(box_giou(b, a, META))
    assert giou <= (1 + iou) / 2 + 1e-12


# Pointing


def test_point_in_mask():
    dense = np.zeros((6, 8), bool)
    dense[2:4, 3:5] = True
    truth = Answer(mask=Mask((6, 8), rle.encode(dense)))
    assert point_in_mask(Answer(point=(3.5, 2.5)), truth, META) == 1.0
    assert point_in_mask(Answer(point=(2.5, 3.5)), truth, META) == 0.0  # x and y the other way round
    assert point_in_mask(Answer(point=(99.0, 99.0)), truth, META) == 0.0
    assert point_in_mask(Answer(), truth, META) == point_in_mask(ParseFailure("no tags"), truth, META) == 0.0
    assert point_in_mask(Answer(point=(3.5, 2.5)), Answer(), META) is None
