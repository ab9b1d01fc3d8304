"""Tests of what is left out of a scene and how it is named; on a ScanNet export, for all layouts end in `assemble`."""

from __future__ import annotations

import os
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
    assert "3.png is no picture" in loaded.left_out["3"]


def test_a_png_cut_off_in_the_middle_is_said_on_opening_and_on_reading(scannet_folder: Path) -> None:
    path = scannet_folder / "depth" / "3.png"
    path.write_bytes(path.read_bytes()[:200])  # its header is whole
    scene = open_scene(scannet_folder)
    assert len(scene.views) == 6
    assert any(problem.endswith("frame 3") and "3.png" in problem for problem in scene.problems)
    with pytest.raises(UserError, match=r"3\.png as a picture: .*cut off"):
        scene.views[3].read_depth()


def test_a_pose_file_of_rubbish_leaves_the_frame_out(scannet_folder: Path) -> None:
    (scannet_folder / "pose" / "1.txt").write_text("1 0 0")
    (scannet_folder / "pose" / "2.txt").write_bytes(b"\xff\xfe\x00")
    left_out = load(scannet_folder).left_out
    assert "1.txt: expected 16 numbers, got 3" in left_out["1"]
    assert "2.txt is not UTF-8" in left_out["2"]


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
    assert loaded.left_out == {"bad": "the pose is no rotation with a translation of at most 1e+07 m"}


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
    assert list(scene.left_out) == ["1"]
    assert "one channel of 16 bits or floats, got uint8 (48, 64)" in scene.left_out["1"]


@pytest.mark.parametrize(
    "camera",
    [
        camera_matrix(5, 5, 3, 2).T,
        camera_matrix(1e300, 5, 3, 2),
        camera_matrix(5, 1e-300, 3, 2),
        camera_matrix(5, 5, 1e300, 2),
        np.zeros((3, 3)),
        np.array([[5.0, 0, 3], [0, 5, 2], [0, 0, 0]]),
    ],
)
def test_a_camera_that_is_none_is_left_out(camera: np.ndarray) -> None:
    loaded = assemble("x", RawScene([frame("good"), frame("bad", intrinsics=camera)]))
    assert loaded.left_out["bad"].startswith("the intrinsics ")


def test_a_pose_beyond_the_earth_is_left_out() -> None:
    pose = np.eye(4)
    pose[0, 3] = 1e300
    loaded = assemble("x", RawScene([frame("good"), frame("bad", pose=pose)]))
    assert loaded.left_out == {"bad": "the pose is no rotation with a translation of at most 1e+07 m"}


def test_sizes_of_another_shape_are_a_doubt() -> None:
    """Depth is 6 x 4: 12 x 8 and 13 x 8.7 pixels show the same, 8 x 8 and 12 x 10 do not."""
    camera = camera_matrix(10, 10, 5.5, 3.5)
    same = [frame("a", intrinsics=camera, intrinsics_of=(8, 12)), frame("b", colour=lambda: picture((870, 1300)))]
    assert assemble("x", RawScene(same)).problems == ()
    other = [
        frame("a", intrinsics=camera, intrinsics_of=(8, 8)),
        frame("b", intrinsics=camera, intrinsics_of=(8, 12), colour=lambda: picture((10, 12))),
    ]
    (problem,) = assemble("x", RawScene(other)).problems
    assert problem.startswith("the sizes differ in shape (intrinsics 8 x 8, depth 6 x 4, colour 6 x 4): ")
    assert problem.endswith("(and the like): frames a, b")


def test_intrinsics_may_depend_on_the_size() -> None:
    of_size = frame(intrinsics=lambda size: camera_matrix(size[1], size[0], 3, 2), intrinsics_of=(4, 6))
    assert assemble("x", RawScene([of_size])).views[0].intrinsics.tolist() == [[6, 0, 3], [0, 4, 2], [0, 0, 1]]


PARTS = ["depth/0.png", "color/0.jpg", "pose/0.txt", "intrinsic/intrinsic_depth.txt", "a_vh_clean_2.ply", "notes.txt"]


@pytest.mark.parametrize("part", PARTS)
def test_a_named_pipe_in_the_place_of_a_file_is_said(scannet_folder: Path, part: str) -> None:
    """Opening one waits for a writer without end."""
    path = scannet_folder / part
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    try:
        scene = open_scene(scannet_folder)
    except UserError as error:
        assert "it is a named pipe" in str(error) or "fits no known layout" in str(error)
    else:
        said = [*scene.problems, *scene.left_out.values()]
        assert any("it is a named pipe" in line for line in said)


def test_a_picture_that_is_postscript_is_not_opened(scannet_folder: Path) -> None:
    """Pillow hands it to another program, whatever its name."""
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EndComments\nshowpage\n"
    (scannet_folder / "color" / "0.jpg").write_bytes(script)
    (scannet_folder / "depth" / "1.png").write_bytes(script)
    scene = load(scannet_folder)
    assert "1.png is no picture that is read here" in scene.left_out["1"]
    (problem,) = scene.problems
    assert "0.jpg is no picture that is read here; give one of PNG, JPEG" in problem


def test_the_same_fault_of_many_files_is_one_line(scannet_folder: Path) -> None:
    for k in range(6):
        (scannet_folder / "color" / f"{k}.jpg").write_bytes(b"rubbish")
    (problem,) = load(scannet_folder).problems
    assert problem.endswith("(and the like): frames 0, 1, 2, 3, 4, 5")
