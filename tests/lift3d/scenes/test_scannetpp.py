"""Tests of ScanNet++'s iPhone stream, its colour larger than its depth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from grounding.core import UserError
from lift3d.scene import Scene
from lift3d.scenes import load, open_scene

# Of the colour image, twice as large: f doubles, (31.55 + 0.5) * 2 - 0.5 = 63.6, (23.55 + 0.5) * 2 - 0.5 = 47.6.
CAMERA = [[117.0, 0, 63.6], [0, 117.0, 47.6], [0, 0, 1]]


def write(root: Path, truth: Any, **changes: Any) -> Path:
    entries = {}
    for frame in range(6):
        name = f"frame_{10 * frame:06d}"
        truth.save_depth(root / "iphone" / "depth" / f"{name}.png", frame)
        truth.save_colour(root / "iphone" / "rgb" / f"{name}.jpg", frame, (96, 128))
        other = (truth.poses[frame] + 1).tolist()  # 'pose' is in another frame than the mesh: not to be taken
        aligned = truth.poses[frame].tolist()
        entries[name] = {"aligned_pose": aligned, "pose": other, "intrinsic": CAMERA, "timestamp": frame / 6}
    entries |= changes
    (root / "iphone" / "pose_intrinsic_imu.json").write_text(json.dumps(entries))
    return root


def test_the_same_geometry(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    scene = open_scene(write(tmp_path, truth))
    assert_same(scene)
    assert (scene.layout, scene.problems) == ("scannetpp", ())
    assert [view.name for view in scene.views][:2] == ["frame_000000", "frame_000010"]
    assert scene.views[3].time == 0.5


def test_mesh_and_segments(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    (tmp_path / "scans").mkdir()
    head = "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    (tmp_path / "scans" / "mesh_aligned_0.05.ply").write_text(head + "1 2 3 4 5 6\n")
    (tmp_path / "scans" / "segments.json").write_text('{"segIndices": [4, 9]}')
    scene = load(tmp_path)
    assert scene.points is not None and scene.points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert scene.superpoints is not None and scene.superpoints.tolist() == [4, 9]


def test_a_frame_that_is_not_in_the_poses_is_left_out(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    truth.save_depth(tmp_path / "iphone" / "depth" / "frame_000999.png", 0)
    assert load(tmp_path).left_out == {"frame_000999": "there is no pose"}


def test_a_lost_or_broken_pose_is_left_out(tmp_path: Path, truth: Any) -> None:
    lost = {"aligned_pose": np.full((4, 4), np.nan).tolist(), "intrinsic": CAMERA}
    short = {"aligned_pose": [[1, 2], [3]], "intrinsic": CAMERA}
    loaded = load(write(tmp_path, truth, frame_000000=lost, frame_000010=short))
    assert loaded.left_out["frame_000000"] == "the pose is not finite (tracking was lost)"
    assert "frame_000010: expected 16 numbers, got 3" in loaded.left_out["frame_000010"]


def test_frames_still_in_the_video_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "iphone").mkdir()
    (tmp_path / "iphone" / "pose_intrinsic_imu.json").write_text("{}")
    (tmp_path / "iphone" / "depth.bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"extract them from depth\.bin with ScanNet\+\+'s toolbox first"):
        load(tmp_path)


@pytest.mark.parametrize("entry", [{"aligned_pose": [], "intrinsic": "x"}, {"aligned_pose": []}, 5, []])
def test_a_camera_that_cannot_be_read_is_an_error(tmp_path: Path, truth: Any, entry: Any) -> None:
    with pytest.raises(UserError, match="frame_000000"):
        load(write(tmp_path, truth, frame_000000=entry))


def test_any_json_is_a_user_error_or_a_scene(tmp_path: Path, truth: Any, fuzzed: Any) -> None:
    write(tmp_path, truth)
    sound = {"aligned_pose": truth.poses[0].tolist(), "intrinsic": CAMERA, "timestamp": 0.0}

    def made(draw: Any, anything: st.SearchStrategy[Any]) -> Any:
        entry = {**sound, draw(st.sampled_from(list(sound))): draw(anything)}
        return {"frame_000000": draw(st.just(entry) | anything)}

    fuzzed(tmp_path / "iphone" / "pose_intrinsic_imu.json", made)
