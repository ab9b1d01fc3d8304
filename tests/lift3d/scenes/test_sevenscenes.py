"""Tests of 7-Scenes: its camera at any size, invalid 65535, sequences in folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from lift3d.scene import Scene
from lift3d.scenes import load, open_scene


def write(root: Path, truth: Any, frames: range = range(6)) -> Path:
    root.mkdir(exist_ok=True)
    for frame in frames:
        truth.save_depth(root / f"frame-{frame:06d}.depth.png", frame, invalid=65535)
        truth.save_colour(root / f"frame-{frame:06d}.color.png", frame)
        np.savetxt(root / f"frame-{frame:06d}.pose.txt", truth.poses[frame])
    return root


def test_the_same_geometry(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    scene = open_scene(write(tmp_path, truth))
    assert_same(scene)
    assert (scene.layout, scene.problems) == ("7scenes", ())
    assert scene.views[3].name == "frame-000003"
    assert scene.up == (0, -1, 0)


def test_sequences_in_folders(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    write(tmp_path / "seq-01", truth, range(3))
    write(tmp_path / "seq-02", truth, range(3, 6))
    scene = open_scene(tmp_path)
    assert_same(scene)
    assert [view.name for view in scene.views][2:4] == ["seq-01_frame-000002", "seq-02_frame-000003"]


def test_missing_parts_are_named(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    (tmp_path / "frame-000001.pose.txt").unlink()
    (tmp_path / "frame-000002.color.png").unlink()
    loaded = load(tmp_path)
    assert loaded.left_out == {"frame-000001": "there is no pose"}
    assert loaded.problems[-1] == "there is no colour image: frame frame-000002"


@pytest.mark.parametrize("ending", ["jpg", "jpeg"])
def test_colour_of_bundlefusion(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None], ending: str) -> None:
    write(tmp_path, truth)
    for frame in range(6):
        (tmp_path / f"frame-{frame:06d}.color.png").unlink()
        truth.save_colour(tmp_path / f"frame-{frame:06d}.color.{ending}", frame)
    scene = open_scene(tmp_path)
    assert_same(scene)
    assert scene.problems == ()


def test_two_pictures_of_one_frame_are_refused(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    truth.save_colour(tmp_path / "frame-000002.color.jpg", 2)
    with pytest.raises(UserError, match=r"two colour images of frame frame-000002: .*png and .*jpg"):
        load(tmp_path)


@pytest.mark.parametrize("places", [("",), ("seq-01", "seq-02")])
def test_the_camera_of_3dmatch(tmp_path: Path, truth: Any, places: tuple[str, ...]) -> None:
    write(tmp_path / "seq-01", truth, range(3))
    write(tmp_path / "seq-02", truth, range(3, 6))
    for place in places:
        (tmp_path / place / "camera-intrinsics.txt").write_text("60 0 31.5\n0 61 23.5\n0 0 1\n")
    for view in load(tmp_path).views:  # as it is: it is for the depth, which is not scaled
        assert view.intrinsics.tolist() == [[60, 0, 31.5], [0, 61, 23.5], [0, 0, 1]]


INFO = """m_versionNumber = 4
m_sensorName = StructureSensor
m_colorWidth = 640
m_colorHeight = 480
m_depthWidth = 640
m_depthHeight = 480
m_depthShift = 5000
m_calibrationColorIntrinsic = 580 0 320 0 0 580 240 0 0 0 1 0 0 0 0 1
m_calibrationDepthIntrinsic = 585 0 320 0 0 585 240 0 0 0 1 0 0 0 0 1
m_frames.size = 6
"""


def test_the_camera_and_the_unit_of_bundlefusion(
    tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]
) -> None:
    write(tmp_path, truth)
    for frame in range(6):
        truth.save_depth(tmp_path / f"frame-{frame:06d}.depth.png", frame, units=5000)
    (tmp_path / "info.txt").write_text(INFO)
    scene = open_scene(tmp_path)
    assert_same(scene)  # 585 at 640 x 480 is the truth's 58.5 at 64 x 48
    assert scene.problems == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (INFO.replace("m_depthShift = 5000", "m_depthShift = 0"), "m_depthShift must be a number > 0"),
        (INFO.replace("m_depthWidth = 640\n", ""), "expected a line 'm_depthWidth = ...', found none"),
        (INFO.replace("585 0 320 0 0", "585 0"), "m_calibrationDepthIntrinsic: expected 16 numbers"),
        (INFO + "m_depthShift = 1000\n", "'m_depthShift' stands twice"),
    ],
)
def test_a_broken_info(tmp_path: Path, truth: Any, text: str, message: str) -> None:
    (write(tmp_path, truth) / "info.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        load(tmp_path)


def test_another_info_is_passed_over(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    (write(tmp_path, truth) / "info.txt").write_text("recorded on a Monday\n")
    assert_same(load(tmp_path))
