"""Other conventions of cameras, converted at the door to OpenCV axes, camera-to-world, pixel centres at integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

MOST_ANGLE = 1e6  # radians; beyond, their fraction of a turn is rounded away
Y_FLIPPED = np.diag([1.0, -1.0, 1.0, 1.0])


def from_opengl(pose: np.ndarray) -> np.ndarray:
    """Camera-to-world with OpenGL axes (y up, z backward) to OpenCV axes (y down, z forward), both (4, 4).

    The camera's axes turn, the world stays; what is not finite stays so.
    """
    return pose * np.array([1.0, -1.0, -1.0, 1.0])


def from_world_to_camera(pose: np.ndarray) -> np.ndarray:
    """The camera-to-world pose of a world-to-camera one, both (4, 4); not a number where it has no inverse."""
    try:
        return np.linalg.inv(pose)
    except np.linalg.LinAlgError:
        return np.full((4, 4), np.nan)


def from_quaternion(xyzw: Sequence[float] | np.ndarray, translation: Sequence[float] | np.ndarray) -> np.ndarray:
    """A (4, 4) pose out of a quaternion, scalar last, of any length > 0; not a number where it has none."""
    largest = np.abs(xyzw).max()
    if not 1e-9 < largest < np.inf:
        return np.full((4, 4), np.nan)
    return _pose(Rotation.from_quat(np.asarray(xyzw) / largest).as_matrix(), translation)


def from_axis_angle(vector: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """A (4, 4) pose out of a rotation vector, axis times angle in radians; not a number where that is senseless."""
    if not (np.abs(vector) < MOST_ANGLE).all():
        return np.full((4, 4), np.nan)
    return _pose(Rotation.from_rotvec(vector).as_matrix(), translation)


def camera_matrix(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """The (3, 3) matrix of a pinhole camera, in pixels, centres at integers."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=np.float64)


def from_corner_origin(intrinsics: np.ndarray) -> np.ndarray:
    """Pixel centres at integers plus a half (COLMAP, nerfstudio) to centres at integers (OpenCV)."""
    moved = intrinsics.copy()
    moved[:2, 2] -= 0.5
    return moved


def scaled(intrinsics: np.ndarray, size: tuple[int, int], to_size: tuple[int, int]) -> np.ndarray:
    """The camera matrix of an image resized from `size` to `to_size`, both (height, width), each axis by itself.

    Pixel centres are at integers, so the image's corner is at -0.5: c' = (c + 0.5) s - 0.5.
    """
    result = intrinsics.copy()
    for row, ratio in ((0, to_size[1] / size[1]), (1, to_size[0] / size[0])):
        result[row, :2] *= ratio
        result[row, 2] = (result[row, 2] + 0.5) * ratio - 0.5
    return result


def with_positive_fy(intrinsics: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A camera whose y axis points up (fy < 0, ICL-NUIM) turned to y down; every pixel keeps its point in the world.

    The pose that comes back mirrors (its determinant is -1), for such data live in a left-handed world.
    """
    if intrinsics[1, 1] >= 0:
        return intrinsics, pose
    positive = intrinsics.copy()
    positive[1, 1] *= -1
    return positive, pose @ Y_FLIPPED


def _pose(rotation: np.ndarray, translation: Sequence[float] | np.ndarray) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = translation
    return pose
