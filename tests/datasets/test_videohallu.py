"""Tests of grounding.datasets.videohallu."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.datasets.catalog import open_dataset

BENCH: dict[str, Any] = {
    "RowID": 1,
    "Model": "KLing",
    "video_path": "./kling/a.mp4",
    "Prompt": "a ball falls",
    "Question": "Does the ball fall?",
    "Answer": "Yes, it does.",
    "Categorization-1": "physics",
    "Categorization-2": "gravity",
}
TRAIN: dict[str, Any] = {
    "problem_id": 5,
    "problem": "Why does it fall?",
    "problem_type": "free-form",
    "data_type": "video",
    "options": [],
    "path": "./videos/b.mp4",
    "solution": "<answer>Because of gravity.</answer>",
}


def write(folder: Path, *rows: Any) -> Path:
    (folder / "a.json").write_text(json.dumps(rows))
    return folder / "a.json"


def test_the_benchmark(tmp_path: Path) -> None:
    (sample,) = open_dataset("videohallu", write(tmp_path, BENCH)).samples
    assert (sample.id, sample.video, sample.truth.text) == ("1", "kling/a.mp4", "Yes, it does.")
    assert sample.meta["generator"] == "kling" and sample.meta["type"] == "physics"


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
def test_questions_about_one_video_share_a_number(tmp_path: Path, kind: str) -> None:
    rows = [{**BENCH, "RowID": number, "Question": f"what {n}?"} for n, number in enumerate([62.0, "62", 64, 62])]
    lines = [json.dumps(row) for row in rows]
    if kind == "csv":
        lines = [",".join(BENCH), *(",".join(f'"{value}"' for value in row.values()) for row in rows[1:])]
    (tmp_path / f"a.{kind}").write_text(f"[{','.join(lines)}]" if kind == "json" else "\n".join(lines))
    made = open_dataset("videohallu", tmp_path / f"a.{kind}")
    assert made.findings == []
    assert [s.id for s in made.samples] == ["62", "62_1", "64", "62_2"] if kind != "csv" else ["62", "64", "62_1"]


def test_training_rows_by_kind(tmp_path: Path) -> None:
    choice = {**TRAIN, "problem_id": 6, "problem_type": "multiple choice", "options": ["A. up", "B. down"]}
    rows = [TRAIN, {**choice, "solution": "<answer>B</answer>"}]
    rows.append({**TRAIN, "problem_id": 7, "problem_type": "numerical", "solution": "<answer>4</answer>"})
    first, second, third = open_dataset("videohallu", write(tmp_path, *rows)).samples
    assert (first.id, first.video, first.truth.text) == ("5", "videos/b.mp4", "Because of gravity.")
    assert (second.truth.choices, second.meta["options"]) == (frozenset("B"), ["up", "down"])
    assert third.truth.number == 4.0 and third.truth.text is None


def test_null_questions_are_found(tmp_path: Path) -> None:
    rows = [{**TRAIN, "problem_id": n, "problem": None if n % 2 else "why"} for n in range(6)]
    made = open_dataset("videohallu", write(tmp_path, *rows))
    assert [s.id for s in made.samples] == ["0", "2", "4"]
    assert [(one.kind, one.action, one.sample_id) for one in made.findings] == [
        ("query", "rejected", "1"),
        ("query", "rejected", "3"),
        ("query", "rejected", "5"),
    ]


@pytest.mark.parametrize("change", [{"Answer": None}, {"Answer": " "}, {"video_path": "../a.mp4"}, {"RowID": None}])
def test_a_broken_row_is_told_and_the_next_is_read(tmp_path: Path, change: dict[str, Any]) -> None:
    made = open_dataset("videohallu", write(tmp_path, {**BENCH, **change}, {**BENCH, "RowID": 2}))
    assert [s.id for s in made.samples] == ["2"] and made.findings[0].row == 1
