"""Tests of grounding.datasets.scanrefer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.datasets.catalog import open_dataset

ROW: dict[str, Any] = {
    "scene_id": "scene0000_00",
    "object_id": "39",
    "object_name": "cabinet",
    "ann_id": "2",
    "description": "the cabinet next to the door.",
    "token": ["the"],
}


def test_objects_count_from_zero_there_and_from_one_here(tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "object_id": 0}]
    (tmp_path / "ScanRefer_filtered_val.json").write_text(json.dumps(rows))
    samples = open_dataset("scanrefer", tmp_path, split="val").samples
    assert [(s.id, s.video, s.truth.object_id) for s in samples] == [
        ("scene0000_00-39-2", "scene0000_00", 40),
        ("scene0000_00-0-2", "scene0000_00", 1),
    ]
    assert samples[0].meta["object_name"] == "cabinet"


@pytest.mark.parametrize("change", [{"object_id": "x"}, {"object_id": -1}, {"scene_id": None}, {"description": ""}])
def test_a_broken_row_is_told_and_the_next_is_read(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{**ROW, **change}, ROW]))
    made = open_dataset("scanrefer", tmp_path / "a.json")
    assert [s.meta["row"] for s in made.samples] == [2] and made.findings[0].row == 1
