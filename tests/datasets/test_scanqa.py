"""Tests of grounding.datasets.scanqa."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.datasets.catalog import open_dataset

ROW: dict[str, Any] = {
    "scene_id": "scene0011_00",
    "question_id": "val-scene0011-0",
    "question": "What color is the table?",
    "answers": ["brown", "dark brown"],
    "object_ids": [8],
}


def test_the_first_answer_is_the_truth_and_all_are_kept(tmp_path: Path) -> None:
    (tmp_path / "ScanQA_v1.0_val.json").write_text(json.dumps([ROW]))
    (sample,) = open_dataset("scanqa", tmp_path, split="val").samples
    assert (sample.id, sample.video, sample.truth.text) == ("val-scene0011-0", "scene0011_00", "brown")
    assert sample.truth.also == ("dark brown",) and sample.meta["object_ids"] == [8]


def test_a_test_split_has_no_answers(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{key: ROW[key] for key in ("scene_id", "question_id", "question")}]))
    assert open_dataset("scanqa", tmp_path / "a.json").samples[0].truth.text is None


@pytest.mark.parametrize("answers", [[], [""], "brown", [7]])
def test_answers_that_are_none_are_told(tmp_path: Path, answers: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{**ROW, "answers": answers}, ROW]))
    made = open_dataset("scanqa", tmp_path / "a.json")
    assert len(made.samples) == 1 and "answers" in made.findings[0].message
