"""Tubes and their volume IoU (HC-STVG's: the union of the frames is the denominator)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Tube, UserError

BOX = [0.0, 0.0, 4.0, 4.0]
NONE = [float("nan")] * 4


def still(start: int, count: int, box: list[float] | None = None) -> Tube:
    return Tube(start, np.tile(np.array(box or BOX), (count, 1)))


@st.composite
def tubes(draw: st.DrawFn) -> Tube:
    rows = draw(st.lists(st.none() | st.tuples(*[st.floats(0, 50)] * 4), max_size=8))
    boxes = [NONE if r is None else [r[0], r[1], r[0] + r[2], r[1] + r[3]] for r in rows]
    return Tube(draw(st.integers(0, 10)), np.array(boxes, float).reshape(-1, 4))


@pytest.mark.parametrize(
    ("start", "boxes", "message"),
    [
        (0, np.zeros((2, 3)), r"shape \(frames, 4\), got \(2, 3\)"),
        (0, np.zeros(4), r"shape \(frames, 4\), got \(4,\)"),
        (-1, np.zeros((1, 4)), "frame 0 or later, got -1"),
        (0, [BOX, [0, 0, np.nan, 4]], "a mixture"),
        (0, [BOX, [5, 0, 4, 4]], r"x1 <= x2 and y1 <= y2, got \[5.0, 0.0, 4.0, 4.0\]"),
        (0, [[0, 5, 4, 4]], "x1 <= x2"),
        (0, [[0, 0, np.inf, 4]], "finite"),
    ],
)
def test_bad_tubes(start: int, boxes: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Tube(start, boxes)  # type: ignore[arg-type]


def test_frames_are_half_open() -> None:
    assert still(5, 3).frames == range(5, 8)
    assert still(5, 0).frames == range(5, 5)


def test_boxes_cannot_be_changed_and_the_given_array_is_left_alone() -> None:
    boxes = np.array([BOX])
    tube = Tube(0, boxes)
    boxes[0, 0] = 1  # still the caller's own
    assert tube.boxes[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        tube.boxes[0, 0] = 1


@pytest.mark.parametrize(
    ("start", "count", "mine", "theirs"),
    [
        (3, 4, [2, 3, 4], [0, 1, 2]),  # frames 1..5 and 3..6 share 3, 4, 5
        (0, 9, [0, 1, 2, 3, 4], [1, 2, 3, 4, 5]),  # it holds all of mine
        (2, 1, [1], [0]),
        (6, 2, [], []),  # right after mine
        (9, 2, [], []),
        (0, 1, [], []),
        (2, 0, [], []),
    ],
)
def test_shared_boxes(start: int, count: int, mine: list[int], theirs: list[int]) -> None:
    def counted(first: int, number: int) -> Tube:
        return Tube(first, np.repeat(np.arange(float(number))[:, None], 4, axis=1))  # box k has four times k

    found = counted(1, 5).shared_boxes(counted(start, count))
    assert [boxes.shape for boxes in found] == [(len(mine), 4), (len(theirs), 4)]
    assert [boxes[:, 0].tolist() for boxes in found] == [mine, theirs]


def test_viou_is_the_mean_box_iou_where_the_frames_agree() -> None:
    truth = Tube(3, np.array([[0, 0, 4, 4], [0, 0, 4, 4.0]]))
    mine = Tube(3, np.array([[0, 0, 4, 4], [0, 0, 4, 2.0]]))
    assert mine.viou(truth) == pytest.approx((1 + 0.5) / 2)


def test_viou_of_shifted_frames() -> None:
    # frames 0..4 and 2..6: shared 2, 3; union 0..5 = 6 frames
    assert still(0, 4).viou(still(2, 4)) == pytest.approx(2 / 6)


def test_viou_of_frames_apart() -> None:
    assert still(0, 4).viou(still(4, 4)) == 0
    assert still(0, 4).viou(still(9, 4)) == 0


def test_viou_denominator_is_the_union_not_tubedetrs_min_for_max() -> None:
    """TubeDETR ends the union at min(prediction end, truth end) where it should be max: overrunning costs nothing."""
    prediction, truth = still(0, 10), still(0, 5)
    assert prediction.viou(truth) == pytest.approx(5 / 10)  # the bug gives 5 / 5
    assert truth.viou(prediction) == pytest.approx(5 / 10)
    # overrunning at both ends: frames 2..12 around 5..9, 4 shared of 10; the bug gives 4 / (9 - 2)
    assert still(2, 10).viou(still(5, 4)) == pytest.approx(4 / 10)


def test_a_frame_without_an_answers_box_counts() -> None:
    assert Tube(0, np.array([BOX, NONE, BOX, BOX])).viou(still(0, 4)) == pytest.approx(3 / 4)


def test_frames_are_compared_where_the_truth_has_a_box() -> None:
    truth = Tube(0, np.array([BOX, NONE, BOX, NONE]))
    assert truth.viou(truth) == still(0, 4).viou(truth) == 1
    assert Tube(0, np.array([BOX, BOX, NONE, NONE])).viou(truth) == pytest.approx(1 / 2)  # one of two boxes
    assert still(0, 8).viou(truth) == pytest.approx(4 / 8)  # both boxes, and 4 frames too many
    assert still(1, 3).viou(truth) == pytest.approx(3 / 4)  # the one box of the three shared frames, of 4 frames
    assert still(3, 1).viou(truth) == 0  # nothing can be compared


def test_empty_tubes_overlap_by_nothing() -> None:
    assert still(0, 0).viou(still(0, 0)) == 0
    assert still(0, 0).viou(still(0, 3)) == 0


@given(tubes(), tubes())
def test_viou_laws(a: Tube, b: Tube) -> None:
    assert 0 <= a.viou(b) <= 1
    shared = len(set(a.frames) & set(b.frames))
    union = len(set(a.frames) | set(b.frames))
    assert a.viou(b) <= (shared / union if union else 0) + 1e-9  # never above the temporal IoU


@given(st.integers(0, 9), st.integers(1, 9))
def test_viou_with_itself_is_one(start: int, count: int) -> None:
    assert still(start, count).viou(still(start, count)) == pytest.approx(1)
