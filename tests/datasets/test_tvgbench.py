"""Tests of grounding.datasets.tvgbench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.core import Interval
from grounding.datasets.catalog import open_dataset
from grounding.datasets.validation import duplicates

ROW: dict[str, Any] = {
    "path": "./dataset/timer1/videos/tvgbench_data/KWZSA.mp4",
    "question": "a person was sitting.",
    "answer": "13.4-28.1",
    "start": None,
    "end": None,
    "duration": 30.12,
    "source": "./raw_data/Charades_sta_test.json",
    "dataset_name": "charades",
    "qsemtype": "Human Pose",
}


def write(folder: Path, *rows: Any) -> Path:
    (folder / "tvgbench.json").write_text(json.dumps(rows, indent=4))
    return folder


def test_spans_in_text_and_missing_names_of_data_sets(tmp_path: Path) -> None:
    nameless = {key: value for key, value in ROW.items() if key != "dataset_name"}
    nameless["source"] = "./raw_data/nlq_r1_val.json"
    made = open_dataset("tvgbench", write(tmp_path, ROW, nameless, {**ROW, "path": "x/a.avi", "answer": "0-31"}))
    assert [(s.id, s.video, s.truth.interval) for s in made.samples] == [
        ("0", "KWZSA.mp4", Interval(13.4, 28.1)),
        ("1", "KWZSA.mp4", Interval(13.4, 28.1)),
        ("2", "a.avi", Interval(0, 30.12)),
    ]
    assert [s.meta["source"] for s in made.samples] == ["charades", "nlq_r1_val", "charades"]


@pytest.mark.parametrize("answer", ["13.4", "1-2-3", "a-b", "", None, [1, 2], "-5-3"])
def test_an_answer_that_is_no_span_is_told(tmp_path: Path, answer: Any) -> None:
    made = open_dataset("tvgbench", write(tmp_path, {**ROW, "answer": answer}, ROW))
    assert [(s.id, s.meta["row"]) for s in made.samples] == [("1", 2)]  # the bad one keeps its number
    assert (made.findings[0].row, made.findings[0].action) == (1, "rejected")


@pytest.mark.shared_data
def test_the_official_file(shared_data: Path) -> None:
    made = open_dataset("tvgbench", shared_data / "vtg" / "tvgbench")
    kinds = [(one.kind, one.action) for one in made.findings]
    # 11 truths from Ego4D's NLQ begin where they end: no answer scores there.
    assert made.rows == 800 and kinds.count(("empty", "rejected")) == 11
    assert len(made.samples) == 789 and kinds.count(("beyond", "clamped")) == 27
    assert sum(s.meta["source"] == "nlq_r1_val" for s in made.samples) == 168 - 11
    assert len(duplicates(made.samples)) <= 1
