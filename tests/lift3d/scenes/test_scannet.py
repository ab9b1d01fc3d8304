"""Tests of the ScanNet export: same geometry, padded names, colour cameras, mesh, superpoints, alignment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from lift3d.scene import Scene
from lift3d.scenes import check, load, open_scene

Check = Callable[[Scene], None]


def write_mesh(root: Path, points: np.ndarray) -> None:
    header = f"ply\nformat ascii 1.0\nelement vertex {len(points)}\n" + "".join(f"property float {a}\n" for a in "xyz")
    body = "\n".join(" ".join(f"{value:.4f}" for value in point) for point in points)
    (root / f"{root.name}_vh_clean_2.ply").write_text(f"{header}end_header\n{body}\n")


def test_the_same_geometry(scannet_folder: Path, assert_same: Check) -> None:
    scene = open_scene(scannet_folder)
    assert_same(scene)
    assert scene.layout == "scannet"
    assert scene.problems == ()
    assert [view.name for view in scene.views] == list("012345")
    assert scene.views[0].read_colour().shape == (96, 128, 3)  # its own size: only K is the depth's
    assert scene.points is None and scene.axis_alignment is None and scene.up == (0, 0, 1)


def test_padded_names_match_unpadded_ones_and_sort_as_numbers(scannet_folder: Path, truth: Any) -> None:
    for frame in reversed(range(6)):
        (scannet_folder / "depth" / f"{frame}.png").rename(scannet_folder / "depth" / f"{5 * frame:06d}.png")
        (scannet_folder / "pose" / f"{frame}.txt").rename(scannet_folder / "pose" / f"{5 * frame}.txt")
        (scannet_folder / "color" / f"{frame}.jpg").rename(scannet_folder / "color" / f"{5 * frame:04d}.jpg")
    scene = open_scene(scannet_folder)
    assert [view.name for view in scene.views] == ["0", "5", "10", "15", "20", "25"]
    np.testing.assert_allclose(scene.views[2].pose, truth.poses[2])
    assert scene.problems == ()


def test_a_colour_camera_is_scaled_to_the_depth(scannet_folder: Path, assert_same: Check) -> None:
    (scannet_folder / "intrinsic" / "intrinsic_depth.txt").unlink()
    # Twice the size: f doubles, (31.55 + 0.5) * 2 - 0.5 = 63.6 and (23.55 + 0.5) * 2 - 0.5 = 47.6.
    rows = "117 0 63.6 0\n0 117 47.6 0\n0 0 1 0\n0 0 0 1\n"
    (scannet_folder / "intrinsic" / "intrinsic_color.txt").write_text(rows)
    assert_same(open_scene(scannet_folder))


def test_without_colour_images_a_colour_camera_cannot_be_scaled(scannet_folder: Path) -> None:
    (scannet_folder / "intrinsic" / "intrinsic_depth.txt").rename(scannet_folder / "intrinsic" / "intrinsic_color.txt")
    for path in (scannet_folder / "color").iterdir():
        path.unlink()
    with pytest.raises(UserError, match="intrinsics are those of the colour image, and that is missing"):
        open_scene(scannet_folder)


def test_mesh_superpoints_and_alignment(scannet_folder: Path, truth: Any) -> None:
    points = truth.mesh()
    write_mesh(scannet_folder, points)
    segments = scannet_folder / "scene0000_00_vh_clean_2.0.010000.segs.json"
    segments.write_text(json.dumps({"segIndices": [7] * len(points)}))
    turned = "0 1 0 5 -1 0 0 6 0 0 1 7 0 0 0 1"
    (scannet_folder / "scene0000_00.txt").write_text(f"axisAlignment = {turned}\nnumDepthFrames = 6\n")
    scene = open_scene(scannet_folder)
    assert scene.problems == ()  # the mesh agrees with the frames
    assert scene.points is not None and scene.superpoints is not None and scene.axis_alignment is not None
    np.testing.assert_allclose(scene.points, points, atol=1e-4)
    assert (scene.superpoints == 7).all()
    assert scene.axis_alignment[:, 3].tolist() == [5, 6, 7, 1]
    assert scene.axis_alignment[0].tolist() == [0, 1, 0, 5]


def test_superpoints_of_another_mesh_are_refused(scannet_folder: Path, truth: Any) -> None:
    write_mesh(scannet_folder, truth.mesh())
    (scannet_folder / "scene0000_00_vh_clean_2.0.010000.segs.json").write_text('{"segIndices": [1, 2]}')
    with pytest.raises(UserError, match=r"one a vertex \(8000\), got 2"):
        load(scannet_folder)


def test_superpoints_without_a_mesh_mean_nothing(scannet_folder: Path) -> None:
    (scannet_folder / "scene0000_00_vh_clean_2.0.010000.segs.json").write_text('{"segIndices": [1, 2]}')
    scene = load(scannet_folder)
    assert scene.points is None and scene.superpoints is None


@pytest.mark.parametrize("text", ['{"segIndices": [1.5]}', '{"segIndices": ["a"]}', '{"segIndices": 1}', "[]", "{"])
def test_broken_superpoints_are_refused(scannet_folder: Path, truth: Any, text: str) -> None:
    write_mesh(scannet_folder, truth.mesh())
    path = scannet_folder / "scene0000_00_vh_clean_2.0.010000.segs.json"
    path.write_text(text)
    with pytest.raises(UserError, match=path.name):
        load(scannet_folder)


def test_two_meshes_are_refused(scannet_folder: Path, truth: Any) -> None:
    write_mesh(scannet_folder, truth.mesh())
    (scannet_folder / "other_vh_clean_2.ply").write_text("ply")
    with pytest.raises(UserError, match="found 2; keep those of one scene"):
        load(scannet_folder)


def test_a_link_out_of_the_scene_is_refused(scannet_folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    outside.write_bytes((scannet_folder / "depth" / "0.png").read_bytes())
    (scannet_folder / "depth" / "0.png").unlink()
    (scannet_folder / "depth" / "0.png").symlink_to(outside)
    with pytest.raises(UserError, match="leaves its root"):
        load(scannet_folder)


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "frames", "least"), [("sevenscenes", 20, 0.90), ("bookshelf", 10, 0.85)])
def test_real_scenes_pass_the_convention_self_test(shared_data: Path, name: str, frames: int, least: float) -> None:
    scene = open_scene(shared_data / "rgbd" / name)
    assert len(scene.views) == frames
    assert scene.problems == ()
    agreement = check(scene)
    assert agreement.frames is not None and agreement.frames >= least  # measured 0.95 and 0.92


def test_the_subset_scannet_frames_25k(scannet_folder: Path, assert_same: Check) -> None:
    (scannet_folder / "intrinsic" / "intrinsic_depth.txt").rename(scannet_folder / "intrinsics_depth.txt")
    (scannet_folder / "intrinsics_color.txt").write_text("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    (scannet_folder / "intrinsic").rmdir()
    for frame in range(6):
        for folder, ending in (("depth", "png"), ("color", "jpg"), ("pose", "txt")):
            path = scannet_folder / folder / f"{frame}.{ending}"
            path.rename(path.with_name(f"{100 * frame:06d}.{ending}"))
    scene = open_scene(scannet_folder)
    assert_same(scene)
    assert (scene.layout, scene.problems) == ("scannet", ())
    assert scene.views[1].name == "100"


def test_two_files_of_one_frame_are_refused(scannet_folder: Path, truth: Any) -> None:
    truth.save_depth(scannet_folder / "depth" / "0003.png", 1)
    with pytest.raises(UserError, match=r"depth has two files for 3: (3|0003)\.png and (3|0003)\.png"):
        load(scannet_folder)


@pytest.mark.parametrize(
    "numbers", ["0 " * 16, "1e300 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1", "nan " * 16, "1 0 0 1e300 0 1 0 0 0 0 1 0 0 0 0 1"]
)
def test_an_alignment_that_is_no_motion_is_refused(scannet_folder: Path, numbers: str) -> None:
    (scannet_folder / "scene0000_00.txt").write_text(f"axisAlignment = {numbers}\n")
    with pytest.raises(UserError, match="axisAlignment: expected a rotation with a translation"):
        load(scannet_folder)


def test_two_alignments_are_refused(scannet_folder: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (scannet_folder / name).write_text("axisAlignment = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n")
    with pytest.raises(UserError, match=r"a\.txt and b\.txt both have an axisAlignment"):
        load(scannet_folder)


def test_a_broken_mesh_is_not_needed_for_the_frames(scannet_folder: Path) -> None:
    (scannet_folder / "scene0000_00_vh_clean_2.ply").write_text("rubbish")
    (scannet_folder / "scene0000_00_vh_clean_2.0.010000.segs.json").write_text("rubbish")
    with pytest.raises(UserError, match="is no PLY file"):
        open_scene(scannet_folder)
    scene = open_scene(scannet_folder, surface=False)
    assert scene.points is None and scene.superpoints is None and len(scene.views) == 6
