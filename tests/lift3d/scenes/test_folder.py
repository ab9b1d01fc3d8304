"""Tests of the plain folder: same geometry in each convention it can state, and its errors."""

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

Check = Callable[[Scene], None]
OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


def write(root: Path, truth: Any, convert: Callable[[np.ndarray], np.ndarray] | None = None, **spec: Any) -> Path:
    (root / "pose").mkdir(exist_ok=True)
    for k, pose in enumerate(truth.poses):
        truth.save_depth(root / "depth" / f"view{k}.png", k, spec.get("depth_units_per_metre", 1000), invalid=65535)
        truth.save_colour(root / "color" / f"view{k}.png", k)
        np.savetxt(root / "pose" / f"view{k}.txt", convert(pose) if convert else pose)
    (root / "scene.json").write_text(json.dumps({"intrinsics": truth.intrinsics.tolist(), **spec}))
    return root


@pytest.mark.parametrize(
    ("convert", "spec"),
    [
        (None, {}),
        (None, {"depth_units_per_metre": 5000}),
        (lambda pose: pose @ OPENGL, {"axes": "opengl"}),
        (np.linalg.inv, {"poses": "world_to_camera"}),
        (lambda pose: np.linalg.inv(pose @ OPENGL), {"axes": "opengl", "poses": "world_to_camera"}),
        # Twice the size: f = 117, (31.55 + 0.5) * 2 - 0.5 = 63.6, (23.55 + 0.5) * 2 - 0.5 = 47.6.
        (None, {"intrinsics": [[117, 0, 63.6], [0, 117, 47.6], [0, 0, 1]], "intrinsics_size": [96, 128]}),
        (None, {"intrinsics": [117, 0, 63.6, 0, 117, 47.6, 0, 0, 1], "intrinsics_size": [96, 128]}),
    ],
)
def test_the_same_geometry(tmp_path: Path, truth: Any, assert_same: Check, convert: Any, spec: dict[str, Any]) -> None:
    scene = open_scene(write(tmp_path, truth, convert, **spec))
    assert_same(scene)
    assert (scene.layout, scene.problems) == ("folder", ())


def test_depth_as_arrays_of_metres(tmp_path: Path, truth: Any, assert_same: Check) -> None:
    write(tmp_path, truth)
    for k in range(6):
        (tmp_path / "depth" / f"view{k}.png").unlink()
        np.save(tmp_path / "depth" / f"view{k}.npy", np.where(truth.depth[k] > 0, truth.depth[k], np.nan))
    spec = {"intrinsics": truth.intrinsics.tolist(), "depth_units_per_metre": 1}
    (tmp_path / "scene.json").write_text(json.dumps(spec))
    assert_same(open_scene(tmp_path))


def test_mesh_up_and_alignment(tmp_path: Path, truth: Any) -> None:
    head = "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    (tmp_path / "room.ply").write_text(head + "1 2 3\n")
    turn = [[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    scene = load(write(tmp_path, truth, mesh="room.ply", up=[0, -2, 0], axis_alignment=turn))
    assert scene.points is not None and scene.points.tolist() == [[1, 2, 3]]
    assert scene.up == (0, -1, 0)
    assert scene.axis_alignment is not None and scene.axis_alignment.tolist() == turn


def test_a_lost_pose_is_left_out_in_every_convention(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth, np.linalg.inv, poses="world_to_camera")
    np.savetxt(tmp_path / "pose" / "view1.txt", np.full((4, 4), -np.inf))
    np.savetxt(tmp_path / "pose" / "view2.txt", np.zeros((4, 4)))  # has no inverse
    assert list(load(tmp_path).left_out) == ["view1", "view2"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axis": "opengl"}, "unknown key 'axis'; known are"),
        ({"axes": "OpenGL"}, "axes must be opencv or opengl, got 'OpenGL'"),
        ({"poses": 1}, "poses must be camera_to_world or world_to_camera"),
        ({"intrinsics": [[1, 2], [3, 4]]}, "intrinsics: expected 9 numbers, got 4"),
        ({"intrinsics": None}, "expected 'intrinsics' to be a list"),
        ({"intrinsics_size": [96]}, r"intrinsics_size must be \[height, width\]"),
        ({"intrinsics_size": [0, 5]}, "intrinsics_size: height must be a whole number"),
        ({"intrinsics_size": "96x128"}, r"intrinsics_size must be \[height, width\]"),
        ({"depth_units_per_metre": 0}, "depth_units_per_metre must be a number > 0"),
        ({"depth_units_per_metre": float("nan")}, "depth_units_per_metre must be a number > 0"),
        ({"depth_units_per_metre": True}, "depth_units_per_metre must be a number > 0"),
        ({"up": [0, 0, 0]}, "up must be a direction"),
        ({"up": "z"}, "up: expected 3 numbers"),
        ({"axis_alignment": 5}, "axis_alignment: expected 16 numbers"),
        ({"mesh": "../room.ply"}, "leaves its root"),
        ({"mesh": "none.ply"}, "cannot read .*none.ply"),
    ],
)
def test_broken_descriptions(tmp_path: Path, truth: Any, changes: dict[str, Any], message: str) -> None:
    write(tmp_path, truth)
    spec = {"intrinsics": truth.intrinsics.tolist(), **changes}
    (tmp_path / "scene.json").write_text(json.dumps(spec))
    with pytest.raises(UserError, match=message):
        load(tmp_path)


def test_any_json_is_a_user_error_or_a_scene(tmp_path: Path, truth: Any, fuzzed: Any) -> None:
    write(tmp_path, truth)
    keys = ["intrinsics", "intrinsics_size", "depth_units_per_metre", "axes", "poses", "up", "axis_alignment", "mesh"]
    sound = {"intrinsics": truth.intrinsics.tolist()}
    fuzzed(tmp_path / "scene.json", lambda draw, anything: {**sound, draw(st.sampled_from(keys)): draw(anything)})


def test_sizes_may_be_written_with_a_point(tmp_path: Path, truth: Any) -> None:
    camera = [[117, 0, 63.6], [0, 117, 47.6], [0, 0, 1]]
    scene = load(write(tmp_path, truth, intrinsics=camera, intrinsics_size=[96.0, 128.0]))
    np.testing.assert_allclose(scene.views[0].intrinsics, truth.intrinsics)


@pytest.mark.parametrize("entry", [0, 1e300, float("nan"), float("inf")])
def test_an_alignment_that_is_no_motion_is_refused(tmp_path: Path, truth: Any, entry: float) -> None:
    with pytest.raises(UserError, match="axis_alignment: expected a rotation with a translation"):
        load(write(tmp_path, truth, axis_alignment=[entry] * 16))


def test_a_key_that_stands_twice_is_refused(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    text = (tmp_path / "scene.json").read_text()
    (tmp_path / "scene.json").write_text(text[:-1] + ', "up": [0, 0, 1], "up": [0, 1, 0]}')
    with pytest.raises(UserError, match="'up' stands twice"):
        load(tmp_path)


def test_numbers_and_brackets_without_end(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    for text in ('{"intrinsics": ' + "9" * 5000 + "}", "[" * 100_000):
        (tmp_path / "scene.json").write_text(text)
        with pytest.raises(UserError, match=r"scene\.json is not JSON"):
            load(tmp_path)
