"""Tests of grounding.datasets.mevis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.core import UserError
from grounding.datasets.catalog import open_dataset


def write(folder: Path, videos: Any, split: str = "valid_u") -> Path:
    (folder / split).mkdir()
    (folder / split / "meta_expressions.json").write_text(json.dumps({"videos": videos}))
    return folder


def expression(said: str, *anno_id: Any) -> dict[str, Any]:
    return {"exp": said, "obj_id": [0], "anno_id": list(anno_id)}


def test_annotation_ids_are_numbered_within_their_video(tmp_path: Path) -> None:
    # The ids 12, 30 and 7 occur: 7 is our 1, 12 our 2, 30 our 3, as the reader of the masks numbers them.
    one = {"0": expression("both dogs", 30, 12), "1": expression("the bird", 7)}
    two = {"0": expression("the car", 30)}
    value = {"0a1": {"frames": ["00000", "00001"], "expressions": one}, "0b2": {"frames": [], "expressions": two}}
    samples = open_dataset("mevis", write(tmp_path, value), split="valid_u").samples
    assert [(s.id, s.video, s.query) for s in samples] == [
        ("0a1/0", "0a1.mp4", "both dogs"),
        ("0a1/1", "0a1.mp4", "the bird"),
        ("0b2/0", "0b2.mp4", "the car"),
    ]
    assert [s.truth.object_ids for s in samples] == [frozenset({2, 3}), frozenset({1}), frozenset({1})]
    assert (samples[0].meta["anno_id"], samples[0].meta["frames"]) == ([30, 12], 2)


def test_the_split_valid_has_no_truth(tmp_path: Path) -> None:
    value = {"0a1": {"frames": [], "expressions": {"0": {"exp": "the dog"}}}}
    (sample,) = open_dataset("mevis", write(tmp_path, value, "valid"), split="valid").samples
    assert sample.truth.ids is None


def test_a_broken_video_is_told_and_the_next_is_read(tmp_path: Path) -> None:
    value = {
        "bad": {"expressions": {"0": expression("a", "x")}},
        "good": {"expressions": {"0": expression("b", 1), "1": {"exp": None, "anno_id": [1]}}},
    }
    made = open_dataset("mevis", write(tmp_path, value), split="valid_u")
    assert [sample.id for sample in made.samples] == ["good/0"]
    assert [(one.row, one.sample_id, one.kind) for one in made.findings] == [
        (1, "bad", "row"),
        (2, "good/1", "query"),
    ]


@pytest.mark.parametrize(
    ("videos", "message"),
    [
        ([], ": videos must be a JSON object"),
        ({"a": 1}, ", video 1: the video must be a JSON object"),
        ({"a": {"expressions": []}}, ", video 1: expressions must be a JSON object"),
        ({"a": {"expressions": {}}, "b": {}}, ', video 2: "expressions" is missing'),
    ],
)
def test_what_is_no_meta_expressions(tmp_path: Path, videos: Any, message: str) -> None:
    with pytest.raises(UserError, match=r"meta_expressions\.json" + message):
        open_dataset("mevis", write(tmp_path, videos), split="valid_u")


def test_the_numbers_of_masks_may_be_texts(tmp_path: Path) -> None:
    """The authors' loader takes either."""
    video = {"expressions": {"0": expression("a", "30", 12), "1": expression("b", "x")}, "frames": ["00000"]}
    (tmp_path / "meta_expressions.json").write_text(json.dumps({"videos": {"v": {**video}}}))
    with pytest.raises(UserError, match="none of 1 rows"):
        open_dataset("mevis", tmp_path / "meta_expressions.json")
    del video["expressions"]["1"]
    (tmp_path / "meta_expressions.json").write_text(json.dumps({"videos": {"v": video}}))
    (sample,) = open_dataset("mevis", tmp_path / "meta_expressions.json").samples
    assert sample.truth.object_ids == frozenset([1, 2]) and sample.meta["anno_id"] == [30, 12]
