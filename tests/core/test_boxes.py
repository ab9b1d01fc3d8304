"""Boxes: how they overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core.boxes import mask_box, paired_box_iou

side = st.floats(0, 1000)
boxes = st.tuples(side, side, side, side).map(
    lambda n: np.array([min(n[0], n[2]), min(n[1], n[3]), max(n[0], n[2]), max(n[1], n[3])])
)
NO_BOX = np.full(4, np.nan)


def area(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [
        ([0, 0, 4, 4], [2, 2, 6, 6], 4 / 28),  # 2 x 2 of 16 + 16 - 4
        ([0, 0, 4, 4], [0, 0, 4, 2], 8 / 16),
        ([0, 0, 4, 4], [4, 0, 8, 4], 0),  # half-open: they only touch
        ([0, 0, 4, 4], [9, 9, 10, 10], 0),
        ([0, 0, 4, 4], [1, 9, 3, 10], 0),  # apart in y alone
        ([2, 2, 2, 2], [2, 2, 2, 2], 0),  # both empty
        ([5, 5, 1, 1], [0, 0, 6, 6], 0),  # a reversed box is empty, also when both sides are
        ([5, 5, 1, 1], [5, 5, 1, 1], 0),
        ([2, 6], [4, 10], 2 / 8),  # times
        ([6, 2], [0, 10], 0),
        ([0, 0, 0, 2, 2, 2], [1, 1, 1, 3, 3, 4], 1 / 19),  # 1 x 1 x 1 of 8 + 12 - 1
        ([0, 0, 0, 2, 2, 2], [0, 0, 2, 2, 2, 4], 0),  # on top of it
    ],
)
def test_iou_by_hand(a: list[float], b: list[float], iou: float) -> None:
    assert paired_box_iou(np.array(a, float), np.array(b, float)) == pytest.approx(iou)


def test_no_box_overlaps_nothing_and_warns_of_nothing() -> None:
    a = np.array([[0, 0, 4, 4], NO_BOX, NO_BOX, [0, 0, 4, 4]], float)
    b = np.array([NO_BOX, [0, 0, 4, 4], NO_BOX, [0, 0, 4, 4]], float)
    with np.errstate(all="raise"):
        assert paired_box_iou(a, b).tolist() == [0, 0, 0, 1]


def test_broadcasting() -> None:
    many = np.array([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 4, 4]], float)
    assert paired_box_iou(many, np.array([0, 0, 2, 2.0])).tolist() == [0.25, 1, 0.25]
    assert paired_box_iou(np.zeros((0, 4)), np.zeros((0, 4))).shape == (0,)
    assert paired_box_iou(many[:, None], many[None]).shape == (3, 3)


@given(boxes, boxes)
def test_iou_laws(a: np.ndarray, b: np.ndarray) -> None:
    iou = float(paired_box_iou(a, b))
    assert iou == float(paired_box_iou(b, a))
    assert 0 <= iou <= 1
    smaller, larger = sorted([area(a), area(b)])
    if smaller > 1e-9:  # the union is at least the larger one
        assert iou <= smaller / larger + 1e-9
        assert float(paired_box_iou(a, a)) == pytest.approx(1)


@given(boxes, boxes, st.floats(-100, 100), st.floats(0.1, 10))
def test_iou_does_not_depend_on_where_and_how_large(a: np.ndarray, b: np.ndarray, shift: float, scale: float) -> None:
    if min(area(a), area(b)) > 1:
        moved = paired_box_iou(a * scale + shift, b * scale + shift)
        assert float(moved) == pytest.approx(float(paired_box_iou(a, b)), abs=1e-6)


def test_the_box_around_a_mask_ends_after_its_last_pixel() -> None:
    mask = np.zeros((40, 60), bool)
    assert np.isnan(mask_box(mask)).all()
    mask[39, 59] = True
    assert mask_box(mask).tolist() == [59, 39, 60, 40]
    mask[4, 3] = True
    assert mask_box(mask).tolist() == [3, 4, 60, 40]
