from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from grounding.core import UserError


def row(number, box, **more):
    return {"scene_id": "scene0011_00", "object_id": number, "ann_id": "0", "bbox": box, **more}


def corners(x1, y1, z1, x2, y2, z2):
    return [list(corner) for corner in itertools.product((x1, x2), (y1, y2), (z1, z2))]


TRUTH = [
    row(1, [0.5, 0.5, 0.5, 1, 1, 1], unique_multiple=0),  # centre and sides: the unit cube
    row(2, corners(0, 0, 0, 2, 1, 1), unique_multiple=1),
]


def test_the_truth_scores_everything(score):
    gold = [row(1, corners(0, 0, 0, 1, 1, 1)), row(2, [1, 0.5, 0.5, 2, 1, 1])]
    result = score("scanrefer", TRUTH, gold, strict=True)
    named = ("Acc@0.25", "Acc@0.5", "unique Acc@0.5", "multiple Acc@0.5")
    assert [result[name] for name in named] == [1.0] * 4


def test_by_hand(score):
    # The unit cube moved by 0.5: 0.5 / 1.5 = 1/3. Half of the second: 1 / 2, which reaches 0.5.
    said = [
        row(1, corners(0.5, 0, 0, 1.5, 1, 1), unique_multiple=1, others=0),  # the file's own split is not believed
        row(2, corners(0, 0, 0, 1, 1, 1), unique_multiple=0, others=0),
    ]
    result = score("scanrefer", TRUTH, said, strict=True)
    assert (result["Acc@0.25"], result["Acc@0.5"]) == (1.0, 0.5)
    assert (result["unique Acc@0.5"], result["multiple Acc@0.5"]) == (0.0, 1.0)
    assert result["figures"]["unique Acc@0.5"]["samples"] == 1


def test_rows_that_hold_the_truth_too_are_scored_by_the_prediction(score):
    for name in ("pred_bbox", "pred", "prediction"):
        said = [TRUTH[0] | {name: [9, 9, 9, 1, 1, 1]}, TRUTH[1]]
        assert score("scanrefer", TRUTH, said, strict=True)["Acc@0.25"] == 0.5
    result = score("scanrefer", TRUTH, [TRUTH[0] | {"gt_bbox": [0.5, 0.5, 0.5, 1, 1, 1]}, TRUTH[1]])
    assert '"bbox" may be the truth, for the row has "gt_bbox" too' in result["problems"][0]


def test_a_turned_box_counts_as_the_aligned_one_around_it(score):
    # The unit cube turned by 45 degrees about its middle: its aligned box is sqrt(2) wide and deep.
    angle = np.pi / 4
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turned = (np.array(corners(-0.5, -0.5, -0.5, 0.5, 0.5, 0.5)) @ turn.T + 0.5).tolist()
    wide = [0.5, 0.5, 0.5, np.sqrt(2), np.sqrt(2), 1]
    result = score("scanrefer", [row(1, wide)], [row(1, turned)])
    assert result["Acc@0.5"] == 1.0
    assert not any(name.startswith(("unique", "multiple")) for name in result)  # the truth says nothing about it


def test_ids_may_be_written_out(score):
    said = {"scene0011_00-1-0": {"bbox": [0.5, 0.5, 0.5, 1, 1, 1]}, "scene0011_00-2-0": {"bbox": None}}
    result = score("scanrefer", TRUTH, said, strict=True)
    assert (result["Acc@0.5"], result["counts"]["unanswered"]) == (0.5, 1)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (corners(0, 0, 0, 1, 1, 1)[:7], "8 corners, got 7"),
        ([0, 0, 0, 1, 1], "8 corners or [cx, cy, cz, dx, dy, dz]"),
        ([0, 0, 0, 1, 1, -1], "sides >= 0"),
        ([0, 0, 0, 1, 1, float("nan")], "finite"),
    ],
)
def test_a_wrong_row_is_named(score, box, message):
    result = score("scanrefer", TRUTH, [row(2, corners(0, 0, 0, 2, 1, 1)), row(1, box)])
    assert "preds.json, row 2 (scene0011_00-1-0): " in result["problems"][0] and message in result["problems"][0]


def scan(root, scene="scene0011_00", **changes):
    """Five vertices: 0 and 1 of segment 7, 2 and 3 of segment 9, the last one of no object. Turned by 90 degrees about
    z and raised by 1: (x, y, z) becomes (-y, x, z + 1).
    """
    folder = root / "scans" / scene
    folder.mkdir(parents=True)
    points = ["0 0 0", "2 1 1", "4 0 0", "5 -2 3", "9 9 9"]
    header = [
        "ply",
        "format ascii 1.0",
        "element vertex 5",
        *(f"property float {axis}" for axis in "xyz"),
        "end_header",
    ]
    files = {
        f"{scene}_vh_clean_2.ply": "\n".join([*header, *points]) + "\n",
        f"{scene}_vh_clean_2.0.010000.segs.json": json.dumps({"segIndices": [7, 7, 9, 9, 11]}),
        f"{scene}.aggregation.json": json.dumps(
            {"segGroups": [{"objectId": 0, "segments": [7]}, {"objectId": 4, "segments": [9]}]}
        ),
        f"{scene}.txt": "axisAlignment = 0 -1 0 0 1 0 0 0 0 0 1 1 0 0 0 1\n",
    }
    for name, text in (files | changes).items():
        if text is not None:
            (folder / name).write_text(text)


