"""Tests of the conversions between cameras; expected values by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift3d.scene import is_rigid
from lift3d.scenes.cameras import (
    camera_matrix,
    from_axis_angle,
    from_corner_origin,
    from_opengl,
    from_quaternion,
    from_world_to_camera,
    scaled,
    with_positive_fy,
)

ANGLES = st.floats(-3, 3)
METRES = st.floats(-10, 10)


def test_opengl_looks_along_minus_z_and_has_y_up() -> None:
    pose = np.eye(4)
    pose[:3, 3] = [1, 2, 3]
    converted = from_opengl(pose)
    # One metre ahead and one below, in OpenCV (0, 1, 1), is (0, -1, -1) in OpenGL: at (1, 2 - 1, 3 - 1) in the world.
    np.testing.assert_array_equal(converted @ [0, 1, 1, 1], [1, 1, 2, 1])
    np.testing.assert_array_equal(from_opengl(converted), pose)


def test_world_to_camera_is_inverted() -> None:
    # The world's origin lies 2 m ahead: the camera is at z = -2.
    pose = np.eye(4)
    pose[2, 3] = 2
    assert from_world_to_camera(pose)[:3, 3].tolist() == [0, 0, -2]
    assert np.isnan(from_world_to_camera(np.zeros((4, 4)))).all()


def test_a_quaternion_by_hand() -> None:
    # 90 degrees about z: (0, 0, sin 45, cos 45), of any length; x goes to y.
    pose = from_quaternion([0, 0, 3, 3], [1, 2, 3])
    np.testing.assert_allclose(pose @ [1, 0, 0, 1], [1, 3, 3, 1], atol=1e-12)


@pytest.mark.parametrize("bad", [[0, 0, 0, 0], [np.nan, 0, 0, 1], [np.inf, 0, 0, 1]])
def test_quaternions_that_are_no_rotation(bad: list[float]) -> None:
    assert np.isnan(from_quaternion(bad, [0, 0, 0])).all()


def test_an_axis_with_an_angle_by_hand() -> None:
    pose = from_axis_angle(np.array([0, 0, np.pi / 2]), np.array([1, 2, 3]))
    np.testing.assert_allclose(pose @ [1, 0, 0, 1], [1, 3, 3, 1], atol=1e-12)
    np.testing.assert_array_equal(from_axis_angle(np.zeros(3), np.zeros(3)), np.eye(4))
    assert np.isnan(from_axis_angle(np.array([np.nan, 0, 0]), np.zeros(3))).all()


def test_scaling_by_hand() -> None:
    # 1296 x 968 to 640 x 480: (647.5 + 0.5) * 640 / 1296 - 0.5 = 319.5, (483.5 + 0.5) * 480 / 968 - 0.5 = 239.5
    camera = scaled(camera_matrix(1296, 968, 647.5, 483.5), (968, 1296), (480, 640))
    np.testing.assert_allclose(camera, camera_matrix(640, 480, 319.5, 239.5))


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 8))
def test_scaling_there_and_back_is_nothing(height: int, width: int, factor: int) -> None:
    camera = camera_matrix(100, 90, width / 2, height / 3)
    there = scaled(camera, (height, width), (factor * height, factor * width))
    np.testing.assert_allclose(scaled(there, (factor * height, factor * width), (height, width)), camera)


@given(st.integers(2, 9), st.floats(-1, 1), st.floats(-1, 1))
def test_a_ray_meets_the_same_part_of_the_image_at_any_size(factor: int, x: float, y: float) -> None:
    camera = camera_matrix(50, 50, 30, 20)
    column, row, _ = camera @ [x, y, 1]
    large_column, large_row, _ = scaled(camera, (48, 64), (factor * 48, factor * 64)) @ [x, y, 1]
    # Measured from the image's corner, at -0.5, everything grows by the factor.
    np.testing.assert_allclose([large_column + 0.5, large_row + 0.5], factor * np.array([column + 0.5, row + 0.5]))


def test_the_corner_as_origin() -> None:
    camera = camera_matrix(5, 5, 32, 24)
    assert from_corner_origin(camera)[:2, 2].tolist() == [31.5, 23.5]
    assert camera[0, 2] == 32  # untouched


@given(st.tuples(ANGLES, ANGLES, ANGLES), st.tuples(METRES, METRES, METRES), st.floats(0, 60), st.floats(0, 40))
def test_negative_fy_keeps_the_point_of_every_pixel(
    turn: tuple[float, ...], move: tuple[float, ...], column: float, row: float
) -> None:
    camera, pose = camera_matrix(50, -48, 30, 20), from_axis_angle(np.array(turn), np.array(move))
    positive, turned = with_positive_fy(camera, pose)
    assert positive[1, 1] == 48 and camera[1, 1] == -48
    before = pose @ [*(np.linalg.inv(camera) @ [column, row, 1]), 1]
    after = turned @ [*(np.linalg.inv(positive) @ [column, row, 1]), 1]
    np.testing.assert_allclose(after, before, atol=1e-9)
    assert is_rigid(turned)


def test_positive_fy_is_left_alone() -> None:
    camera, pose = camera_matrix(50, 48, 30, 20), np.eye(4)
    assert with_positive_fy(camera, pose) == (camera, pose)


@pytest.mark.parametrize(
    ("pose", "rigid"),
    [
        (np.eye(4), True),
        (np.diag([1, 1, -1, 1]), True),  # mirrored
        (np.diag([1.004, 1, 1, 1]), True),  # 1.004 squared is 1.008: a few digits lost in writing
        (np.diag([1.02, 1, 1, 1]), False),
        (np.zeros((4, 4)), False),
        (np.diag([1, 1, 1, 2]), False),
        (np.eye(4) + np.eye(4, k=-1), False),
    ],
)
def test_rigid(pose: np.ndarray, rigid: bool) -> None:
    assert is_rigid(pose.astype(float)) is rigid


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e300])
def test_poses_that_are_senseless_stay_so_without_a_warning(value: float) -> None:
    assert np.array_equal(np.abs(from_opengl(np.full((4, 4), value))), np.full((4, 4), abs(value)), equal_nan=True)
    assert not is_rigid(from_opengl(np.full((4, 4), value)))
    assert not is_rigid(from_axis_angle(np.full(3, value), np.zeros(3)))
    assert not is_rigid(from_quaternion(np.ones(4), np.full(3, value)))
    huge = from_quaternion(np.array([0, 0, 0, value]), np.zeros(3))
    assert is_rigid(huge) == np.isfinite(value)  # a quaternion may have any length
