"""Every file format on a scene of five points and two instances, worked out by hand."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import rle
from grounding.evaluation.benchmarks.scannet import read_ids, read_prediction
from lift3d.boxes import boxes_of
from lift3d.formats.boxes_json import write_boxes
from lift3d.formats.coco import Nearest, write_coco
from lift3d.formats.glb import linear, write_glb
from lift3d.formats.npz import write_npz
from lift3d.formats.ply import write_ply
from lift3d.formats.result import Result, id_colour, tinted
from lift3d.formats.scannet import write_scannet
from lift3d.frames import Frame
from lift3d.lift import Instance, Lifted
from lift3d.scene import Scene, View

POINTS = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [5, 5, 5], [6, 5, 5]], float)
WRITERS = [write_ply, write_glb, write_npz, write_scannet, write_boxes, write_coco]


def instance(number: int, points: list[int], ratio: float) -> Instance:
    return Instance(number, np.array(points), ratio, 2.0, 2.5, 3, boxes_of(POINTS[points], None, (0.0, 0.0, 1.0)))


def view() -> View:
    """1 x 6 pixels at z = 1: columns 0 to 5 are x = 0 to 5 at y = 0, but for column 5, which has no depth."""
    depth = np.array([[1, 1, 1, 1, 1, 0]], np.float32)
    return View("7", None, np.eye(4), np.eye(3), lambda: depth, lambda: np.zeros((1, 6, 3), np.uint8))


@pytest.fixture
def result() -> Result:
    scene = Scene([view()], POINTS, np.array([[0, 1, 2], [2, 3, 4]]), np.full((5, 3), 100, np.uint8))
    owner, ratio = np.array([3, 3, 3, 0, 8], np.int32), np.array([1, 0.5, 0.75, 0, 1], np.float32)
    made = (instance(3, [0, 1, 2], 0.75), instance(8, [4], 1.0))
    return Result("room_1", Lifted(scene, owner, ratio, made, {}, 1, {}), {3: "chair", 8: 5})


def test_ply(tmp_path: Path, result: Result) -> None:
    write_ply(tmp_path, result)
    header, _, body = (tmp_path / "instances.ply").read_bytes().partition(b"end_header\n")
    assert b"element vertex 5\n" in header and b"element face 2\n" in header
    assert header.count(b"property") == 10
    row = "<fffBBBiif"  # 27 bytes
    rows = [struct.unpack_from(row, body, n * 27) for n in range(5)]
    assert rows[1] == (1, 0, 1, 100, 100, 100, 3, 1, 0.5)  # "chair" is no number: class 1
    assert rows[3] == (5, 5, 5, 100, 100, 100, -1, -1, 0)
    assert rows[4] == (6, 5, 5, 100, 100, 100, 8, 5, 1)
    assert struct.unpack("<BiiiBiii", body[5 * 27 :]) == (3, 0, 1, 2, 3, 2, 3, 4)


def glb(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    magic, version, length, text, kind = struct.unpack_from("<4sIII4s", data)
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), b"JSON")
    assert text % 4 == 0
    binary, chunk = struct.unpack_from("<I4s", data, 20 + text)
    assert chunk == b"BIN\0" and 28 + text + binary == len(data)
    return json.loads(data[20 : 20 + text]), data[28 + text :]


def test_glb_has_a_node_an_instance_with_y_up(tmp_path: Path, result: Result) -> None:
    write_glb(tmp_path, result)
    tree, data = glb(tmp_path / "instances.glb")
    assert [node["extras"] for node in tree["nodes"]] == [
        {"id": 3, "label": "chair", "score": 0.75},
        {"id": 8, "label": "5", "score": 1.0},
    ]
    triangles, dots = (mesh["primitives"][0] for mesh in tree["meshes"])
    assert (triangles["mode"], dots["mode"]) == (4, 0)  # one whole triangle; a single point has none
    position = tree["accessors"][triangles["attributes"]["POSITION"]]
    offset = tree["bufferViews"][position["bufferView"]]["byteOffset"]
    # (x, y, z) -> (x, z, -y)
    found = np.frombuffer(data, "<f4", 9, offset).reshape(3, 3)
    assert found.tolist() == [[0, 1, 0], [1, 1, 0], [0, 1, -1]]
    assert (position["min"], position["max"]) == ([0, 1, -1], [1, 1, 0])
    corners = tree["accessors"][triangles["indices"]]
    offset = tree["bufferViews"][corners["bufferView"]]["byteOffset"]
    assert np.frombuffer(data, "<u4", 3, offset).tolist() == [0, 1, 2]
    assert all(one["byteOffset"] % 4 == 0 for one in tree["bufferViews"])
    assert tree["buffers"][0]["byteLength"] == len(data)


SIZES = {5125: 4, 5126: 4}
WIDTHS = {"SCALAR": 1, "VEC3": 3}
TYPES = {5125: "<u4", 5126: "<f4"}


def read(tree: dict[str, Any], data: bytes, number: int) -> np.ndarray:
    """The values of an accessor, once its place is what glTF 2.0 allows (section 3.6.2)."""
    one = tree["accessors"][number]
    window = tree["bufferViews"][one["bufferView"]]
    length = one["count"] * WIDTHS[one["type"]] * SIZES[one["componentType"]]
    assert one["count"] >= 1 and length <= window["byteLength"]
    assert window["byteOffset"] % 4 == 0  # rows of vertices begin at multiples of four, and so do components
    assert window["byteOffset"] + window["byteLength"] <= len(data)
    assert window["target"] == (34963 if one["type"] == "SCALAR" else 34962)
    values = np.frombuffer(data, TYPES[one["componentType"]], one["count"] * WIDTHS[one["type"]], window["byteOffset"])
    return values.reshape(one["count"], -1)


def test_glb_keeps_the_rules_of_gltf(tmp_path: Path, result: Result) -> None:
    write_glb(tmp_path, result)
    tree, data = glb(tmp_path / "instances.glb")
    assert tree["asset"]["version"] == "2.0" and len(tree["buffers"]) == 1
    assert 0 <= len(data) - tree["buffers"][0]["byteLength"] <= 3
    assert tree["scenes"][tree["scene"]]["nodes"] == [0, 1]
    assert len({node["name"] for node in tree["nodes"]}) == len(tree["nodes"]) == len(tree["meshes"])
    assert tree["extensionsUsed"] == list(tree["materials"][0]["extensions"]) and "extensionsRequired" not in tree
    used = []
    for node in tree["nodes"]:
        (primitive,) = tree["meshes"][node["mesh"]]["primitives"]
        accessors = [tree["accessors"][n] for n in primitive["attributes"].values()]
        position, colour = (read(tree, data, primitive["attributes"][name]) for name in ("POSITION", "COLOR_0"))
        assert [(one["type"], one["componentType"]) for one in accessors] == [("VEC3", 5126), ("VEC3", 5126)]
        assert np.isfinite(position).all() and len(position) == len(colour)
        assert (accessors[0]["min"], accessors[0]["max"]) == (position.min(0).tolist(), position.max(0).tolist())
        assert "normalized" not in accessors[1] and (colour >= 0).all() and (colour <= 1).all()
        assert primitive["mode"] in (0, 4) and tree["materials"][primitive["material"]]
        used += primitive["attributes"].values()
        if "indices" in primitive:
            corners = read(tree, data, primitive["indices"])
            assert len(corners) % 3 == 0 and corners.max() < len(position)
            used.append(primitive["indices"])
    assert sorted(used) == list(range(len(tree["accessors"]))) == list(range(len(tree["bufferViews"])))


def test_glb_has_light_where_screens_have_codes(tmp_path: Path, result: Result) -> None:
    """sRGB by its definition: 10 / 255 / 12.92 = 0.003035; ((128 / 255 + 0.055) / 1.055) ^ 2.4 = 0.215861."""
    light = linear(np.array([0, 10, 128, 255], np.uint8))
    assert light.dtype == np.float32 and light == pytest.approx([0, 0.003035, 0.215861, 1], abs=1e-6)
    write_glb(tmp_path, result)
    tree, data = glb(tmp_path / "instances.glb")
    colour = read(tree, data, tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"])
    assert colour[0, :3].tolist() == linear(tinted(np.full((1, 3), 100, np.uint8), 3, 0.6))[0].tolist()


def test_a_tint_is_a_share_of_the_ids_colour() -> None:
    red, green, blue = id_colour(4)
    assert tinted(np.array([[100, 0, 200]], np.uint8), 4, 0.5).tolist() == [
        [round((red + 100) / 2), round(green / 2), round((blue + 200) / 2)]
    ]


def test_glb_without_instances_is_valid(tmp_path: Path, result: Result) -> None:
    write_glb(tmp_path, replace(result, lifted=replace(result.lifted, instances=())))
    data = (tmp_path / "instances.glb").read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    assert len(data) == 20 + length
    assert "nodes" not in json.loads(data[20:])


def test_npz_holds_the_masks_twice(tmp_path: Path, result: Result) -> None:
    write_npz(tmp_path, result)
    with np.load(tmp_path / "instances.npz", allow_pickle=False) as found:
        assert found["pred_masks"].astype(int).T.tolist() == [[1, 1, 1, 0, 0], [0, 0, 0, 0, 1]]
        assert found["pred_score"].tolist() == [0.75, 1.0]
        assert found["pred_classes"].tolist() == [1, 5]
        assert found["ids"].tolist() == [3, 8]
        assert found["points"].tolist() == [0, 1, 2, 4]
        assert found["starts"].tolist() == [0, 3, 4]


def test_npz_leaves_out_what_would_be_too_large(
    tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lift3d.formats.npz.MOST_DENSE", 9)  # 5 points x 2 instances are 10
    write_npz(tmp_path, result)
    with np.load(tmp_path / "instances.npz") as found:
        assert "pred_masks" not in found and found["starts"].tolist() == [0, 3, 4]


def test_scannet_is_read_by_the_evaluator(tmp_path: Path, result: Result) -> None:
    write_scannet(tmp_path, result)
    listed = tmp_path / "scannet" / "room_1.txt"
    assert listed.read_text().splitlines() == [
        "pred_mask/room_1_003.txt 1 0.750000",
        "pred_mask/room_1_008.txt 5 1.000000",
    ]
    assert (tmp_path / "scannet" / "pred_mask" / "room_1_003.txt").read_text() == "1\n1\n1\n0\n0\n"
    found = read_prediction(listed, np.zeros(5, int))
    assert [mask.astype(int).tolist() for mask in found.masks] == [[1, 1, 1, 0, 0], [0, 0, 0, 0, 1]]
    assert (found.labels, found.scores) == ([1, 5], [0.75, 1.0])
    assert read_ids(tmp_path / "scannet" / "pred_mask" / "room_1_008.txt").tolist() == [0, 0, 0, 0, 1]


def test_boxes_name_their_frame(tmp_path: Path, result: Result) -> None:
    write_boxes(tmp_path, result)
    first, second = json.loads((tmp_path / "boxes.json").read_text())
    assert first["aabb"] == {"center": [0.5, 0.5, 1.0], "size": [1.0, 1.0, 0.0]}
    assert (first["id"], first["label"], first["score"], first["frame"]) == (3, "chair", 0.75, "world")
    assert (first["n_points"], first["n_views"]) == (3, 3)
    # right triangle of area 1/2: the least box has area 1 (about the legs)
    assert first["obb"]["size"][0] * first["obb"]["size"][1] == pytest.approx(1.0)
    assert second["aabb"] == {"center": [6.0, 5.0, 5.0], "size": [0.0, 0.0, 0.0]}


def test_coco_gives_pixels_the_owner_of_the_nearest_point(tmp_path: Path, result: Result) -> None:
    write_coco(tmp_path, result)
    found = json.loads((tmp_path / "masks.coco.json").read_text())
    assert found["images"] == [{"id": 0, "frame_id": 0, "file_name": "7", "height": 1, "width": 6}]
    (only,) = found["annotations"]  # x = 0 and 1 are points of 3; 2, 3, 4 are near nothing
    mask = rle.decode(rle.from_json(only["segmentation"], (1, 6)), (1, 6))
    assert mask.astype(int).tolist() == [[1, 1, 0, 0, 0, 0]]
    assert (only["track_id"], only["area"], only["bbox"]) == (3, 2, [0, 0, 2, 1])


def wide(depth: list[float], points: list[list[float]], owner: list[int]) -> np.ndarray:
    """Labels of a row of pixels; f = 100, so that at z = 1 m a pixel is 1 cm wide and column c is x = c cm."""
    row = np.array([depth], np.float32)
    camera = View("0", None, np.eye(4), np.diag([100.0, 100, 1]), lambda: row, lambda: np.zeros((*row.shape, 3)))
    lifted = Lifted(
        Scene([camera], np.array(points, float)), np.array(owner, np.int32), np.zeros(len(owner)), (), {}, 1, {}
    )
    return Nearest(Result("a", lifted)).labels(Frame(0, camera, row, []))[0]


def test_coco_reaches_five_centimetres_from_a_point() -> None:
    """The one point is at x = 8 cm: columns 3 to 13 are within 5 cm of it, 5 cm included."""
    labels = wide([1.0] * 20, [[0.08, 0, 1]], [4])
    assert np.flatnonzero(labels == 4).tolist() in (list(range(3, 14)), list(range(4, 13)))  # 5 cm exactly may round
    assert set(labels.tolist()) == {0, 4}


def test_coco_looks_in_space_where_the_nearest_in_the_picture_lies_on_another_surface() -> None:
    """Point 1 is at column 2 on a wall 1 m away, point 2 at column 8 on one 2 m away, where a pixel is 2 cm wide.

    Columns from 4 on see the far wall; 4 and 5 are nearest to point 1 in the picture and 8 and 6 cm off point 2.
    """
    labels = wide([1.0] * 4 + [2.0] * 8, [[0.02, 0, 1], [0.16, 0, 2]], [1, 2])
    assert labels.tolist() == [1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 2, 0]
    # A wall that starts at column 3 is nearest to point 1 there, but 4 cm off a point of its own at x = 10 cm.
    labels = wide([1.0] * 3 + [2.0] * 3, [[0.02, 0, 1], [0.1, 0, 2]], [1, 2])
    assert labels.tolist() == [1, 1, 1, 2, 2, 2]


def test_coco_of_a_view_that_sees_no_point() -> None:
    assert wide([1.0, 0.0], [[0, 0, 50]], [1]).tolist() == [0, 0]
    assert wide([1.0, 0.0], [[np.nan, 0, 1], [0, 0, 1.02]], [1, 2]).tolist() == [2, 0]


@pytest.mark.parametrize("write", WRITERS)
def test_the_same_bytes_come_out_twice(tmp_path: Path, result: Result, write: Any) -> None:
    contents = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        write(folder, result)
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        contents.append([(p.relative_to(folder), p.read_bytes()) for p in files])
    assert contents[0] == contents[1] and contents[0]


@pytest.mark.parametrize("write", WRITERS)
def test_no_instances_at_all(tmp_path: Path, result: Result, write: Any) -> None:
    nothing = replace(result.lifted, owner=np.zeros(5, np.int32), instances=())
    write(tmp_path, replace(result, lifted=nothing))
    assert any(tmp_path.iterdir())


def test_neighbouring_ids_have_different_colours() -> None:
    colours = np.array([id_colour(n) for n in range(1, 60)], int)
    assert (np.abs(np.diff(colours, axis=0)).sum(axis=1) > 100).all()
    assert ((colours >= 0) & (colours <= 255)).all()