def official(number):
    return {"scene_id": "scene0011_00", "object_id": str(number), "object_name": "chair", "ann_id": "0"}


def test_boxes_of_the_scans_beside_the_official_file(score, tmp_path):
    scan(tmp_path)
    # Object 0: x 0..2, y 0..1, z 0..1 becomes x -1..0, y 0..2, z 1..2. Object 4: x 4..5, y -2..0, z 0..3 becomes
    # x 0..2, y 4..5, z 1..4; said is its lower third, z 1..2.
    said = [row("0", corners(-1, 0, 1, 0, 2, 2)), row("4", corners(0, 4, 1, 2, 5, 2))]
    result = score("scanrefer", [official(0), official(4)], said, strict=True)
    assert (result["Acc@0.25"], result["Acc@0.5"]) == (1.0, 0.5)
    assert not any(name.startswith(("unique", "multiple")) for name in result)
    assert "unique and multiple are not in the file; put" in result["gaps"][0]


def test_the_split_of_the_official_file(score, tmp_path):
    # Named are two chairs, one of which as an office chair, a table, a toaster and a vase of no class of their own; the
    # same objects in another scene stand alone. The table has two rows.
    named = [("1", "office_chair"), ("2", "chair"), ("3", "table"), ("3", "table"), ("4", "toaster"), ("5", "vase")]
    rows = [
        row(number, [0.5, 0.5, 0.5, 1, 1, 1], object_name=name) | {"ann_id": str(place)}
        for place, (number, name) in enumerate(named)
    ]
    rows.append(rows[1] | {"scene_id": "scene0012_00"})
    table = [
        "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\tnyu40class",
        *(
            f"1\t{name}\tx\t1\t1\t1\tx\t{kind}"
            for name, kind in [("office chair", "chair"), ("chair", "chair"), ("table", "table")]
        ),
        *(f"1\t{name}\tx\t1\t40\t1\tx\totherprop" for name in ("toaster", "vase")),
    ]
    (tmp_path / "scannetv2-labels.combined.tsv").write_text("\n".join(table) + "\n")
    result = score("scanrefer", rows, rows, strict=True)
    samples = {name: result["figures"][f"{name} Acc@0.5"]["samples"] for name in ("unique", "multiple")}
    assert samples == {"unique": 3, "multiple": 4}  # both rows of the table, and the chair that is alone
    assert result["gaps"] == []
    rows[4]["object_name"] = "spaceship"
    with pytest.raises(UserError, match=r"row 5 .*has no object 'spaceship'"):
        score("scanrefer", rows, rows)


def test_a_scan_without_alignment_stays_as_it_is(score, tmp_path):
    scan(tmp_path, **{"scene0011_00.txt": None})
    assert score("scanrefer", [official(0)], [row("0", corners(0, 0, 0, 2, 1, 1))], strict=True)["Acc@0.5"] == 1.0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (".aggregation.json", None, "cannot read"),
        (".aggregation.json", "[]", '"segGroups" must be a list of objects'),
        (".aggregation.json", '{"segGroups": [{"objectId": 0}]}', '"segments" is missing'),
        (".aggregation.json", '{"segGroups": [{"objectId": 0, "segments": 7}]}', '"segments" must be a list'),
        (
            ".aggregation.json",
            '{"segGroups": [{"objectId": 5, "segments": [7]}]}',
            "there is no box of object 0 of scene0011_00",
        ),
        ("_vh_clean_2.ply", None, "must hold *_vh_clean_2.ply"),
        ("_vh_clean_2.0.010000.segs.json", '{"segIndices": [7]}', "a segment for each vertex"),
    ],
)
def test_a_scan_that_is_none_is_named(score, tmp_path, name, text, message):
    scan(tmp_path, **{f"scene0011_00{name}": text})
    with pytest.raises(UserError) as caught:
        score("scanrefer", [official(0)], [row("0", [0, 0, 0, 1, 1, 1])])
    assert "truth.json, row 1 (scene0011_00-0-0): " in str(caught.value) and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_scene_stays_within_the_scans(score, tmp_path):
    with pytest.raises(UserError, match="leaves its root"):
        score("scanrefer", [official(0) | {"scene_id": "../../x"}], [row("0", [0, 0, 0, 1, 1, 1])])


def test_a_truth_that_is_none(score):
    with pytest.raises(UserError, match=r"row 1 \(scene0011_00-1-0\): \"unique_multiple\" must be 0 or 1"):
        score("scanrefer", [row(1, [0, 0, 0, 1, 1, 1], unique_multiple=2)], TRUTH)
    with pytest.raises(UserError, match='"bbox" is null'):
        score("scanrefer", [row(1, None)], TRUTH)
