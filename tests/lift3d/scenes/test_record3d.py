"""Tests of Record3D: same geometry from OpenGL poses and a K written by columns; a stand-in for its LZFSE decoder."""

from __future__ import annotations

import json
import sys
import types
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from grounding.core import UserError
from lift3d.scene import Scene
from lift3d.scenes import load, open_scene

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


@pytest.fixture(autouse=True)
def decoder(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """zlib for LZFSE: what is tested is all but the third party's decompression."""
    module = types.ModuleType("liblzfse")
    module.decompress, module.error = zlib.decompress, zlib.error  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "liblzfse", module)
    return module


def write(root: Path, truth: Any, **changes: Any) -> Path:
    (root / "rgbd").mkdir(exist_ok=True)
    poses = []
    for frame, pose in enumerate(truth.poses):
        depth = np.where(truth.depth[frame] > 0, truth.depth[frame], np.nan).astype("<f4")
        (root / "rgbd" / f"{frame}.depth").write_bytes(zlib.compress(depth.tobytes()))
        truth.save_colour(root / "rgbd" / f"{frame}.jpg", frame, (96, 128))
        opengl = pose @ OPENGL
        poses.append([*Rotation.from_matrix(opengl[:3, :3]).as_quat(), *opengl[:3, 3]])
    # Of the colour image, by columns: fx 0 0, 0 fy 0, cx cy 1; (31.55 + 0.5) * 2 - 0.5 = 63.6, likewise 47.6.
    columns = [117.0, 0, 0, 0, 117.0, 0, 63.6, 47.6, 1]
    meta = {"h": 96, "w": 128, "dh": 48, "dw": 64, "fps": 2, "K": columns, "poses": poses, **changes}
    (root / "metadata").write_text(json.dumps({key: value for key, value in meta.items() if value is not None}))
    return root


def test_the_same_geometry(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    scene = open_scene(write(tmp_path, truth))
    assert_same(scene)
    assert (scene.layout, scene.problems) == ("record3d", ())
    assert [view.time for view in scene.views] == [0, 0.5, 1, 1.5, 2, 2.5]
    assert scene.up == (0, 1, 0)


def test_each_frame_may_have_its_own_camera(tmp_path: Path, truth: Any) -> None:
    each = [[117 + frame, 117, 63.6, 47.6] for frame in range(6)]
    scene = load(write(tmp_path, truth, perFrameIntrinsicCoeffs=each))
    assert [view.intrinsics[0, 0] for view in scene.views] == [58.5, 59, 59.5, 60, 60.5, 61]


def test_old_recordings_have_the_lidar_s_size(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth, dh=None, dw=None)
    depth = np.full((256, 192), 1.5, "<f4")
    (tmp_path / "rgbd" / "0.depth").write_bytes(zlib.compress(depth.tobytes()))
    np.testing.assert_array_equal(load(tmp_path).views[0].read_depth(), depth)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"rubbish", r"cannot read .*1\.depth"),
        (zlib.compress(b"1234"), "expected 12288 bytes of depth for .*, got 4"),
    ],
)
def test_depth_that_cannot_be_decoded(tmp_path: Path, truth: Any, data: bytes, message: str) -> None:
    (write(tmp_path, truth) / "rgbd" / "1.depth").write_bytes(data)
    with pytest.raises(UserError, match=message):
        load(tmp_path).views[1].read_depth()


def test_a_missing_decoder_is_named(tmp_path: Path, truth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "liblzfse", None)
    scene = open_scene(write(tmp_path, truth))
    with pytest.raises(UserError, match="pip install pyliblzfse"):
        scene.views[0].read_depth()
    assert any("pip install pyliblzfse" in problem for problem in scene.problems)


def test_a_missing_file_and_a_broken_pose_are_left_out(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    (tmp_path / "rgbd" / "2.depth").unlink()
    meta = json.loads((tmp_path / "metadata").read_text())
    meta["poses"][3] = [0, 0, 0, 0, 1, 2, 3]
    meta["poses"][4] = "x"
    (tmp_path / "metadata").write_text(json.dumps(meta))
    left_out = load(tmp_path).left_out
    assert list(left_out) == ["2", "3", "4"]
    assert "No such file" in left_out["2"]
    assert "not finite" in left_out["3"]
    assert "pose 4: expected 7 numbers" in left_out["4"]


@pytest.mark.parametrize(
    "changes",
    [{"poses": 5}, {"K": [1, 2]}, {"h": "a"}, {"h": 0}, {"dh": 10**9}, {"dw": "64"}, {"dh": -1}, {"K": None}],
)
def test_broken_metadata(tmp_path: Path, truth: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="metadata"):
        load(write(tmp_path, truth, **changes))


def test_any_json_is_a_user_error_or_a_scene(tmp_path: Path, truth: Any, fuzzed: Any) -> None:
    write(tmp_path, truth)
    sound = (tmp_path / "metadata").read_text()

    def made(draw: Any, anything: st.SearchStrategy[Any]) -> Any:
        meta = json.loads(sound)
        meta["poses"][0] = draw(st.just(meta["poses"][0]) | anything)
        meta[draw(st.sampled_from([*meta, "perFrameIntrinsicCoeffs"]))] = draw(anything)
        return meta

    fuzzed(tmp_path / "metadata", made)


def test_sizes_may_be_written_with_a_point(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    assert_same(load(write(tmp_path, truth, h=96.0, w=128.0, dh=48.0, dw=64.0)))


def test_old_recordings_of_the_camera_in_front_have_its_size(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth, h=640, w=480, dh=None, dw=None)
    depth = np.full((640, 480), 0.5, "<f4")
    for frame in range(1, 6):
        (tmp_path / "rgbd" / f"{frame}.depth").write_bytes(zlib.compress(depth.tobytes()))
    (tmp_path / "rgbd" / "0.depth").write_bytes(b"rubbish")  # the first that can be read tells
    np.testing.assert_array_equal(load(tmp_path).views[1].read_depth(), depth)


def test_more_bytes_than_depth_can_become_are_not_decompressed(tmp_path: Path, truth: Any) -> None:
    (write(tmp_path, truth) / "rgbd" / "1.depth").write_bytes(bytes(4 * 48 * 64 + 5000))
    with pytest.raises(UserError, match=r"1\.depth has 17,288 bytes, more than 12,288 bytes of depth can become"):
        load(tmp_path).views[1].read_depth()
