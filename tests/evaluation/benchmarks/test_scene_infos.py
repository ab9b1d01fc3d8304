"""ScanRefer's true boxes from scene infos of mmdet3d (both forms) and VLM-Grounder."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError

SCENE = "scene0011_00"
MMDET, VLM, LABELS = "scannet_infos_val.json", "scenes_train_val_info.json", "scannetv2-labels.combined.tsv"
# Of ScanNet's objects 0 to 4, mmdet3d keeps 1, 2 and 4, as classes 2, 4 and 17 (garbagebin, NYU40's otherfurniture).
OBJECTS = {0: ("wall", "wall"), 1: ("office chair", "chair"), 2: ("table", "table"), 3: ("vase", "otherprop")}
OBJECTS |= {4: ("trash can", "otherfurniture")}
CLASSES = [2, 4, 17]
BOXES: list[list[float]] = [[0.5, 0.5, 0.5, 1, 1, 1], [2, 0.5, 0.5, 2, 1, 1], [9, 9, 9, 1, 1, 1]]
# (x, y, z) becomes (-y, x, z + 1)
TURN = [[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]]


def old(**annos: Any) -> Any:
    return [{"point_cloud": {"num_features": 6, "lidar_idx": SCENE}, "annos": annos}]


def mmdet_old(boxes: str = "gt_boxes_upright_depth", **more: Any) -> Any:
    return old(**{"gt_num": 3, boxes: BOXES, "class": CLASSES, "index": [0, 1, 2], "axis_align_matrix": TURN, **more})


def mmdet_new() -> Any:
    rows = [{"bbox_3d": box, "bbox_label_3d": kind} for box, kind in zip(BOXES, CLASSES, strict=True)]
    points = {"num_pts_feats": 6, "lidar_path": f"{SCENE}.bin"}
    info = {"lidar_points": points, "axis_align_matrix": TURN, "instances": rows}
    return {"metainfo": {"dataset": "scannet"}, "data_list": [info]}


def vlm(key: str = "aligned_bbox") -> Any:
    numbered: dict[str, Any] = {
        str(number): {key: [*box, 5.0], "raw_category": "x"} for number, box in zip((1, 2, 4), BOXES, strict=True)
    }
    numbered["3"] = {key: [0.0] * 7, "raw_category": "an object without vertices"}
    return {SCENE: {**numbered, "axis_align_matrix": TURN, "num_objects": 4}}


def row(number: int, box: Any = None) -> dict[str, Any]:
    found = {"scene_id": SCENE, "object_id": str(number), "object_name": "x", "ann_id": "0"}
    return found if box is None else {**found, "bbox": box}


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """What mmdet3d's infos need beside them."""
    table = ["id\traw_category\tnyu40class", *(f"1\t{raw}\t{nyu}" for raw, nyu in OBJECTS.values()), "1\tx\tchair"]
    (tmp_path / LABELS).write_text("\n".join(table) + "\n")
    groups = [{"objectId": number, "label": raw, "segments": []} for number, (raw, _) in reversed(OBJECTS.items())]
    path = tmp_path / "scans" / SCENE / f"{SCENE}.aggregation.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"segGroups": groups}))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "info"),
    [
        (MMDET, mmdet_old()),
        (MMDET, mmdet_old("x", location=[box[:3] for box in BOXES], dimensions=[box[3:] for box in BOXES])),
        (MMDET, mmdet_new()),
        (VLM, vlm()),
    ],
)
def test_boxes_of_an_info(score: Any, beside: Path, name: str, info: Any) -> None:
    (beside / name).write_text(json.dumps(info))
    # Right; half of the table, IoU 1 / 2; the bin moved by half, IoU 1 / 3.
    said = [row(1, BOXES[0]), row(2, [1.5, 0.5, 0.5, 1, 1, 1]), row(4, [9.5, 9, 9, 1, 1, 1])]
    result = score("scanrefer", [row(1), row(2), row(4)], said, strict=True)
    assert (result["Acc@0.25"], result["Acc@0.5"]) == (1.0, pytest.approx(2 / 3))
    assert result["figures"]["multiple Acc@0.5"]["samples"] == 3  # the table of labels is there
    assert result["gaps"] == []


@pytest.mark.parametrize(
    ("name", "info"),
    [
        (MMDET, mmdet_old("unaligned_gt_boxes_upright_depth")),
        (MMDET, mmdet_old("x", unaligned_location=[b[:3] for b in BOXES], unaligned_dimensions=[b[3:] for b in BOXES])),
        (VLM, vlm("unaligned_bbox")),
    ],
)
def test_boxes_that_are_not_aligned_are_turned(score: Any, beside: Path, name: str, info: Any) -> None:
    (beside / name).write_text(json.dumps(info))
    # The table: x 1..3, y 0..1, z 0..1 becomes x -1..0, y 1..3, z 1..2.
    result = score("scanrefer", [row(2)], [row(2, [-0.5, 2, 1.5, 1, 2, 1])], strict=True)
    assert result["Acc@0.5"] == 1.0
    assert result["gaps"] == [
        "true boxes that were turned into the aligned scene, and so are larger than their objects: 1"
    ]


