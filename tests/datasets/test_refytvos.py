"""Tests of grounding.datasets.refytvos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grounding.datasets.catalog import open_dataset


def write(folder: Path, expressions: dict[str, Any]) -> Path:
    path = folder / "meta_expressions" / "train" / "meta_expressions.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"videos": {"003234408d": {"frames": ["00000"], "expressions": expressions}}}))
    return folder


def test_the_id_is_the_value_of_the_pixels(tmp_path: Path) -> None:
    value = {"0": {"exp": "a penguin", "obj_id": "1"}, "1": {"exp": "another", "obj_id": 2}, "2": {"exp": "unknown"}}
    samples = open_dataset("refytvos", write(tmp_path, value), split="train").samples
    assert [(s.id, s.query, s.truth.object_id) for s in samples] == [
        ("003234408d/0", "a penguin", 1),
        ("003234408d/1", "another", 2),
        ("003234408d/2", "unknown", None),
    ]
    assert samples[0].video == "003234408d.mp4" and samples[0].meta["frames"] == 1


def test_a_broken_expression_is_told_and_the_next_is_read(tmp_path: Path) -> None:
    value = {"0": {"exp": "a", "obj_id": "one"}, "1": 7, "2": {"exp": "b", "obj_id": "1"}}
    made = open_dataset("refytvos", write(tmp_path, value), split="train")
    assert [sample.id for sample in made.samples] == ["003234408d/2"]
    assert [one.message for one in made.findings] == [
        "obj_id must be a number, got 'one'",
        "the row must be a JSON object {...}, got 7",
    ]
