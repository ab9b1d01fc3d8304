"""Tests of grounding.datasets.timerft."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.core import Interval
from grounding.datasets.catalog import open_dataset

ROW: dict[str, Any] = {
    "video": "/somebody/data/v_abc.mp4",
    "duration": 60.2,
    "timestamp": [3.0, 9.5],
    "sentence": "a man jumps",
    "qid": "anet|v_abc|0",
    "video_start": None,
    "video_end": None,
    "difficulty": 31.4,
    "pred": [2.0, 8.0],
}


@pytest.mark.parametrize("name", ["train.jsonl", "train.json"])
def test_a_row(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps(ROW) if name.endswith("l") else json.dumps([ROW]))
    (sample,) = open_dataset("timerft", tmp_path, split="train").samples
    assert (sample.id, sample.video, sample.query) == ("anet|v_abc|0", "v_abc.mp4", "a man jumps")
    assert sample.truth.interval == Interval(3.0, 9.5)
    assert (sample.meta["difficulty"], sample.meta["duration"]) == (pytest.approx(0.314), 60.2)
    assert "pred" not in sample.meta


def test_an_id_that_holds_a_long_sentence(tmp_path: Path) -> None:
    row = {**ROW, "sentence": "so " * 600, "qid": "my|cosmo|v|" + "so " * 600}
    (tmp_path / "a.json").write_text(json.dumps([row, {**row, "qid": row["qid"] + "2"}]))
    made = open_dataset("timerft", tmp_path / "a.json")
    assert [len(s.id) for s in made.samples] == [1811, 1812] and made.findings == []


def test_a_second_row_of_one_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([ROW, {**ROW, "sentence": "other"}, {**ROW, "qid": "b"}]))
    made = open_dataset("timerft", tmp_path / "a.json")
    assert [s.id for s in made.samples] == ["anet|v_abc|0", "b"]
    assert (made.findings[0].kind, made.findings[0].message) == ("id", "the id is used by row 1 already")
