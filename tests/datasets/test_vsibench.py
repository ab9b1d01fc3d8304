"""Tests of grounding.datasets.vsibench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.datasets.catalog import open_dataset

COUNT: dict[str, Any] = {
    "id": 0,
    "dataset": "arkitscenes",
    "scene_name": "41069025",
    "question_type": "object_counting",
    "question": "How many table(s) are in this room?",
    "ground_truth": "4",
    "options": None,
    "pruned": False,
}
CHOICE = {**COUNT, "id": 1, "question_type": "object_rel_distance", "options": ["A. left", "B. right"]}


def test_numbers_and_options(tmp_path: Path) -> None:
    rows = [COUNT, {**CHOICE, "ground_truth": "B"}, {**COUNT, "id": 2, "ground_truth": 2.5}]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    first, second, third = open_dataset("vsibench", tmp_path, split="test").samples
    assert (first.id, first.video, first.truth.number) == ("0", "arkitscenes/41069025.mp4", 4.0)
    assert (second.truth.choices, second.truth.number) == (frozenset("B"), None)
    assert second.meta["options"] == ["left", "right"] and second.meta["type"] == "object_rel_distance"
    assert third.truth.number == 2.5


@pytest.mark.parametrize(
    "row",
    [
        {**COUNT, "ground_truth": "four"},
        {**COUNT, "ground_truth": "nan"},
        {**CHOICE, "ground_truth": "C"},
        {**CHOICE, "ground_truth": "left"},
        {**COUNT, "scene_name": "../x"},
        {**COUNT, "dataset": ".."},
    ],
)
def test_a_broken_row_is_told_and_the_next_is_read(tmp_path: Path, row: dict[str, Any]) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**COUNT, "id": 9}))
    made = open_dataset("vsibench", tmp_path / "a.jsonl")
    assert [s.id for s in made.samples] == ["9"] and made.findings[0].row == 1
