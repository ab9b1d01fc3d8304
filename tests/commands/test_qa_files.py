"""`task=qa` trains on files as the datasets' authors write them, whatever kind of answer they ask for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from grounding.commands.options import composed
from grounding.commands.train import train
from grounding.core import UserErrors, write_video
from grounding.tasks.qa import QA
from grounding.training.config import Config, register
from grounding.training.data import open_sources

SMALL = [
    *("task=qa", "warmup.max_steps=0", "model.max_new_tokens=8", "objective.generations=2"),
    *("trainer.max_steps=1", "trainer.prompts=2", "trainer.groups_per_pass=2", "trainer.report_to=[]"),
    *("data.max_frames=4", "data.eval_samples=4"),
]
LETTERS, NUMBER, WORDS = {"accuracy"}, {"MRA"}, {"exact_match", "ROUGE-L"}
BESIDE = {"parse_rate", "count"}

SEED: dict[str, Any] = {
    **{"sample_id": 115, "question": "What should I do next?", "answer": "put box into cupboard"},
    **{"video_source": "Epic", "video_basename": "v_a.mp4", "current_observation_basename": "v_a.png"},
    **{"task_progress_metadata": [{"narration_text": "take bag"}], "negative_answers": ["go", "sit", "eat", "run"]},
}
VSI: dict[str, Any] = {"id": 0, "dataset": "arkitscenes", "scene_name": "v_a", "question": "How many chairs are there?"}
COUNTED = {**VSI, "question_type": "object_counting", "ground_truth": "4", "options": None}
CHOSEN = {**VSI, "id": 1, "question_type": "route_planning", "ground_truth": "B", "options": ["A. left", "B. right"]}
HALLU: dict[str, Any] = {
    **{"problem_id": 5, "problem": "Why does it fall?", "problem_type": "free-form", "data_type": "video"},
    **{"options": [], "path": "./v_a.mp4", "solution": "<answer>Because of gravity.</answer>"},
}
CHOICE = {**HALLU, "problem_id": 6, "problem_type": "multiple choice", "options": ["A. up", "B. down"]}
CHOICE |= {"solution": "<answer>B</answer>"}
BENCH = {"RowID": 1, "Model": "Kling", "video_path": "v_a.mp4", "Question": "Does it fall?", "Answer": "Yes, it does."}
SCAN = {"scene_id": "v_a", "question_id": "q-0", "question": "What color is it?", "answers": ["brown", "dark brown"]}
SQA = {"scene_id": "v_a", "situation": "I sit.", "question": "What is in front of me?", "question_id": 22}
ANSWERS = {"annotations": [{"question_id": 22, "answers": [{"answer": "piano"}]}]}
OWN: dict[str, Any] = {"id": "1", "video": "part/v_a.mp4", "query": "What is it?"}

QUESTIONS = "v1_balanced_questions_train_scannetv2.json"
BALANCED = "v1_balanced_sqa_annotations_train_scannetv2.json"
ROWS = [{**OWN, "options": ["a dog", "a cup"], "choices": "B"}, {**OWN, "id": "2", "number": 3.5}]
FILES: list[tuple[str, Mapping[str, Iterable[Any]], set[str]]] = [
    ("seedbench", {"training_6k.jsonl": [SEED]}, LETTERS),
    ("vsibench", {"test.jsonl": [COUNTED, CHOSEN]}, LETTERS | NUMBER),
    ("videohallu", {"train.json": [[HALLU, CHOICE]]}, LETTERS | WORDS),
    ("videohallu", {"test.jsonl": [BENCH]}, WORDS),
    ("scanqa", {"ScanQA_v1.0_train.json": [[SCAN]]}, WORDS),
    ("sqa3d", {QUESTIONS: [{"questions": [SQA]}], BALANCED: [ANSWERS]}, WORDS),
    ("jsonl", {"own.jsonl": [*ROWS, {**OWN, "id": "3", "text": ["a cup", "cup"]}]}, LETTERS | NUMBER | WORDS),
]


def written(folder: Path, dataset: str, files: Mapping[str, Iterable[Any]]) -> list[str]:
    """Options for files with these lines; the first is the one to name."""
    for name, lines in files.items():
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [f"data={dataset}", f"data.root={folder / 'videos'}", f"data.annotations={folder / next(iter(files))}"]


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "files", "figures"), FILES)
def test_a_run_on_files_in_the_official_form(
    dataset: str, files: Mapping[str, Iterable[Any]], figures: set[str], tmp_path: Path
) -> None:
    write_video(tmp_path / "videos" / "part" / "v_a.mp4", [np.zeros((56, 84, 3), np.uint8)] * 30, 10.0)
    summary = run_with(*written(tmp_path, dataset, files), f"out={tmp_path / 'run'}")
    assert summary["after"].keys() == figures | BESIDE
    assert summary["skipped"] == 0
    assert ("question_only" in summary["controls"]) is (figures >= LETTERS)


WRONG: list[tuple[str, Mapping[str, Iterable[Any]], str]] = [
    (
        "seedbench",
        {"a.jsonl": [SEED, {**SEED, "sample_id": 2, "negative_answers": ["a"]}]},
        "row 2: there must be three",
    ),
    (
        "vsibench",
        {"a.jsonl": [COUNTED, {**CHOSEN, "ground_truth": "C"}]},
        "row 2: the answer must be the letter of one",
    ),
    ("vsibench", {"a.jsonl": [CHOSEN, {**COUNTED, "ground_truth": "many"}]}, "row 2: "),
    ("videohallu", {"a.json": [[CHOICE, {**HALLU, "solution": ""}]]}, "row 2: the answer must be a text"),
    ("scanqa", {"a.json": [[SCAN, {**SCAN, "question_id": "q-1", "answers": []}]]}, "row 2: the answers must be one"),
    ("scanqa", {"a.json": [[SCAN, {**SCAN, "question_id": "q-1", "answers": ["</answer>"]}]]}, "holds '</answer>'"),
    ("sqa3d", {QUESTIONS: [{"questions": [SQA, {**SQA, "question_id": 3}]}], BALANCED: [ANSWERS]}, "does not say its"),
    ("jsonl", {"a.jsonl": [ROWS[0], {**OWN, "id": "2", "options": ["x", "y"], "choices": "C"}]}, "row 2 (2): "),
]


@pytest.mark.parametrize(("dataset", "files", "message"), WRONG)
def test_a_mistaken_row_is_one_line(
    dataset: str, files: Mapping[str, Iterable[Any]], message: str, tmp_path: Path
) -> None:
    write_video(tmp_path / "videos" / "part" / "v_a.mp4", [np.zeros((56, 84, 3), np.uint8)] * 30, 10.0)
    config = configured(*written(tmp_path, dataset, files))
    with pytest.raises(UserErrors) as caught:
        open_sources(config.data, QA, 0, 84 * 84)
    (line,) = caught.value.errors
    assert message in line and "\n" not in line


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.parametrize(("dataset", "files", "figures"), FILES)
def test_a_run_of_rows_in_the_official_form_on_a_real_video(
    dataset: str, files: Mapping[str, Iterable[Any]], figures: set[str], shared_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "videos" / "part").mkdir(parents=True)
    shutil.copy(shared_data / "video" / "bedroom.mp4", tmp_path / "videos" / "part" / "v_a.mp4")
    data = written(tmp_path, dataset, files)
    summary = run_with(*data, "trainer.max_steps=5", "data.max_pixels=7056", f"out={tmp_path / 'run'}")
    assert summary["after"].keys() == figures | BESIDE and summary["steps"] == 5


def configured(*overrides: str) -> Config:
    register()
    return OmegaConf.to_object(composed([*SMALL, *overrides], ""))  # type: ignore[return-value]


def run_with(*overrides: str) -> dict[str, Any]:
    """The summary of a run, which has the figures of before and after."""
    out = train(configured(*overrides))
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    assert summary["before"].keys() == summary["after"].keys()
    return summary
