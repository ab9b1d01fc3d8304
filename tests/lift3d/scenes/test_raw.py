"""Tests of what is left out of a scene and how it is named; on a ScanNet export, for all layouts end in `assemble`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from grounding.core import UserError
from lift3d.scenes import load, open_scene
from lift3d.scenes.cameras import camera_matrix
from lift3d.scenes.images import Picture
from lift3d.scenes.raw import Frame, RawScene, assemble


def picture(size: tuple[int, int] = (4, 6)) -> Picture:
    return Picture(size, lambda: np.ones(size, np.float32))


def frame(name: str = "a", **changes: Any) -> Frame:
    """A frame with nothing wrong; its colour is the size of its depth."""
    camera = camera_matrix(5, 5, 2.5, 1.5)
    values: dict[str, Any] = {"pose": np.eye(4), "intrinsics": camera, "depth": picture, "colour": picture}
    return Frame(name, **{**values, **changes})


@pytest.mark.parametrize("value", [-np.inf, np.inf, np.nan])
def test_a_pose_that_is_not_finite_leaves_the_frame_out(scannet_folder: Path, value: float) -> None:
    for name in ("1", "4"):
        np.savetxt(scannet_folder / "pose" / f"{name}.txt", np.full((4, 4), value))
    loaded = load(scannet_folder)
    assert [view.name for view in loaded.views] == ["0", "2", "3", "5"]
    assert loaded.left_out == dict.fromkeys(("1", "4"), "the pose is not finite (tracking was lost)")
    assert loaded.problems == ()


def test_missing_poses_and_images_are_named(scannet_folder: Path) -> None:
    (scannet_folder / "pose" / "0.txt").unlink()
    (scannet_folder / "depth" / "2.png").unlink()
    (scannet_folder / "color" / "3.jpg").unlink()
    loaded = load(scannet_folder)
    assert loaded.left_out == {"0": "there is no pose", "2": "there is no depth image"}
    assert [view.name for view in loaded.views] == ["1", "3", "4", "5"]  # 3 has depth: it can be lifted
    assert loaded.problems[-1] == "there is no colour image: frame 3"
    with pytest.raises(UserError, match="frame 3: there is no colour image"):
        loaded.views[1].read_colour()


def test_a_file_that_is_no_image_leaves_the_frame_out(scannet_folder: Path) -> None:
    (scannet_folder / "depth" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing")
    loaded = load(scannet_folder)
    assert list(loaded.left_out) == ["3"]
    assert "3.png as an image" in loaded.left_out["3"]


def test_a_png_cut_off_in_the_middle_is_said_on_opening_and_on_reading(scannet_folder: Path) -> None:
    path = scannet_folder / "depth" / "3.png"
    path.write_bytes(path.read_bytes()[:200])  # its header is whole
    scene = open_scene(scannet_folder)
    assert len(scene.views) == 6
    assert any("frame 3" in problem and "3.png" in problem for problem in scene.problems)
    with pytest.raises(UserError, match=r"3\.png as an image: .*cut off"):
        scene.views[3].read_depth()


def test_a_pose_file_of_rubbish_leaves_the_frame_out(scannet_folder: Path) -> None:
    (scannet_folder / "pose" / "1.txt").write_text("1 0 0")
    (scannet_folder / "pose" / "2.txt").write_bytes(b"\xff\xfe\x00")
    left_out = load(scannet_folder).left_out
    assert "1.txt: expected 16 numbers, got 3" in left_out["1"]
    assert "2.txt should be a text file" in left_out["2"]


def test_no_frame_left_is_an_error_with_the_reason(scannet_folder: Path) -> None:
    for path in (scannet_folder / "pose").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="no usable frame among 6 of layout scannet: there is no pose: frames 0, 1"):
        load(scannet_folder)


def test_no_frames_at_all_is_an_error() -> None:
    with pytest.raises(UserError, match="no usable frame among 0"):
        assemble("x", RawScene([]))


@pytest.mark.parametrize("pose", [np.zeros((4, 4)), 2 * np.eye(4), np.diag([1, 1, 1.5, 1])])
def test_a_pose_that_is_not_rigid_is_left_out(pose: np.ndarray) -> None:
    loaded = assemble("x", RawScene([frame("good"), frame("bad", pose=pose)]))
    assert loaded.left_out == {"bad": "the pose is no rotation with a translation"}


def test_a_pose_that_mirrors_is_kept_and_named() -> None:
    """A world with left-handed axes is a world, too; that one axis was flipped by mistake only its owner can tell."""
    mirrored = np.diag([1.0, -1, 1, 1])
    loaded = assemble("x", RawScene([frame("good"), frame("bad", pose=mirrored, colour=None)]))
    assert loaded.left_out == {}
    assert loaded.views[1].pose.tolist() == mirrored.tolist()
    missing, doubt = loaded.problems
    assert missing == "there is no colour image: frame bad"
    assert doubt.startswith("the pose mirrors: ") and doubt.endswith("nothing was changed: frame bad")


@pytest.mark.parametrize(
    "camera", [camera_matrix(0, 5, 3, 2), camera_matrix(5, 0, 3, 2), camera_matrix(5, 5, np.nan, 2)]
)
def test_a_camera_without_focal_length_is_left_out(camera: np.ndarray) -> None:
    loaded = assemble("x", RawScene([frame("good"), frame("bad", intrinsics=camera)]))
    assert list(loaded.left_out) == ["bad"]


def test_the_camera_follows_the_image_it_is_for() -> None:
    # Colour is (8, 12), depth (4, 6): f = 10 becomes 5; (5.5 + 0.5) / 2 - 0.5 = 2.5, (3.5 + 0.5) / 2 - 0.5 = 1.5.
    camera = camera_matrix(10, 10, 5.5, 3.5)
    of_colour = frame(intrinsics=camera, intrinsics_of="colour", colour=lambda: picture((8, 12)))
    of_size = frame("b", intrinsics=camera, intrinsics_of=(8, 12))
    for view in assemble("x", RawScene([of_colour, of_size])).views:
        np.testing.assert_allclose(view.intrinsics, camera_matrix(5, 5, 2.5, 1.5))


def test_a_principal_point_out_of_the_middle_is_a_doubt_that_names_frames() -> None:
    camera = camera_matrix(50, 50, 25, 15)  # for an image ten times as large
    scene = assemble("x", RawScene([frame("a", intrinsics=camera), frame("b", intrinsics=camera)]))
    assert len(scene.views) == 2
    (problem,) = scene.problems
    assert problem.startswith("the principal point (25, 15) is far from the middle of the depth image, 6 x 4")
    assert problem.endswith("frames a, b")


def test_negative_fy_turns_the_camera_and_keeps_the_point() -> None:
    # ICL-NUIM: pixel row 0 with fy = -5, cy = 1.5, z = 2 lies at y = (0 - 1.5) * 2 / -5 = +0.6 of a camera with y up.
    view = assemble("x", RawScene([frame(intrinsics=camera_matrix(5, -5, 2.5, 1.5))])).views[0]
    assert view.intrinsics[1, 1] == 5
    y = (0 - view.intrinsics[1, 2]) * 2 / view.intrinsics[1, 1]
    np.testing.assert_allclose(view.pose @ [0, y, 2, 1], [0, 0.6, 2, 1])


def test_negative_fy_alone_is_no_doubt() -> None:
    assert assemble("x", RawScene([frame(intrinsics=camera_matrix(5, -5, 2.5, 1.5))])).problems == ()


def test_16_bit_depth_of_65535_and_8_bit_images(scannet_folder: Path) -> None:
    Image.fromarray(np.full((48, 64), 65535, np.uint16)).save(scannet_folder / "depth" / "0.png")
    Image.fromarray(np.full((48, 64), 200, np.uint8)).save(scannet_folder / "depth" / "1.png")
    scene = load(scannet_folder)
    assert not scene.views[0].read_depth().any()
    with pytest.raises(UserError, match=r"one channel of 16 bits or floats, got uint8 \(48, 64\)"):
        scene.views[1].read_depth()
