"""Tests of `inspect`: what it says of a sound scene and of one with faults; the scene is a tilted plane, made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.core import UserError
from lift3d.inspect import inspect

FOCAL, SIZE = 40.0, (24, 32)


def write(root: Path, frames: int = 4, units: int = 1000) -> Path:
    """Cameras move along x, 0.2 m a frame, and look along z at the plane z = 2 + x / 2."""
    for name in ("depth", "color", "pose"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for k in range(frames):
        pose = np.eye(4)
        pose[0, 3] = 0.2 * k
        # A ray (x', y', 1) from (0.2 k, 0, 0) has depth d = 2 + (0.2 k + d x') / 2, so d = (2 + 0.1 k) / (1 - x' / 2).
        slope = (np.arange(SIZE[1]) - 15.5) / FOCAL
        depth = np.tile((2 + 0.1 * k) / (1 - slope / 2), (SIZE[0], 1))
        depth[:6] = 0  # a quarter has no depth
        Image.fromarray(np.rint(depth * units).astype(np.uint16)).save(root / "depth" / f"{k}.png")
        Image.new("RGB", (64, 48), (9, 9, 9)).save(root / "color" / f"{k}.jpg")
        np.savetxt(root / "pose" / f"{k}.txt", pose)
    camera = [[FOCAL, 0, 15.5], [0, FOCAL, 11.5], [0, 0, 1]]
    (root / "scene.json").write_text(json.dumps({"intrinsics": camera}))
    return root


def test_a_sound_scene(tmp_path: Path) -> None:
    found = inspect(write(tmp_path))
    assert (found.layout, found.frames, found.usable, found.left_out) == ("folder", 4, 4, {})
    assert (found.depth_size, found.colour_size, found.depth_valid) == ((24, 32), (48, 64), 0.75)
    assert found.agreement == 1.0  # a plane hides nothing
    assert found.pairs == 8  # 0-1, 0-2, 1-2, 1-3, 2-3 and, for there is nothing later, 2-0, 3-2, 3-1
    assert (found.vertices, found.faces, found.mesh_agreement, found.problems) == (0, 0, None, ())


def test_the_text_for_people(tmp_path: Path) -> None:
    lines = inspect(write(tmp_path)).as_text().splitlines()
    assert lines[0] == "layout     folder (reader not checked on real files)"
    assert lines[1] == "frames     4 of 4 usable"
    assert lines.pop(2) == "named      0, 1, 2, 3"
    assert lines[2] == "depth      32 x 24, 75% valid, median 2.15 m"
    assert lines[3] == "colour     64 x 48"
    assert lines[4] == "surface    none"
    assert lines[5].startswith("agreement  100% between frames (")


def test_the_json_holds_everything(tmp_path: Path) -> None:
    found = json.loads(json.dumps(inspect(write(tmp_path)).as_json(), allow_nan=False))
    assert found["layout"] == "folder"
    assert found["agreement"] == 1.0
    assert found["depth_size"] == [24, 32]
    assert found["problems"] == []


def test_faults_are_counted_and_named(tmp_path: Path) -> None:
    write(tmp_path, frames=30)
    for k in range(3, 23):
        np.savetxt(tmp_path / "pose" / f"{k}.txt", np.full((4, 4), -np.inf))
    (tmp_path / "depth" / "0.png").write_bytes((tmp_path / "depth" / "0.png").read_bytes()[:60])
    (tmp_path / "color" / "0.jpg").unlink()
    picture = tmp_path / "color" / "2.jpg"
    picture.write_bytes(picture.read_bytes()[:-20])
    found = inspect(tmp_path)
    assert (found.frames, found.usable) == (30, 9)
    assert list(found.left_out) == [*(str(k) for k in range(3, 23)), "0"]
    assert set(list(found.left_out.values())[:-1]) == {"the pose is not finite (tracking was lost)"}
    assert "0.png" in found.left_out["0"]
    assert (found.depth_size, found.depth_valid, found.colour_size) == (None, None, None)  # of the first frame
    (broken,) = [problem for problem in found.problems if "2.jpg" in problem]
    assert broken.endswith(": frame 2")
    text = found.as_text()
    assert "frames     9 of 30 usable" in text
    assert "... and " in text  # twenty names are too many for a line
    assert "tracking was lost" in text and "0.png" in text


def test_wrong_units_are_said(tmp_path: Path) -> None:
    found = inspect(write(tmp_path, units=5000))
    assert found.agreement is None or found.agreement < 0.85
    assert "the unit of depth is 1/5000 m, not a millimetre" in found.as_text()


def test_one_frame_cannot_be_compared(tmp_path: Path) -> None:
    found = inspect(write(tmp_path, frames=1))
    assert found.agreement is None
    assert "agreement  not comparable between frames (0 pairs)" in found.as_text()


def test_a_mesh_is_counted_and_compared(tmp_path: Path) -> None:
    head = (
        "ply\nformat ascii 1.0\nelement vertex 400\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    x, y = (axis.ravel() for axis in np.mgrid[0:1:20j, -0.3:0.3:20j])
    rows = [f"{a} {b} {2 + a / 2}" for a, b in zip(x, y, strict=True)]
    write(tmp_path)
    (tmp_path / "mesh.ply").write_text(head + "\n".join(rows))
    spec = json.loads((tmp_path / "scene.json").read_text())
    (tmp_path / "scene.json").write_text(json.dumps({**spec, "mesh": "mesh.ply"}))
    found = inspect(tmp_path)
    assert (found.vertices, found.faces, found.mesh_agreement) == (400, 0, 1.0)
    assert "surface    400 vertices, 0 faces" in found.as_text()
    assert "100% between mesh and frames" in found.as_text()


def test_the_layout_can_be_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown layout"):
        inspect(write(tmp_path), "nothing")
    assert inspect(tmp_path, "folder").layout == "folder"


@pytest.mark.shared_data
def test_a_real_scene(shared_data: Path) -> None:
    found = inspect(shared_data / "rgbd" / "sevenscenes")
    assert (found.layout, found.frames, found.usable, found.problems) == ("scannet", 20, 20, ())
    assert found.agreement is not None and found.agreement > 0.9
    assert "checked on two real scenes" in found.as_text()


def test_frames_whose_depth_cannot_be_read_are_not_usable(tmp_path: Path) -> None:
    write(tmp_path, frames=4)
    (tmp_path / "depth" / "1.png").write_bytes((tmp_path / "depth" / "1.png").read_bytes()[:60])  # a sound header
    Image.new("RGBA", (32, 24)).save(tmp_path / "depth" / "2.png")
    found = inspect(tmp_path)
    assert (found.frames, found.usable, found.looked_into, found.all_looked_into) == (4, 2, 3, True)
    assert list(found.left_out) == ["2", "1"]
    assert "got uint8 (24, 32, 4)" in found.left_out["2"] and "cut off" in found.left_out["1"]


def test_depth_in_another_unit_is_not_usable(tmp_path: Path) -> None:
    write(tmp_path, frames=4)
    for k in range(4):
        np.save(tmp_path / "depth" / f"{k}.npy", np.full(SIZE, 2.0 + k, np.float32))
        (tmp_path / "depth" / f"{k}.png").unlink()
    found = inspect(tmp_path)
    assert (found.usable, found.depth_median) == (0, pytest.approx(0.0035))  # of 2, 3, 4 and 5 mm
    assert "no depth is from 0.05 to 20 m, its median is 0.002 m: is its unit right?" in found.left_out["0"]


def test_of_many_frames_a_few_are_looked_into(tmp_path: Path) -> None:
    found = inspect(write(tmp_path, frames=60))
    assert found.looked_into < 60 and not found.all_looked_into
    assert f"frames     60 of 60 usable as far as {found.looked_into} depth images tell" in found.as_text()
