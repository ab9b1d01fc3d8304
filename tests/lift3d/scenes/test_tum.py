"""Tests of TUM RGB-D and ICL-NUIM: same geometry, pairing by time, cameras, negative fy."""

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

Check = Callable[[Scene], None]


def line(time: float, pose: np.ndarray) -> str:
    values = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]  # scalar last
    return f"{time:.6f} " + " ".join(f"{value:.9f}" for value in values) + "\n"


def write(root: Path, truth: Any) -> Path:
    """Depth at 0.1 k, colour 10 ms later, poses 5 ms earlier and every 50 ms."""
    root.mkdir(exist_ok=True)
    depth, colour, poses = ["# depth maps\n"], ["# colour\n"], ["# timestamp tx ty tz qx qy qz qw\n"]
    for frame, pose in enumerate(truth.poses):
        truth.save_depth(root / "depth" / f"{frame / 10:.6f}.png", frame, units=5000)
        truth.save_colour(root / "rgb" / f"{frame / 10 + 0.01:.6f}.png", frame)
        depth.append(f"{frame / 10:.6f} depth/{frame / 10:.6f}.png\n")
        colour.append(f"{frame / 10 + 0.01:.6f} rgb/{frame / 10 + 0.01:.6f}.png\n")
        poses += [line(frame / 10 - 0.005, pose), line(frame / 10 + 0.045, np.eye(4))]
    (root / "depth.txt").write_text("".join(depth))
    (root / "rgb.txt").write_text("".join(colour))
    (root / "groundtruth.txt").write_text("".join(poses))
    (root / "intrinsics.txt").write_text("58.5 58.5 31.55 23.55\n")
    return root


def test_the_same_geometry(tmp_path: Path, truth: Any, assert_same: Check) -> None:
    scene = open_scene(write(tmp_path, truth))
    assert_same(scene)
    assert (scene.layout, scene.problems) == ("tum", ())
    assert [view.time for view in scene.views] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert scene.views[1].name == "0.100000"


def test_frames_farther_than_20_ms_from_a_pose_are_left_out(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    # 0.1 - 0.079 = 0.021 s: too far; 0.2 - 0.181 = 0.019 s: near enough.
    poses = [line(0, truth.poses[0]), line(0.079, truth.poses[1]), line(0.181, truth.poses[2])]
    (tmp_path / "groundtruth.txt").write_text("".join(poses))
    loaded = load(tmp_path)
    assert [view.name for view in loaded.views] == ["0.000000", "0.200000"]
    assert loaded.left_out["0.100000"] == "there is no pose"


def test_a_quaternion_of_zeros_is_a_lost_pose(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    rows = (tmp_path / "groundtruth.txt").read_text().splitlines()
    rows[1] = "-0.005 0 0 0 0 0 0 0"
    (tmp_path / "groundtruth.txt").write_text("\n".join(rows))
    assert load(tmp_path).left_out == {"0.000000": "the pose is not finite (tracking was lost)"}


def test_poses_of_no_file_or_of_two_are_refused(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    (tmp_path / "groundtruth.txt").rename(tmp_path / "a.gt.freiburg")
    (tmp_path / "b.gt.freiburg").touch()
    with pytest.raises(UserError, match=r"expected groundtruth.txt or one \*.gt.freiburg, found 2"):
        load(tmp_path)


def test_icl_nuim_has_a_negative_fy(tmp_path: Path, truth: Any, assert_same: Check) -> None:
    """Written as ICL-NUIM is: the camera's y axis up, so y' = -y in the camera, and fy < 0."""
    write(tmp_path, truth)
    mirror = np.diag([1.0, -1.0, 1.0, 1.0])
    # A mirrored camera has no quaternion in a right-handed world: ICL-NUIM's world is mirrored as well.
    poses = [mirror @ pose @ mirror for pose in truth.poses]
    (tmp_path / "groundtruth.txt").unlink()
    (tmp_path / "livingRoom0.gt.freiburg").write_text("".join(line(k / 10, pose) for k, pose in enumerate(poses)))
    (tmp_path / "intrinsics.txt").write_text("58.5 -58.5 31.55 23.55\n")
    scene = open_scene(tmp_path)
    assert scene.problems == ()  # the frames agree with one another
    for frame, view in enumerate(scene.views):
        assert view.intrinsics[1, 1] == 58.5
        np.testing.assert_allclose(view.pose, mirror @ truth.poses[frame], atol=1e-6)  # the truth in a mirrored world
    assert scene.up == (0, 1, 0)


def test_icl_nuim_from_associations_with_its_own_camera(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    for name in ("depth.txt", "rgb.txt", "intrinsics.txt", "groundtruth.txt"):
        (tmp_path / name).unlink()
    pairs = [f"{k} depth/{k / 10:.6f}.png {k} rgb/{k / 10 + 0.01:.6f}.png\n" for k in range(6)]
    (tmp_path / "associations.txt").write_text("".join(pairs))
    # Its poses begin with frame 1.
    (tmp_path / "traj0.gt.freiburg").write_text("".join(line(k, truth.poses[k]) for k in range(1, 6)))
    loaded = load(tmp_path)
    assert list(loaded.left_out) == ["0.000000"]
    camera = loaded.views[0].intrinsics
    assert (camera[0, 0], camera[1, 1], camera[0, 2], camera[1, 2]) == (481.2, 480, 319.5, 239.5)
    np.testing.assert_allclose(loaded.views[0].read_colour().mean(axis=(0, 1)), truth.colour(1))


@pytest.mark.parametrize(
    ("folder", "fx"), [("rgbd_dataset_freiburg1_desk", 517.3), ("freiburg3_x", 535.4), ("x", 525.0)]
)
def test_the_camera_is_known_from_the_name(tmp_path: Path, truth: Any, folder: str, fx: float) -> None:
    root = write(tmp_path / folder, truth)
    (root / "intrinsics.txt").unlink()
    scene = load(root)
    assert scene.views[0].intrinsics[0, 0] == fx
    assert any("recorder's default" in problem for problem in scene.problems) == (folder == "x")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("groundtruth.txt", "0 1 2 3\n", "groundtruth.txt, line 1: expected 8 numbers, got 4"),
        ("groundtruth.txt", "# t\n0 a b c d e f g\n", "line 2: expected 8 numbers"),
        ("depth.txt", "0.1\n", r"depth.txt, line 1: expected 'time file'"),
        ("depth.txt", "nan depth/a.png\n", "a time must be finite"),
        ("depth.txt", "0.0 ../outside.png\n", "leaves its root"),
        ("depth.txt", "0.0 /etc/passwd\n", "leaves its root"),
        ("intrinsics.txt", "1 2 3\n", "expected 4 numbers, got 3"),
    ],
)
def test_broken_texts(tmp_path: Path, truth: Any, file: str, text: str, message: str) -> None:
    (write(tmp_path, truth) / file).write_text(text)
    with pytest.raises(UserError, match=message):
        load(tmp_path)


def test_associations_need_four_fields(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    (tmp_path / "depth.txt").unlink()
    (tmp_path / "associations.txt").write_text("0 depth/a.png\n")
    with pytest.raises(UserError, match=r"associations.txt, line 1: expected 'time file time file', got 2 fields"):
        load(tmp_path)
