"""Boxes of points whose boxes are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lift3d.boxes import Box, boxes_of, corners, ground_frame, upright_box, upright_iou

UP = (0.0, 0.0, 1.0)


def turned(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])


def cube(centre: tuple[float, float, float], size: tuple[float, float, float], angle: float = 0.0) -> Box:
    return Box(np.array(centre), np.array(size), turned(angle))


def test_a_stray_is_in_the_raw_box_alone() -> None:
    # 100 points share a cell, 1 is alone in its own, which holds 1 of the usual 100: it weighs 1 / (100 / 2) = 0.02.
    # A thousandth of the weight of 100.02 may go at either end.
    points = np.zeros((101, 3))
    points[100] = [1, 2, -3]
    found = boxes_of(points, None, UP)
    assert found.raw.tolist() == [0, 0, -3, 1, 2, 0]
    assert found.aabb.tolist() == [0] * 6
    assert found.obb.size.tolist() == [0, 0, 0]
    assert found.frame == "world"


def test_points_that_are_evenly_spread_are_all_in_the_box() -> None:
    points = np.zeros((101, 3))
    points[:, 0] = np.arange(101)
    assert boxes_of(points, None, UP).aabb.tolist() == [0, 0, 0, 100, 0, 0]
    # of 5001 points that weigh 1 each, 5.001 may go at either end: five, and the sixth stays
    points = np.zeros((5001, 3))
    points[:, 2] = np.arange(5001)
    assert boxes_of(points, None, UP).aabb.tolist() == [0, 0, 5, 0, 0, 4995]


def test_points_weigh_by_their_pixels() -> None:
    """Three points of 1000 pixels each and one of few: alone in its cell, it weighs pixels x pixels / (1000 / 2)."""
    points = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]], float)
    ends = [boxes_of(points, None, UP, np.array([1000, 1000, 1000, n])).aabb[3] for n in (1, 30, 50)]
    assert ends == [2, 2, 3]  # 0.002, 1.8 and 5 of a thousandth of some 3000, which is 3


def test_the_alignment_is_applied_before_boxing() -> None:
    alignment = np.array([[0, -1, 0, 10], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)  # a quarter turn, 10 m on
    found = boxes_of(np.array([[0, 0, 0], [1, 2, 3]], float), alignment, (1.0, 0.0, 0.0))
    assert found.aabb.tolist() == [8, 0, 0, 10, 1, 3]  # x' = 10 - y, y' = x
    assert found.frame == "aligned"
    assert found.obb.axes[:, 2].tolist() == pytest.approx([0, 0, 1])


@given(st.floats(-3.1, 3.1), st.floats(0.2, 3), st.floats(0.2, 3), st.floats(0.2, 3))
@example(1.5, 1.5, 1.8537751167835677, 1.0)  # the exact intersection with itself came out empty
def test_a_turned_box_is_found_again(angle: float, x: float, y: float, z: float) -> None:
    made = cube((1, -2, 0.5), (x, y, z), angle)
    found = upright_box(corners(made))
    assert found.centre.tolist() == pytest.approx([1, -2, 0.5], abs=1e-6)
    assert sorted(found.size[:2].tolist()) == pytest.approx(sorted((x, y)), abs=1e-6)
    assert found.size[2] == pytest.approx(z)
    assert np.linalg.det(found.axes) == pytest.approx(1)
    assert upright_iou(found, made) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "points", [[[1, 2, 3]], [[0, 0, 0], [0, 2, 1]], [[0, 0, 0]] * 3, [[0, 0, 0], [1, 1, 0], [2, 2, 0]]]
)
def test_few_or_flat_points_have_a_box(points: list[list[float]]) -> None:
    found = upright_box(np.array(points, float))
    low, high = corners(found).min(axis=0), corners(found).max(axis=0)
    assert (np.array(points) >= low - 1e-9).all() and (np.array(points) <= high + 1e-9).all()
    assert np.isfinite(found.axes).all()


def test_another_up() -> None:
    """y is up: the box of points turned about y."""
    made = cube((0, 0, 0), (2, 1, 0.5), 0.4)
    to_y_up = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float)
    found = upright_box(corners(made) @ to_y_up.T, (0.0, 1.0, 0.0))
    assert sorted(found.size[:2].tolist()) == pytest.approx([1, 2])
    assert found.size[2] == pytest.approx(0.5)
    assert abs(found.axes[:, 2]).tolist() == pytest.approx([0, 1, 0])


def test_ious_by_hand() -> None:
    one = cube((0, 0, 0), (1, 1, 1))
    assert upright_iou(one, cube((0.5, 0, 0), (1, 1, 1))) == pytest.approx(1 / 3)  # 0.5 / 1.5
    assert upright_iou(one, cube((0, 0, 0.5), (1, 1, 1))) == pytest.approx(1 / 3)
    assert upright_iou(one, cube((0, 0, 1), (1, 1, 1))) == 0
    # a unit square and itself turned by 45 degrees share a regular octagon of area 2 * (sqrt(2) - 1)
    octagon = 2 * (2**0.5 - 1)
    assert upright_iou(one, cube((0, 0, 0), (1, 1, 1), np.pi / 4)) == pytest.approx(octagon / (2 - octagon))
    flat = cube((0, 0, 0), (1, 0, 1))
    assert upright_iou(flat, flat) == 0


@given(st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1))
def test_the_ground_frame_is_right_handed_with_up_last(up: tuple[float, float, float]) -> None:
    frame = ground_frame(np.array(up))
    np.testing.assert_allclose(frame.T @ frame, np.eye(3), atol=1e-9)
    assert np.linalg.det(frame) == pytest.approx(1)
    np.testing.assert_allclose(frame[:, 2], np.array(up) / np.linalg.norm(up), atol=1e-9)


def test_the_worlds_own_frame_for_z_up() -> None:
    assert ground_frame(np.array(UP)).tolist() == np.eye(3).tolist()
