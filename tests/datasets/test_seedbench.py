"""Tests of grounding.datasets.seedbench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grounding.core import Sample
from grounding.datasets.catalog import open_dataset

BASE: dict[str, Any] = {
    "sample_id": 115,
    "question": "What should I do next in order to store cereal?",
    "answer": "put box",
    "video_source": "EpicKitchens",
    "video_basename": "P01_13.mp4",
    "current_observation_basename": "P01_13.png",
    "task_progress_metadata": [{"narration_text": "take bag"}],
}
VALIDATION = {**BASE, "choice_a": "put bag", "choice_b": "put box", "choice_c": "open", "choice_d": "close"}
VALIDATION["golden_choice_idx"] = "B"
TRAINING = {**BASE, "negative_answers": ["a", "b", "c", "d", "put box", "a"]}


def read(folder: Path, *rows: Any) -> list[Sample]:
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return list(open_dataset("seedbench", folder / "a.jsonl").samples)


def test_validation_keeps_its_order(tmp_path: Path) -> None:
    (sample,) = read(tmp_path, VALIDATION)
    assert (sample.id, sample.video, sample.truth.choices) == ("115", "EpicKitchens/P01_13.mp4", frozenset("B"))
    assert sample.meta["options"] == ["put bag", "put box", "open", "close"]
    assert sample.meta["has_video"] and sample.meta["image"] == "P01_13.png"
    assert not read(tmp_path, {**VALIDATION, "task_progress_metadata": []})[0].meta["has_video"]


def test_training_is_ordered_by_a_hash_of_the_id(tmp_path: Path) -> None:
    rows = [{**TRAINING, "sample_id": number} for number in range(200)]
    samples = read(tmp_path, *rows)
    for sample in samples:
        options = sample.meta["options"]
        (right,) = sample.truth.choices or ()
        assert options["ABCD".index(right)] == "put box" and len(set(options)) == 4
        assert set(options) <= {"put box", "a", "b", "c", "d"}
    # The right one is at each place in about a quarter of 200: 50 +- 6, so 25 is four standard deviations away.
    places = [sample.truth.choices for sample in samples]
    assert all(places.count(frozenset(letter)) > 25 for letter in "ABCD")
    # Whatever order the wrong answers come in, and wherever the row stands.
    turned = {**TRAINING, "sample_id": 7, "negative_answers": TRAINING["negative_answers"][::-1]}
    assert read(tmp_path, turned)[0].meta["options"] == samples[7].meta["options"]


def test_too_few_wrong_answers_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({**TRAINING, "negative_answers": ["a", "a", "b"]}) + "\n")
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write(json.dumps({**VALIDATION, "sample_id": 1}) + "\n" + json.dumps({**VALIDATION, "choice_a": 1}))
    made = open_dataset("seedbench", tmp_path / "a.jsonl")
    assert [s.id for s in made.samples] == ["1"]
    assert ["three wrong answers" in one.message for one in made.findings] == [True, False]