def test_a_turned_box_is_the_one_around_its_corners(score: Any, beside: Path) -> None:
    angle = np.pi / 4
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    info = vlm("unaligned_bbox")
    info[SCENE] |= {"1": {"unaligned_bbox": [0, 0, 0, 2, 2, 2]}, "axis_align_matrix": turn.tolist()}
    (beside / VLM).write_text(json.dumps(info))
    wide = 2 * np.sqrt(2)
    # Half of its height: IoU 1 / 2 if the sides are right, below it if they are not.
    said = [row(1, [0, 0, 0.5 - 1e-9, wide, wide, 1 + 2e-9])]
    assert score("scanrefer", [row(1)], said, strict=True)["Acc@0.5"] == 1.0
    assert score("scanrefer", [row(1)], [row(1, [0, 0, 0.5, 2.7, wide, 1])], strict=True)["Acc@0.5"] == 0.0


def test_mmdet3d_needs_to_know_which_objects_it_kept(score: Any, tmp_path: Path) -> None:
    (tmp_path / MMDET).write_text(json.dumps(mmdet_old()))
    with pytest.raises(UserError, match=rf"numbers objects anew.* put {LABELS} and scans/{SCENE}/{SCENE}.aggreg"):
        score("scanrefer", [row(1)], [row(1, BOXES[0])])


@pytest.mark.parametrize(
    ("name", "info", "asked", "message"),
    [
        (MMDET, mmdet_old(), 3, "no box of object 3 .*leaves those of most classes out"),
        (VLM, vlm(), 3, "no box of object 3"),
        (
            MMDET,
            old(**{"gt_num": 3, "gt_boxes_upright_depth": BOXES, "class": [2, 4, 16]}),
            1,
            "the scene info has 3 objects, .* has 3 .* must be the same",
        ),
        (MMDET, old(gt_num=0), 1, "the scene info has 0 objects"),
        (MMDET, mmdet_old("x"), 1, f'{SCENE}: "gt_boxes_upright_depth" is missing'),
        (MMDET, mmdet_old("x", location=[[0, 0, 0]], dimensions=[]), 1, "must be as many, got 1 and 0"),
        (MMDET, old(gt_num=3), 1, f'{SCENE}: "class" is missing'),
        (MMDET, [{"annos": {}}], 1, '"point_cloud" is missing'),
        (MMDET, {"data_list": [{}]}, 1, '"lidar_points" is missing'),
        (MMDET, {"data_list": []}, 1, f"has no scene '{SCENE}'"),
        (MMDET, mmdet_old() * 2, 1, f"scene '{SCENE}' stands there twice"),
        (MMDET, {"data_list": mmdet_new()["data_list"] * 2}, 1, f"scene '{SCENE}' stands there twice"),
        (MMDET, 7, 1, "a scene info must be a JSON object"),
        (VLM, {SCENE: {"1": {"aligned_bbox": [0, 0, 0, 1, 1]}}}, 1, "with sides >= 0, got"),
        (VLM, {SCENE: {"1": {"aligned_bbox": [0, 0, 0, 1, 1, -1]}}}, 1, "with sides >= 0, got"),
        (VLM, {SCENE: {"1": {"aligned_bbox": [0, 0, 0, 1, 1, float("nan")]}}}, 1, "finite numbers"),
        (VLM, {SCENE: {"1": {"unaligned_bbox": BOXES[0]}}}, 1, '"axis_align_matrix" is missing'),
        (VLM, {SCENE: {"1": {"unaligned_bbox": BOXES[0]}, "axis_align_matrix": [[2]]}}, 1, "expected 16 numbers"),
        (VLM, {SCENE: {"1" * 50: {"aligned_bbox": BOXES[0]}}}, 1, "an object must be a whole number"),
        (VLM, {SCENE: {"1": {"raw_category": "x"}}}, 1, '"aligned_bbox" is missing'),
    ],
)
def test_an_info_that_is_wrong(score: Any, beside: Path, name: str, info: Any, asked: int, message: str) -> None:
    (beside / name).write_text(json.dumps(info))
    with pytest.raises(UserError, match=message) as caught:
        score("scanrefer", [row(asked)], [row(asked, BOXES[0])])
    assert f"truth.json, row 1 ({SCENE}-{asked}-0): " in str(caught.value) and "\n" not in str(caught.value)


def test_a_scene_stays_within_the_scans(score: Any, beside: Path) -> None:
    info = mmdet_old()
    info[0]["point_cloud"]["lidar_idx"] = "../x"
    (beside / MMDET).write_text(json.dumps(info))
    with pytest.raises(UserError, match="leaves its root"):
        score("scanrefer", [row(1) | {"scene_id": "../x"}], [row(1, BOXES[0])])


def test_a_pickle_is_refused_with_the_line_that_converts_it(score: Any, tmp_path: Path) -> None:
    info = {SCENE: {1: {"aligned_bbox": np.array([*BOXES[0], 5.0])}, "axis_align_matrix": np.eye(4)}}
    (tmp_path / "scenes_train_val_info.pkl").write_bytes(pickle.dumps(info))
    said = [row(1, BOXES[0])]
    with pytest.raises(UserError, match="is a pickle, which can run any code; where you trust it") as caught:
        score("scanrefer", [row(1)], said)
    assert "\n" not in str(caught.value)
    line = re.search(r"python -c .*", str(caught.value))
    assert line is not None
    subprocess.run(line.group(), shell=True, cwd=tmp_path, check=True)
    assert score("scanrefer", [row(1)], said, strict=True)["Acc@0.5"] == 1.0


def test_a_pickle_as_the_truth_is_refused(score: Any, tmp_path: Path) -> None:
    path = tmp_path / "scannet_infos_val.pkl"
    path.write_bytes(pickle.dumps([]))
    with pytest.raises(UserError, match="is a pickle"):
        score("scanrefer", path, [row(1, BOXES[0])])
