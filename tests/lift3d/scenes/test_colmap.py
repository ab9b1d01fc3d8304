"""Tests of COLMAP, text and binary: same geometry, camera models, files that lie about their length."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from grounding.core import UserError
from lift3d.scene import Scene
from lift3d.scenes import load, open_scene

Check = Callable[[Scene], None]
# Of the colour image, twice as large, pixel centres at a half: 63.6 + 0.5 and 47.6 + 0.5 (see test_scannetpp).
PINHOLE = (117.0, 117.0, 64.1, 48.1)
ARBITRARY = "COLMAP's scale is arbitrary"


def world_to_camera(pose: np.ndarray) -> list[float]:
    inverse = np.linalg.inv(pose)
    x, y, z, w = Rotation.from_matrix(inverse[:3, :3]).as_quat()
    return [w, x, y, z, *inverse[:3, 3]]


def write_images(root: Path, truth: Any) -> None:
    for k in range(6):
        truth.save_depth(root / "depth" / f"f{k}.png", k)
        truth.save_colour(root / "images" / f"f{k}.jpg", k, (96, 128))
    (root / "sparse" / "0").mkdir(parents=True)


def write_text(root: Path, truth: Any, camera: str = "1 PINHOLE 128 96 117 117 64.1 48.1") -> Path:
    write_images(root, truth)
    (root / "sparse" / "0" / "cameras.txt").write_text(f"# Camera list\n{camera}\n")
    lines = ["# Image list\n"]
    for k in reversed(range(6)):  # COLMAP's order is not the names'
        values = " ".join(f"{value:.12f}" for value in world_to_camera(truth.poses[k]))
        points = "1.5 2.5 -1 3.5 4.5 7" if k % 2 else ""  # the second line may be empty
        lines.append(f"{k + 1} {values} 1 f{k}.jpg\n{points}\n")
    (root / "sparse" / "0" / "images.txt").write_text("".join(lines))
    return root


def cameras_bin(model: int = 1, values: tuple[float, ...] = PINHOLE, count: int = 1) -> bytes:
    return struct.pack("<QiiQQ", count, 1, model, 128, 96) + struct.pack(f"<{len(values)}d", *values)


def images_bin(truth: Any, count: int = 6) -> bytes:
    data = struct.pack("<Q", count)
    for k in range(6):
        data += struct.pack("<i7di", k + 1, *world_to_camera(truth.poses[k]), 1) + f"f{k}.jpg".encode() + b"\0"
        data += struct.pack("<Q", k) + struct.pack("<ddq", 1.0, 2.0, -1) * k
    return data


def write_binary(root: Path, truth: Any, cameras: bytes, images: bytes) -> Path:
    write_images(root, truth)
    (root / "sparse" / "0" / "cameras.bin").write_bytes(cameras)
    (root / "sparse" / "0" / "images.bin").write_bytes(images)
    return root


def test_the_same_geometry_from_text(tmp_path: Path, truth: Any, assert_same: Check) -> None:
    scene = open_scene(write_text(tmp_path, truth))
    assert_same(scene)
    assert scene.layout == "colmap"
    assert len(scene.problems) == 1 and scene.problems[0].startswith(ARBITRARY)


def test_the_same_geometry_from_binary(tmp_path: Path, truth: Any, assert_same: Check) -> None:
    scene = open_scene(write_binary(tmp_path, truth, cameras_bin(), images_bin(truth)))
    assert_same(scene)
    assert len(scene.problems) == 1


@pytest.mark.parametrize("folder", ["sparse", "."])
def test_the_model_may_be_in_other_folders(tmp_path: Path, truth: Any, folder: str) -> None:
    write_text(tmp_path, truth)
    for name in ("cameras.txt", "images.txt"):
        (tmp_path / "sparse" / "0" / name).rename(tmp_path / folder / name)
    assert len(load(tmp_path).views) == 6


@pytest.mark.parametrize(
    ("camera", "distorted"),
    [
        ("1 SIMPLE_PINHOLE 128 96 117 64.1 48.1", False),
        ("1 SIMPLE_RADIAL 128 96 117 64.1 48.1 0", False),
        ("1 RADIAL 128 96 117 64.1 48.1 0 0.01", True),
        ("1 OPENCV 128 96 117 117 64.1 48.1 0 0 0 0", False),
        ("1 OPENCV 128 96 117 117 64.1 48.1 0.1 0 0 0", True),
    ],
)
def test_camera_models(tmp_path: Path, truth: Any, assert_same: Check, camera: str, distorted: bool) -> None:
    scene = load(write_text(tmp_path, truth, camera))
    assert_same(scene)
    assert any("image_undistorter" in problem for problem in scene.problems) == distorted


def test_depth_as_an_array_is_in_the_units_of_the_poses(tmp_path: Path, truth: Any, assert_same: Check) -> None:
    write_text(tmp_path, truth)
    for k in range(6):
        (tmp_path / "depth" / f"f{k}.png").unlink()
        np.save(tmp_path / "depth" / f"f{k}.npy", truth.depth[k])
    assert_same(open_scene(tmp_path))


def test_images_without_depth_are_left_out(tmp_path: Path, truth: Any) -> None:
    (write_text(tmp_path, truth) / "depth" / "f3.png").unlink()
    assert load(tmp_path).left_out == {"f3": "there is no depth image"}


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        ("1 OPENCV_FISHEYE 128 96 1 1 1 1 0 0 0 0", "is no pinhole"),
        ("1 MAGIC 128 96 1", "expected 'id MODEL width height parameters'"),
        ("1 PINHOLE 128 96 1 1 1", "expected 4 numbers, got 3"),
        ("1 PINHOLE 0 96 1 1 1 1", "width must be a whole number"),
        ("2 PINHOLE 128 96 1 1 1 1", "has camera 1, which"),
        ("1 PINHOLE", "cameras.txt, line 2"),
    ],
)
def test_broken_cameras(tmp_path: Path, truth: Any, camera: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(write_text(tmp_path, truth, camera))


@pytest.mark.parametrize("line", ["1 2 3", "1 1 0 0 0 0 0 0 x f0.jpg", "1 a 0 0 0 0 0 0 1 f0.jpg"])
def test_broken_images(tmp_path: Path, truth: Any, line: str) -> None:
    (write_text(tmp_path, truth) / "sparse" / "0" / "images.txt").write_text(f"{line}\n\n")
    with pytest.raises(UserError, match=r"images\.txt, line 1: expected"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["../../f0.jpg", "a/../../../f0.jpg"])
def test_names_that_leave_the_scene(tmp_path: Path, truth: Any, name: str) -> None:
    (write_text(tmp_path, truth) / "sparse" / "0" / "images.txt").write_text(f"1 1 0 0 0 0 0 0 1 {name}\n\n")
    with pytest.raises(UserError, match="leaves its root"):
        load(tmp_path)


def test_counts_larger_than_the_file(tmp_path: Path, truth: Any) -> None:
    with pytest.raises(UserError, match=r"cameras\.bin is cut off or damaged"):
        load(write_binary(tmp_path / "a", truth, cameras_bin(count=2**63), images_bin(truth)))
    with pytest.raises(UserError, match=r"images\.bin is cut off or damaged"):
        load(write_binary(tmp_path / "b", truth, cameras_bin(), images_bin(truth, count=7)))


def test_an_unknown_model_number(tmp_path: Path, truth: Any) -> None:
    with pytest.raises(UserError, match="camera 1 has the unknown model 99"):
        load(write_binary(tmp_path, truth, cameras_bin(model=99), images_bin(truth)))


def test_a_name_without_end(tmp_path: Path, truth: Any) -> None:
    images = struct.pack("<Qi7di", 1, 1, 1, 0, 0, 0, 0, 0, 0, 1) + b"x" * 10_000
    with pytest.raises(UserError, match="does not end within 4096 bytes"):
        load(write_binary(tmp_path, truth, cameras_bin(), images))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_models_are_user_errors_or_scenes(tmp_path: Path, truth: Any, data: st.DataObject) -> None:
    root = tmp_path / "fuzz"
    if not root.exists():
        write_images(root, truth)
    for name, whole in (("cameras.bin", cameras_bin()), ("images.bin", images_bin(truth))):
        damaged = bytearray(whole)
        for _ in range(data.draw(st.integers(0, 2))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        (root / "sparse" / "0" / name).write_bytes(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    with contextlib.suppress(UserError):
        assert 1 <= len(load(root).views) <= 6


def test_empty_lines_before_images_mean_nothing(tmp_path: Path, truth: Any, assert_same: Check) -> None:
    path = write_text(tmp_path, truth) / "sparse" / "0" / "images.txt"
    lines = path.read_text().splitlines()
    pairs = [lines[at : at + 2] for at in range(1, 13, 2)]  # after the comment: an image and its points, six times
    path.write_text("\n".join([lines[0], "", *(line for pair in pairs for line in (*pair, "")), "", " "]))
    assert_same(load(tmp_path))


def test_images_without_their_lines_of_points_are_refused(tmp_path: Path, truth: Any) -> None:
    """Every second image would be taken for points and be lost."""
    path = write_text(tmp_path, truth) / "sparse" / "0" / "images.txt"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if line.endswith(".jpg")))
    with pytest.raises(UserError, match=r"images\.txt, line 2: expected the points of the image above"):
        load(tmp_path)


def test_a_camera_that_stands_twice_is_refused(tmp_path: Path, truth: Any) -> None:
    line = "1 PINHOLE 128 96 117 117 64.1 48.1"
    with pytest.raises(UserError, match="camera 1 stands twice"):
        load(write_text(tmp_path, truth, f"{line}\n{line}"))


def test_numbers_of_five_thousand_digits(tmp_path: Path, truth: Any) -> None:
    huge = "9" * 5000
    with pytest.raises(UserError, match="line 2: the width must be a whole number"):
        load(write_text(tmp_path / "a", truth, f"1 PINHOLE {huge} 96 117 117 64.1 48.1"))
    (write_text(tmp_path / "b", truth) / "sparse" / "0" / "images.txt").write_text(f"1 1 0 0 0 0 0 0 {huge} f0.jpg\n\n")
    with pytest.raises(UserError, match="line 1: the camera must be a whole number"):
        load(tmp_path / "b")


def test_names_with_backslashes(tmp_path: Path, truth: Any, assert_same: Check) -> None:
    path = write_text(tmp_path, truth) / "sparse" / "0" / "images.txt"
    for folder in ("images", "depth"):
        (tmp_path / folder).rename(tmp_path / "moved")
        (tmp_path / folder).mkdir()
        (tmp_path / "moved").rename(tmp_path / folder / "cam")
    path.write_text("".join(line.replace(" f", " cam\\f") + "\n" for line in path.read_text().splitlines()))
    scene = load(tmp_path)
    assert_same(scene)
    assert scene.views[0].name == "cam_f0"


def test_a_name_too_long_for_a_file(tmp_path: Path, truth: Any) -> None:
    (write_text(tmp_path, truth) / "sparse" / "0" / "images.txt").write_text(f"1 1 0 0 0 0 0 0 1 {'x' * 300}.jpg\n\n")
    with pytest.raises(UserError, match="the name of a frame must have at most 240 bytes"):
        load(tmp_path)
