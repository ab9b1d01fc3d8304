"""Tests of grounding.masks.mevis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from grounding.masks import read_masklets
from grounding.masks.mevis import MASKS, META, read_mevis

PIXEL = {"size": [4, 6], "counts": [2, 1, 21]}
META_VALUE = {
    "videos": {
        "cat": {"expressions": {"0": {"exp": "both", "anno_id": [12, 9]}, "1": {"exp": "one", "anno_id": [12]}}},
        "dog": {"expressions": {"0": {"exp": "dog", "anno_id": [0]}}},
    }
}
MASKS_VALUE = {"0": [PIXEL], "9": [PIXEL, None, None], "12": [None, None, PIXEL]}


def write(folder: Path, meta: Any = META_VALUE, masks: Any = MASKS_VALUE) -> Path:
    (folder / META).write_text(json.dumps(meta))
    (folder / MASKS).write_text(json.dumps(masks))
    return folder


@pytest.mark.parametrize("given", [".", MASKS])
def test_the_objects_of_the_video_numbered_from_one(tmp_path: Path, given: str, video) -> None:
    masklets = read_masklets(write(tmp_path) / given, video(name="cat"))
    assert masklets.ids == [1, 2]  # annotations 9 and 12
    assert np.isnan(masklets.boxes(1)[:, 0]).tolist() == [False, True, True]
    assert np.isnan(masklets.boxes(2)[:, 0]).tolist() == [True, True, False]


def cat(*expressions: Any) -> dict[str, Any]:
    return {"videos": {"cat": {"expressions": {str(n): e for n, e in enumerate(expressions)}}}}


@pytest.mark.parametrize(
    ("meta", "masks", "message"),
    [
        ({"videos": {}}, {}, f"{META}: no expressions of a video 'cat'; name the video file like one of the videos"),
        ([], {}, f"{META}: no expressions of a video 'cat'"),
        (cat({"exp": "x"}), {}, f"{META}: expression 0: no list anno_id; the split `valid` has none"),
        (cat({"anno_id": ["1"]}), {}, f"{META}: expression 0: an anno_id must be a whole number"),
        (META_VALUE, {"9": [None] * 3}, f"{MASKS}: annotation 12: is missing, though {META} names it"),
        (META_VALUE, [], f"{MASKS}: annotation 9: is missing"),
        (META_VALUE, {**MASKS_VALUE, "9": [PIXEL]}, f"{MASKS}: annotation 9: 1 frames, the video has 3"),
        (
            META_VALUE,
            {**MASKS_VALUE, "12": [None, {"size": [4, 6], "counts": [1]}, None]},
            f"{MASKS}: annotation 12: frame 1: RLE runs must fill",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, meta: Any, masks: Any, message: str, video) -> None:
    with pytest.raises(UserError, match=message):
        read_mevis(write(tmp_path, meta, masks), video(name="cat"))


def test_both_files_must_be_there_and_inside(tmp_path: Path, video) -> None:
    split = tmp_path / "split"
    split.mkdir()
    write(split)
    (split / META).rename(tmp_path / META)
    with pytest.raises(UserError, match=f"cannot read .*{META}"):
        read_mevis(split, video())
    (split / META).symlink_to(tmp_path / META)
    with pytest.raises(UserError, match="leaves its root"):
        read_mevis(split, video())
