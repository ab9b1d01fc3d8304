"""The folder of an export: whole or not at all, with its report and its picture."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import rooms
from PIL import Image

from grounding.core import UserError
from lift3d import export as module
from lift3d.export import FORMATS, export
from lift3d.formats.result import Result, id_colour
from lift3d.labels import LabelMaps
from lift3d.lift import lift
from lift3d.picture import coloured, from_above, painted


@pytest.fixture(scope="module")
def result(room: rooms.Room) -> Result:
    once = tuple(np.where((label == 1) & (n > 0), np.uint16(0), label) for n, label in enumerate(room.labels))
    views = [replace(view, pose=view.pose * np.nan) if n == 7 else view for n, view in enumerate(room.scene.views)]
    return Result("room", lift(replace(room.scene, views=views, problems=("a doubt",)), LabelMaps(once)), {2: "ball"})


def test_all_formats_a_report_and_a_picture(tmp_path: Path, result: Result) -> None:
    out = tmp_path / "out"
    export(out, result, list(FORMATS))
    assert sorted(p.name for p in out.iterdir()) == [
        "boxes.json",
        "instances.glb",
        "instances.npz",
        "instances.ply",
        "masks.coco.json",
        "preview.png",
        "report.json",
        "scannet",
    ]
    report = json.loads((out / "report.json").read_text())
    assert report["frames"] == {"total": 8, "used": 7, "rejected": {"000007": "pose is not finite (tracking was lost)"}}
    assert report["dropped"] == {"1": "seen in 1 view of the 2 asked for"}
    assert [(one["id"], one["label"]) for one in report["instances"]] == [(2, "ball"), (3, "object")]
    assert report["instances"][0]["hits"] <= report["instances"][0]["seen"]
    assert report["problems"] == ["a doubt"]
    assert (report["up"], report["axis_alignment"]) == ([0, 0, 1], None)
    with Image.open(out / "preview.png") as picture:
        assert picture.size == (480 + 8 + 640, 480)


def test_the_folder_may_be_a_string(tmp_path: Path, result: Result) -> None:
    export(str(tmp_path / "out"), result, ["json"])
    assert (tmp_path / "out" / "boxes.json").is_file()


def test_the_same_bytes_come_out_twice(tmp_path: Path, result: Result) -> None:
    for name in ("a", "b"):
        export(tmp_path / name, result, ["ply", "glb", "npz", "json"])
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_unknown_formats_and_full_folders_are_refused(tmp_path: Path, result: Result) -> None:
    with pytest.raises(UserError, match=r"unknown format 'obj'; choose from ply,glb"):
        export(tmp_path / "out", result, ["ply", "obj"])
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(UserError, match="exists already"):
        export(tmp_path / "mine", result, ["ply"])


def test_out_of_disk_leaves_nothing(tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path, _result: Result) -> None:
        (folder / "half").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(module.FORMATS, "ply", full)
    with pytest.raises(UserError, match="No space left on device; free some space"):
        export(tmp_path / "out", result, ["ply"])
    assert list(tmp_path.iterdir()) == []


def test_instances_show_in_the_picture(result: Result) -> None:
    colours = coloured(result)
    owned = result.lifted.owner == 2
    distance = np.abs(colours[owned].astype(int) - id_colour(2)).max()
    assert distance <= 30  # a quarter of the way to the grey 160 of the room's points
    picture = from_above(result, colours)
    assert (picture == colours[owned][0]).all(axis=2).sum() > 50


def test_the_alignment_is_in_the_report(result: Result) -> None:
    """Boxes are in its frame and points are not: who reads both needs it."""
    turned = replace(result.lifted.scene, axis_alignment=np.diag([1.0, -1, -1, 1]))
    found = module.report(replace(result, lifted=replace(result.lifted, scene=turned)))
    assert found["axis_alignment"] == [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]]


def test_vertices_that_are_no_numbers_cost_neither_picture_nor_masks(tmp_path: Path, result: Result) -> None:
    """A mesh may have them; they are seen by no view, and what is seen looks as without them."""
    lifted = result.lifted
    points = np.concatenate([lifted.points, [[np.nan] * 3, [np.inf, 0, 0], [1e300, 0, 0]]])
    scene = replace(lifted.scene, points=points, colours=None)
    nobody = np.zeros(3, np.int32)
    more = replace(lifted, scene=scene, owner=np.append(lifted.owner, nobody), ratio=np.append(lifted.ratio, nobody))
    for name, one in (("a", lifted), ("b", more)):
        bare = replace(one, scene=replace(one.scene, colours=None))
        export(tmp_path / name, replace(result, lifted=bare), ["coco"])
    for name in ("masks.coco.json", "preview.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_nearest_dot_is_on_top() -> None:
    colours = np.array([[1, 1, 1], [2, 2, 2]], np.uint8)
    picture = painted((5, 5), np.array([12, 13]), np.array([-1.0, -2.0]), colours)  # the first is nearer
    assert picture[2, :, 0].tolist() == [255, 1, 1, 1, 2]
    assert picture[0, :, 0].tolist() == [255] * 5
