"""The objects of ScanNet's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from grounding.datasets.scans import ScanObject, nyu_classes, owners, scan_objects


def test_objects_and_the_vertices_that_they_own(tmp_path: Path) -> None:
    groups: list[dict[str, Any]] = [
        {"id": 1, "objectId": 0, "label": "chair", "segments": [7, 9]},
        {"id": 2, "objectId": 4, "segments": [9]},
    ]
    (tmp_path / "a.json").write_text(json.dumps({"segGroups": groups}))
    objects = scan_objects(tmp_path / "a.json")
    assert objects == [ScanObject(0, "chair", (7, 9)), ScanObject(4, "", (9,))]
    assert owners(objects, np.array([9, 7, 11, 7])).tolist() == [4, 0, -1, 0]  # the last one has segment 9
    assert owners([], np.array([3])).tolist() == [-1]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], '"segGroups" must be a list of objects'),
        ({"segGroups": [{"objectId": -1, "segments": []}]}, "objectId must be a whole number of 0 or more"),
        ({"segGroups": [{"objectId": 1, "label": 3, "segments": []}]}, '"label" of object 1 must be a text'),
        ({"segGroups": [{"objectId": 1, "segments": ["a"]}]}, "a segment must be a whole number"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, value: Any, message: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(value))
    with pytest.raises(UserError) as caught:
        scan_objects(tmp_path / "a.json")
    assert str(caught.value).startswith(f"{tmp_path / 'a.json'}: ") and message in str(caught.value)


def test_classes_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.tsv"
    path.write_text("id\traw_category\tnyu40class\n1\toffice chair\tchair\n2\tvase\totherprop\n3\n")
    assert nyu_classes(path) == {"office chair": "chair", "vase": "otherprop"}
    path.write_text("id\traw\n")
    with pytest.raises(UserError, match="must have the columns raw_category and nyu40class"):
        nyu_classes(path)
