"""Tests of grounding.datasets.sqa3d."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.core import UserError
from grounding.datasets.catalog import open_dataset

QUESTION: dict[str, Any] = {
    "scene_id": "scene0050_00",
    "situation": "I am standing by the ottoman.",
    "alternative_situation": ["I stood up."],
    "question": "What instrument is in front of me?",
    "question_id": 220602000002,
}
ANSWER: dict[str, Any] = {"question_id": 220602000002, "answers": [{"answer": "piano"}, {"answer": "a piano"}]}


def write(folder: Path, questions: Any, annotations: Any = None) -> Path:
    (folder / "v1_balanced_questions_val_scannetv2.json").write_text(json.dumps({"info": 1, "questions": questions}))
    if annotations is not None:
        path = folder / "v1_balanced_sqa_annotations_val_scannetv2.json"
        path.write_text(json.dumps({"info": 1, "annotations": annotations}))
    return folder


def test_questions_and_answers_come_together(tmp_path: Path) -> None:
    (sample,) = open_dataset("sqa3d", write(tmp_path, [QUESTION], [ANSWER]), split="val").samples
    assert (sample.id, sample.video, sample.truth.text) == ("220602000002", "scene0050_00", "piano")
    assert sample.truth.also == ("a piano",)
    assert sample.meta["situation"] == "I am standing by the ottoman."


def test_without_annotations_there_is_no_truth(tmp_path: Path) -> None:
    (sample,) = open_dataset("sqa3d", write(tmp_path, [QUESTION]), split="val").samples
    assert sample.truth.text is None


def test_a_broken_question_is_told_and_the_next_is_read(tmp_path: Path) -> None:
    made = open_dataset("sqa3d", write(tmp_path, [7, {**QUESTION, "question": None}, QUESTION]), split="val")
    assert [(one.row, one.kind) for one in made.findings] == [(1, "row"), (2, "query")]
    assert len(made.samples) == 1


@pytest.mark.parametrize("answers", [[], "piano", [{"a": 1}], [{"answer": ""}]])
def test_broken_answers_are_refused(tmp_path: Path, answers: Any) -> None:
    with pytest.raises(UserError, match=r"v1_balanced_sqa_annotations_val_scannetv2\.json, row 2: .*answer"):
        open_dataset("sqa3d", write(tmp_path, [QUESTION], [ANSWER, {**ANSWER, "answers": answers}]), split="val")
