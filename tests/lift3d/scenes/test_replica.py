"""Tests of Replica as NICE-SLAM lays it out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from lift3d.scene import Scene
from lift3d.scenes import load, open_scene

CAMERA = {"w": 64, "h": 48, "fx": 58.5, "fy": 58.5, "cx": 31.55, "cy": 23.55, "scale": 6553.5}


def write(root: Path, truth: Any) -> Path:
    for frame in range(6):
        truth.save_depth(root / "results" / f"depth{frame:06d}.png", frame, units=6553.5)
        truth.save_colour(root / "results" / f"frame{frame:06d}.jpg", frame)
    np.savetxt(root / "traj.txt", [pose.ravel() for pose in truth.poses])
    (root / "cam_params.json").write_text(json.dumps({"camera": CAMERA}))
    return root


def test_the_same_geometry(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    scene = open_scene(write(tmp_path, truth))
    assert_same(scene)
    assert (scene.layout, scene.problems) == ("replica", ())


def test_without_parameters_the_camera_of_the_rendering_is_taken(tmp_path: Path, truth: Any) -> None:
    (write(tmp_path, truth) / "cam_params.json").unlink()
    camera = load(tmp_path).views[0].intrinsics
    # 1200 x 680 to 64 x 48: fx = 600 * 64 / 1200 = 32, fy = 600 * 48 / 680; (599.5 + 0.5) * 64 / 1200 - 0.5 = 31.5.
    np.testing.assert_allclose(camera, [[32, 0, 31.5], [0, 28800 / 680, 340 * 48 / 680 - 0.5], [0, 0, 1]])


def test_a_mesh_in_the_folder_is_read(tmp_path: Path, truth: Any) -> None:
    head = "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    (write(tmp_path, truth) / "mesh.ply").write_text(head + "1 2 3\n")
    points = load(tmp_path).points
    assert points is not None and points.tolist() == [[1, 2, 3]]


def test_frames_without_pose_and_poses_without_frame_are_named(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    np.savetxt(tmp_path / "traj.txt", [pose.ravel() for pose in truth.poses[:5]])
    (tmp_path / "results" / "depth000001.png").unlink()
    assert load(tmp_path).left_out == {"1": "there is no depth image", "5": "there is no pose"}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("traj.txt", "1 2 3\n", "traj.txt, line 1: expected 16 numbers, got 3"),
        ("cam_params.json", "{}", "expected 'camera' to be a dict"),
        ("cam_params.json", '{"camera": {"fx": "1"}}', "expected 'fx' to be a float"),
    ],
)
def test_broken_texts(tmp_path: Path, truth: Any, file: str, text: str, message: str) -> None:
    (write(tmp_path, truth) / file).write_text(text)
    with pytest.raises(UserError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(("key", "value"), [("h", 0), ("w", -64), ("scale", 0), ("scale", -1)])
def test_sizes_and_units_must_be_positive(tmp_path: Path, truth: Any, key: str, value: int) -> None:
    (write(tmp_path, truth) / "cam_params.json").write_text(json.dumps({"camera": {**CAMERA, key: value}}))
    with pytest.raises(UserError, match=r"cam_params\.json"):
        load(tmp_path)


def test_sizes_may_be_written_with_a_point(tmp_path: Path, truth: Any) -> None:
    (write(tmp_path, truth) / "cam_params.json").write_text(json.dumps({"camera": {**CAMERA, "h": 48.0, "w": 64.0}}))
    assert load(tmp_path).views[0].intrinsics[0].tolist() == [58.5, 0, 31.55]


def test_two_files_of_one_number_are_refused(tmp_path: Path, truth: Any) -> None:
    truth.save_depth(write(tmp_path, truth) / "results" / "depth3.png", 3, 6553.5)
    with pytest.raises(UserError, match="have one number"):
        load(tmp_path)
