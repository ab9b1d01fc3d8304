"""Tests of transforms.json: same geometry from OpenGL poses, units, cameras of frames, distortion, missing endings."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from grounding.core import UserError
from lift3d.scene import Scene
from lift3d.scenes import load, open_scene

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
# Of the colour image, twice as large, pixel centres at a half: 63.6 + 0.5 and 47.6 + 0.5 (see test_scannetpp).
CAMERA = {"fl_x": 117.0, "fl_y": 117.0, "cx": 64.1, "cy": 48.1, "w": 128, "h": 96, "camera_model": "OPENCV"}


def content(truth: Any) -> dict[str, Any]:
    frames = [
        {
            "file_path": f"images/frame_{k}.jpg",
            "depth_file_path": f"depths/frame_{k}.png",
            "transform_matrix": (pose @ OPENGL).tolist(),
        }
        for k, pose in enumerate(truth.poses)
    ]
    return {**CAMERA, "frames": frames}


def write(root: Path, truth: Any, scene: dict[str, Any] | None = None, units: float = 1000.0) -> Path:
    for k in range(6):
        truth.save_depth(root / "depths" / f"frame_{k}.png", k, units)
        truth.save_colour(root / "images" / f"frame_{k}.jpg", k, (96, 128))
    (root / "transforms.json").write_text(json.dumps(scene or content(truth)))
    return root


def test_the_same_geometry(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    scene = open_scene(write(tmp_path, truth))
    assert_same(scene)
    assert (scene.layout, scene.problems) == ("transforms", ())
    assert scene.views[0].name == "frame_0"


@pytest.mark.parametrize("key", ["depth_unit_scale_factor", "integer_depth_scale"])
def test_the_unit_of_depth_may_be_given(
    tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None], key: str
) -> None:
    assert_same(load(write(tmp_path, truth, {**content(truth), key: 0.0002}, units=5000)))


def test_each_frame_may_have_its_own_camera(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    scene = {"frames": [{**CAMERA, **frame} for frame in content(truth)["frames"]]}
    assert_same(load(write(tmp_path, truth, scene)))


def test_without_a_size_the_camera_is_that_of_the_colour_image(
    tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]
) -> None:
    scene = content(truth)
    del scene["w"], scene["h"]
    assert_same(load(write(tmp_path, truth, scene)))


def test_nerfcapture_leaves_out_endings_and_names_depth_otherwise(tmp_path: Path, truth: Any) -> None:
    scene = content(truth)
    scene["frames"] = scene["frames"][:1]
    scene["frames"][0]["file_path"] = "images/frame_0"
    scene["frames"][0]["depth_path"] = scene["frames"][0].pop("depth_file_path")
    write(tmp_path, truth, scene)
    truth.save_colour(tmp_path / "images" / "frame_0.png", 0, (96, 128))
    view = load(tmp_path).views[0]
    assert view.name == "frame_0"
    assert view.read_colour().shape == (96, 128, 3)


def test_frames_of_several_cameras_with_the_same_names_keep_their_folders(tmp_path: Path, truth: Any) -> None:
    scene = content(truth)
    for name in ("left", "right"):
        truth.save_colour(tmp_path / name / "0.jpg", 0, (96, 128))
    frames = scene["frames"][:2]
    frames[0]["file_path"], frames[1]["file_path"] = "left/0.jpg", "right/0.jpg"
    loaded = load(write(tmp_path, truth, {**scene, "frames": frames}))
    assert [view.name for view in loaded.views] == ["left_0", "right_0"]


def test_the_same_image_twice_is_refused(tmp_path: Path, truth: Any) -> None:
    scene = content(truth)
    scene["frames"] *= 2
    with pytest.raises(UserError, match="these occur twice: images_frame_0, images_frame_1"):
        load(write(tmp_path, truth, scene))


def test_distortion_is_reported_once(tmp_path: Path, truth: Any) -> None:
    (problem,) = load(write(tmp_path, truth, {**content(truth), "k1": 0.1, "k2": 0.0})).problems
    assert "lens distortion" in problem and "undistort" in problem


def test_no_distortion_when_all_are_zero(tmp_path: Path, truth: Any) -> None:
    assert load(write(tmp_path, truth, {**content(truth), "k1": 0.0, "p1": 0})).problems == ()


def test_frames_without_depth_are_left_out(tmp_path: Path, truth: Any) -> None:
    scene = content(truth)
    del scene["frames"][2]["depth_file_path"]
    scene["frames"][3]["transform_matrix"] = [[1, 2], [3, 4]]
    left_out = load(write(tmp_path, truth, scene)).left_out
    assert left_out["frame_2"] == "there is no depth image"
    assert "frame 3: expected 16 numbers, got 4" in left_out["frame_3"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camera_model": "OPENCV_FISHEYE"}, "is no pinhole; undistort"),
        ({"fl_x": "1"}, "expected 'fl_x' to be a float"),
        ({"depth_unit_scale_factor": 0}, "depth_unit_scale_factor must be a number > 0"),
        ({"depth_unit_scale_factor": float("nan")}, "depth_unit_scale_factor must be a number > 0"),
        ({"depth_unit_scale_factor": "mm"}, "depth_unit_scale_factor must be a number > 0"),
        ({"depth_unit_scale_factor": float("inf")}, "depth_unit_scale_factor must be a number > 0"),
        ({"fl_x": 10**400}, "fl_x: expected 1 numbers"),
        ({"w": 0}, "width must be a whole number"),
        ({"frames": {}}, "expected 'frames' to be a list"),
        ({"frames": [5]}, "frame 0: expected an object, got int"),
        ({"frames": [{}]}, "frame 0: expected 'file_path' to be a str"),
        ({"frames": [{"file_path": "../a.png"}]}, "leaves its root"),
        ({"frames": [{"file_path": "a.png", "depth_file_path": "/etc/passwd"}]}, "leaves its root"),
        ({"frames": [{"file_path": "a\0.png"}]}, "cannot be resolved"),
    ],
)
def test_broken_files(tmp_path: Path, truth: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(write(tmp_path, truth, {**content(truth), **changes}))


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000])
def test_rubbish_is_a_user_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "transforms.json").write_text(text)
    with pytest.raises(UserError, match=r"transforms\.json"):
        load(tmp_path)


def test_any_json_is_a_user_error_or_a_scene(tmp_path: Path, truth: Any, fuzzed: Any) -> None:
    write(tmp_path, truth)

    def made(draw: Any, anything: st.SearchStrategy[Any]) -> Any:
        scene = content(truth)
        scene["frames"] = scene["frames"][:2]
        entry = draw(st.sampled_from([scene, scene["frames"][0]]))
        entry[draw(st.sampled_from([*entry, "k1", "depth_unit_scale_factor"]))] = draw(anything)
        return scene

    fuzzed(tmp_path / "transforms.json", made)


@pytest.mark.parametrize("model", ["SIMPLE_RADIAL", "RADIAL", "OPENCV"])
def test_models_with_radial_distortion_are_read_and_the_distortion_is_reported(
    tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None], model: str
) -> None:
    scene = load(write(tmp_path, truth, {**content(truth), "camera_model": model, "k1": 0.01}))
    assert_same(scene)
    (problem,) = scene.problems
    assert "lens distortion" in problem


def test_sizes_may_be_written_with_a_point(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    assert_same(load(write(tmp_path, truth, {**content(truth), "w": 128.0, "h": 96.0})))


@pytest.mark.parametrize("kind", ["backslashes", "absolute", "absolute through a link"])
def test_paths_as_other_tools_write_them(
    tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None], kind: str
) -> None:
    root, scene = tmp_path / "scene", content(truth)
    root.mkdir()
    (tmp_path / "link").symlink_to(root)
    for frame in scene["frames"]:
        for key in ("file_path", "depth_file_path"):
            relative = frame[key]
            frame[key] = relative.replace("/", "\\") if kind == "backslashes" else str(root / relative)
    loaded = load(write(root, truth, scene) if "link" not in kind else write(root, truth, scene) and tmp_path / "link")
    assert_same(loaded)
    assert loaded.views[0].name == "frame_0"


def test_an_absolute_path_elsewhere_is_refused(tmp_path: Path, truth: Any) -> None:
    scene = content(truth)
    scene["frames"][0]["depth_file_path"] = str(tmp_path / "elsewhere.png")
    root = tmp_path / "scene"
    root.mkdir()
    with pytest.raises(UserError, match="leaves its root"):
        load(write(root, truth, scene))


@pytest.mark.parametrize("sized", [True, False])
def test_a_camera_by_its_angle_of_view(tmp_path: Path, truth: Any, sized: bool) -> None:
    scene = content(truth)
    for key in ("fl_x", "fl_y", "cx", "cy", *(() if sized else ("w", "h"))):
        del scene[key]
    scene["camera_angle_x"] = 2 * math.atan(64 / 117)  # half the width of 128 pixels over the focal length
    view = load(write(tmp_path, truth, scene)).views[0]
    # The middle of 128 x 96 is (64, 48) from the corner, (32, 24) at half the size, and half a pixel less by centres.
    np.testing.assert_allclose(view.intrinsics, [[58.5, 0, 31.5], [0, 58.5, 23.5], [0, 0, 1]], rtol=1e-9)


@pytest.mark.parametrize(
    ("camera", "message"),
    [({}, "expected 'fl_x' or 'camera_angle_x'"), ({"camera_angle_x": 0}, "not finite or have no focal length")],
)
def test_a_frame_without_a_camera_is_left_out(tmp_path: Path, truth: Any, camera: dict[str, Any], message: str) -> None:
    scene = content(truth)
    del scene["fl_x"]
    scene["frames"][:5] = [{**frame, "fl_x": 117.0} for frame in scene["frames"][:5]]
    scene["frames"][5] |= camera
    (reason,) = load(write(tmp_path, truth, scene)).left_out.values()
    assert message in reason


def test_a_size_that_the_picture_has_not_is_a_doubt(tmp_path: Path, truth: Any) -> None:
    (problem,) = load(write(tmp_path, truth, {**content(truth), "w": 96})).problems
    assert problem.startswith("the sizes differ in shape (intrinsics 96 x 96, depth 64 x 48, colour 128 x 96)")


def test_a_key_that_stands_twice_is_refused(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    text = (tmp_path / "transforms.json").read_text()
    (tmp_path / "transforms.json").write_text(text.replace('"fl_x"', '"fl_x": 5, "fl_x"', 1))
    with pytest.raises(UserError, match="'fl_x' stands twice"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["", ".", "images/" + "x" * 300 + ".jpg", "images/\u001b[2J.jpg"])
def test_names_that_no_file_can_have(tmp_path: Path, truth: Any, name: str) -> None:
    scene = content(truth)
    scene["frames"][0]["file_path"] = name
    with pytest.raises(UserError, match="the name of a frame must "):
        load(write(tmp_path, truth, scene))
