"""The `data` part of a configuration: which datasets the task can use, and what is missing or wrong."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from grounding.datasets.catalog import DATASETS
from grounding.datasets.records import Policy
from grounding.tasks.stvg import STVG
from grounding.tasks.vtg import VTG
from grounding.training.data import DATA, DatasetConfig, JsonlConfig, PolicyConfig, ToyConfig, check_data

USABLE = {"hcstvg", "vidstg"}


@pytest.fixture
def data(hcstvg: Path) -> DatasetConfig:
    """Right in all."""
    own = {
        "root": str(hcstvg / "videos"),
        "annotations": str(hcstvg / "annotations"),
        "masklets": str(hcstvg / "masks"),
    }
    return DatasetConfig("hcstvg", **own, train_split="train", eval_split="val")  # type: ignore[arg-type]


def test_every_dataset_of_the_catalog_can_be_named() -> None:
    assert list(DATA) == ["toy", "jsonl", *DATASETS]
    assert all(DATA[name].name == name for name in DATA)


def test_the_policy_is_that_of_the_catalog() -> None:
    assert vars(PolicyConfig()) == vars(Policy())


def test_what_is_right_passes(data: DatasetConfig, hcstvg: Path) -> None:
    assert check_data(data, STVG) == []
    file = str(hcstvg / "annotations" / "val_v2.json")
    assert check_data(replace(data, annotations=file, train_split=None, eval_split=None), STVG) == []


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in USABLE])
def test_a_dataset_that_the_task_cannot_use_says_what_it_lacks(name: str) -> None:
    """At once, with all else still missing."""
    (line,) = check_data(DATA[name], STVG)
    assert line.startswith(f"data={name} has no ") and "task=stvg" in line
    assert line.endswith("choose one of hcstvg, vidstg, jsonl, toy")


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("charades", "data=charades has no tube or object_id in its truths (interval), which"),
        ("refytvos", "data=refytvos has no interval in its truths (object_id), which"),
        ("mevis", "data=mevis has no interval and no tube or object_id in its truths (object_ids), which"),
        ("nextgqa", "data=nextgqa has no interval and no tube or object_id in its truths (intervals, choices), which"),
    ],
)
def test_what_a_dataset_lacks(name: str, lacks: str) -> None:
    assert check_data(DATA[name], STVG)[0].startswith(lacks)


@pytest.mark.parametrize("name", sorted(USABLE))
def test_what_is_missing_is_told_with_all_that_is_needed(name: str) -> None:
    needs = f"is missing; data={name} needs data.root=DIR data.annotations=FILE data.masklets=DIR"
    assert check_data(DATA[name], STVG) == [f"data.{one} {needs}" for one in ("root", "annotations", "masklets")]
    assert check_data(JsonlConfig(root="x"), STVG) == [
        "data.annotations is missing; data=jsonl needs data.root=DIR data.annotations=FILE"
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"root": "no/where"}, "data.root must be a folder, got 'no/where', which is none"),
        ({"masklets": "no/where"}, "data.masklets must be a folder, got 'no/where', which is none"),
        ({"annotations": "no/where"}, "data.annotations=no/where is neither a file nor a folder; mend the path"),
        ({"train_split": "test"}, "none of test.json, test_v2.json, testv2.json, test_proc.json"),
        ({"eval_split": "../val"}, "data.eval_split: a split must be a plain name such as train or val"),
        ({"eval_split": None}, "data.eval_split: no annotations of hcstvg in the folder"),
        ({"boxes": "."}, "data.boxes is for data=vidstg, whose boxes are in VidOR's files; leave it out for hcstvg"),
        ({"policy": PolicyConfig(box="mend")}, "data.policy.box must be one of keep, clamp, reject, got 'mend'"),
        ({"on_error": "pass"}, "data.on_error must be one of stop, skip, got 'pass'"),
        ({"backend": "vlc"}, "data.backend must be one of auto, pyav, torchcodec, decord, got 'vlc'"),
        ({"max_pixels": 1}, "data.max_pixels must be at least 784 (28 x 28), got 1"),
        ({"fps": float("nan")}, "data.fps must be > 0, got nan"),
        ({"max_frames": 1}, "data.max_frames must be at least 2, got 1"),
        ({"name": "hcstgv"}, "data.name must be one of toy, jsonl, hcstvg, vidstg"),
    ],
)
def test_a_single_mistake_is_one_line(data: DatasetConfig, change: dict[str, Any], message: str) -> None:
    (line,) = check_data(replace(data, **change), STVG)
    assert message in line and "\n" not in line


def test_a_file_has_no_splits(data: DatasetConfig, hcstvg: Path) -> None:
    file = str(hcstvg / "annotations" / "val_v2.json")
    lines = check_data(replace(data, annotations=file, train_split=None), STVG)
    assert lines == [f"data.eval_split=val needs the folder of all splits, but data.annotations={file} is a file"]


def test_several_mistakes_come_together(data: DatasetConfig) -> None:
    wrong = replace(data, train_split="x", eval_split="y", fps=0.0, policy=PolicyConfig(empty="no"))
    names = ["data.fps", "data.policy.empty", "data.train_split", "data.eval_split"]
    assert [line.startswith(name) for line, name in zip(check_data(wrong, STVG), names, strict=True)] == [True] * 4


def test_all_files_share_their_options() -> None:
    own = {field.name for field in fields(DatasetConfig)} - {field.name for field in fields(JsonlConfig)}
    assert own == {"masklets", "boxes", "policy"}


def test_a_task_that_draws_no_ids_can_use_all_that_say_when(hcstvg: Path) -> None:
    line = check_data(DATA["scanrefer"], VTG)[0]
    assert line.startswith(
        "data=scanrefer has no interval or intervals in its truths (object_id), which task=vtg needs; choose one"
    )
    able = line.rpartition("choose one of ")[2].split(", ")
    assert {
        "hcstvg",
        "vidstg",
        "charades",
        "activitynet",
        "timelens",
        "timerft",
        "qvhighlights",
        "jsonl",
        "toy",
    } <= set(able)
    needs = "is missing; data=charades needs data.root=DIR data.annotations=FILE"
    assert check_data(DATA["charades"], VTG) == [f"data.{one} {needs}" for one in ("root", "annotations")]


def test_a_task_without_toy_questions_cannot_use_the_toy_world() -> None:
    (line,) = check_data(ToyConfig(), replace(VTG, toy=None))
    assert line == "data=toy cannot ask what task=vtg asks; choose other data"
