"""Tests of grounding.datasets.rextime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.core import Interval
from grounding.datasets.catalog import open_dataset

ROW: dict[str, Any] = {
    "qid": "qvh_val241",
    "vid": "2I9-kvemtSU_510.0_660.0",
    "duration": 150,
    "question": "What were they doing before?",
    "answer": "From <s0> to <e0>, <option>.",
    "source": "qvhighlights_val",
    "category": "sequential",
    "options": ["eating", "running", "hot tour", "singing"],
    "span": [0, 28],
    "ans": "C",
}


@pytest.mark.parametrize("name", ["rextime_val.json", "rextime_val.jsonl"])
def test_a_list_or_lines(tmp_path: Path, name: str) -> None:
    text = json.dumps(ROW) if name.endswith("l") else json.dumps([ROW])
    (tmp_path / name).write_text(text)
    (sample,) = open_dataset("rextime", tmp_path, split="val").samples
    assert (sample.id, sample.video) == ("qvh_val241", "2I9-kvemtSU_510.0_660.0.mp4")
    assert (sample.truth.interval, sample.truth.choices) == (Interval(0, 28), frozenset("C"))
    assert sample.meta["options"][2] == "hot tour" and sample.meta["type"] == "sequential"


def test_the_form_of_the_official_evaluation(tmp_path: Path) -> None:
    row = {"qid": "anet_val92", "query": "What does she do before?", "duration": 100.5, "vid": "v_ZMTi498qnPc"}
    row |= {"relevant_windows": [[5, 8]], "ans": "D"}
    lines = [row, {**row, "qid": "b", "relevant_windows": [[5, 8], [9, 12]]}, {**row, "qid": "bad", "ans": "E"}]
    (tmp_path / "rextime_val.jsonl").write_text("\n".join(map(json.dumps, lines)))
    made = open_dataset("rextime", tmp_path, split="val")
    first, second = made.samples
    assert (first.id, first.video, first.query) == ("anet_val92", "v_ZMTi498qnPc.mp4", "What does she do before?")
    assert (first.truth.interval, first.truth.choices) == (Interval(5, 8), frozenset("D"))
    assert second.truth.intervals == (Interval(5, 8), Interval(9, 12))
    assert [(one.row, one.sample_id) for one in made.findings] == [(3, None)]  # of four options none is E


def test_the_test_split_has_no_truth(tmp_path: Path) -> None:
    row = {key: value for key, value in ROW.items() if key not in ("span", "ans", "duration")}
    (tmp_path / "rextime_test_release.json").write_text(json.dumps([row]))
    (sample,) = open_dataset("rextime", tmp_path, split="test").samples
    assert sample.truth.interval is None and sample.truth.choices is None


@pytest.mark.parametrize("change", [{"ans": "E"}, {"ans": 2}, {"options": "eating"}, {"options": ["", "b"]}])
def test_a_broken_row_is_told_and_the_next_is_read(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{**ROW, **change}, {**ROW, "qid": "good"}]))
    made = open_dataset("rextime", tmp_path / "a.json")
    assert [s.id for s in made.samples] == ["good"] and made.findings[0].row == 1
