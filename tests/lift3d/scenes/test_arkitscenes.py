"""Tests of ARKitScenes: same geometry from world-to-camera axis-angle poses, matching by time, both releases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from grounding.core import UserError
from lift3d.scene import Scene
from lift3d.scenes import load, open_scene


def write(root: Path, truth: Any, pose_shift: float = 0.004, camera_shift: float = 0.001) -> Path:
    (root / "lowres_wide_intrinsics").mkdir(parents=True)
    lines = []
    for frame, pose in enumerate(truth.poses):
        time = 305.374 + frame / 10
        truth.save_depth(root / "lowres_depth" / f"4106_{time:.3f}.png", frame)
        truth.save_colour(root / "lowres_wide" / f"4106_{time:.3f}.png", frame)
        camera = root / "lowres_wide_intrinsics" / f"4106_{time + camera_shift:.3f}.pincam"
        camera.write_text("64 48 58.5 58.5 31.55 23.55")
        inverse = np.linalg.inv(pose)
        values = [*Rotation.from_matrix(inverse[:3, :3]).as_rotvec(), *inverse[:3, 3]]
        lines.append(f"{time + pose_shift:.6f} " + " ".join(f"{value:.9f}" for value in values))
    (root / "lowres_wide.traj").write_text("\n".join(lines) + "\n")
    return root


def test_the_same_geometry(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    scene = open_scene(write(tmp_path / "4106", truth))
    assert_same(scene)
    assert (scene.layout, scene.problems) == ("arkitscenes", ())
    assert scene.views[1].time == 305.474
    assert scene.views[1].name == "4106_305.474"


def test_the_3dod_release_has_a_folder_of_frames_and_a_mesh(
    tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]
) -> None:
    write(tmp_path / "4106_frames", truth)
    head = "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    (tmp_path / "4106_3dod_mesh.ply").write_text(head + "1 2 3\n")
    scene = load(tmp_path)
    assert_same(scene)
    assert scene.points is not None and scene.points.tolist() == [[1, 2, 3]]


def test_poses_more_than_5_ms_away_are_none(tmp_path: Path, truth: Any) -> None:
    with pytest.raises(UserError, match=r"there is no pose: frames 4106_305\.374, "):
        load(write(tmp_path, truth, pose_shift=0.006))


def test_cameras_more_than_1_ms_away_are_none(tmp_path: Path, truth: Any) -> None:
    with pytest.raises(UserError, match="the intrinsics are not finite"):
        load(write(tmp_path, truth, camera_shift=0.002))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("lowres_wide.traj", "1 2 3\n", r"lowres_wide\.traj, line 1: expected 7 numbers, got 3"),
        ("lowres_wide_intrinsics/4106_305.375.pincam", "64 48 1 1", "expected 6 numbers, got 4"),
        ("lowres_wide_intrinsics/4106_305.375.pincam", "0 48 1 1 1 1", "width must be a whole number"),
        ("lowres_wide_intrinsics/4106_305.375.pincam", "nan 48 1 1 1 1", "width must be a whole number"),
        ("lowres_wide.traj", "nan 0 0 0 0 0 0\n", "line 1: a time must be finite"),
        ("lowres_depth/notime.png", "", "expected 1 numbers"),
        ("lowres_depth/a_inf.png", "", "a time must be finite"),
    ],
)
def test_broken_files(tmp_path: Path, truth: Any, file: str, text: str, message: str) -> None:
    (write(tmp_path / "a", truth) / file).write_text(text)
    with pytest.raises(UserError, match=message):
        load(tmp_path / "a")


def test_a_lost_pose_is_left_out(tmp_path: Path, truth: Any) -> None:
    write(tmp_path / "a", truth)
    path = tmp_path / "a" / "lowres_wide.traj"
    lines = path.read_text().splitlines()
    lines[0] = "305.374 nan nan nan 0 0 0"
    path.write_text("\n".join(lines))
    assert load(tmp_path / "a").left_out == {"4106_305.374": "the pose is not finite (tracking was lost)"}
