"""Annotation files with one value replaced by something odd: read, or refused in words, but never a traceback."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.evaluation.benchmarks.table import BENCHMARKS

BOX = {"xmin": 0, "ymin": 0, "xmax": 10, "ymax": 10}
RANGE = {"begin_fid": 0, "end_fid": 2}
SENTENCE = [{"description": "a", "target_id": 1}]
OFFICIAL = [
    {"vid": "77", "fps": 10.0, "used_segment": RANGE, "temporal_gt": RANGE, "captions": SENTENCE, "questions": SENTENCE}
]
VIDOR = {"trajectories": [[{"tid": 1, "bbox": BOX}], [{"tid": 1, "bbox": BOX}]]}
PROCESSED = {
    "videos": [
        {"video_id": 3, "original_video_id": "77", "target_id": 1, "fps": 10.0, "start_frame": 0, "end_frame": 4,
         "tube_start_frame": 0, "tube_end_frame": 1, "qtype": "declarative"}
    ],
    "trajectories": {"77": {"1": {"0": {"bbox": [1, 2, 3, 4]}}}},
}  # fmt: skip
META = {"videos": {"v": {"frames": ["0", "1"], "expressions": {"0": {"exp": "a", "anno_id": [7]}}}}}
MASKS = {"7": [{"size": [2, 2], "counts": [0, 4]}, None]}
QVH = {"qid": 1, "duration": 20, "relevant_windows": [[0, 8]], "relevant_clip_ids": [1], "saliency_scores": [[1, 2, 3]]}
ST_META = {
    "width": 20, "height": 10, "split": [0, 10],
    "spatial_token": {"<bboxes>": {"0": [0, 0, 1, 1]}}, "time_token": {"<s>": 0, "<e>": 3},
}  # fmt: skip
FILES: list[tuple[str, dict[str, Any]]] = [
    ("vidstg", {"test.json": OFFICIAL, "vidor/77.json": VIDOR}),
    ("vidstg", {"test.json": PROCESSED}),
    ("mevis", {"meta_expressions.json": META, "mask_dict.json": MASKS}),
    ("hcstvg", {"test.json": {"a": {"bbox": [[0, 0, 1, 1]], "st_frame": 1, "img_num": 10}}}),
    ("hcstvg", {"test.json": {"a": {"bbox": {"1": [0, 0, 1, 1]}, "st_frame": 1, "ed_frame": 1}}}),
    ("stvg", {"test.json": [{"id": "a", "interval": [0, 1], "boxes": {"0": [0, 0, 1, 1]}}]}),
    ("st_align", {"test.json": [{"video_path": "a/b.mp4", "meta": ST_META}]}),
    ("charades", {"test.json": {"v": {"timestamps": [[0, 1], [2, 3]], "sentences": ["a", "b"]}}}),
    ("tvgbench", {"test.json": [{"question": "a", "answer": "1.0-2.0"}]}),
    ("qvhighlights", {"test.json": [QVH]}),
    ("nextgqa", {"test.json": {"77": {"location": {"0": [[0, 1]]}}}}),
    ("rextime", {"test.json": [{"qid": "a", "relevant_windows": [[0, 1]], "ans": "A"}]}),
    (
        "scanrefer",
        {"test.json": [{"scene_id": "s", "object_id": 1, "ann_id": 0, "bbox": [0] * 6, "unique_multiple": 1}]},
    ),
    ("vsibench", {"test.json": [{"id": 0, "question_type": "object_counting", "ground_truth": "4"}]}),
    ("mcq", {"test.json": [{"id": 0, "answer": "B", "group": "x"}]}),
]
odd = st.sampled_from(
    [
        None,
        True,
        0,
        -1,
        1.5,
        float("nan"),
        float("inf"),
        10**30,
        "",
        "x",
        "\ud800",
        [],
        [1],
        [[1]],
        {},
        {"a": 1},
        [None],
        "-1",
    ]
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every value within."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


def replaced(value: Any, at: tuple[Any, ...], by: Any) -> Any:
    if not at:
        return by
    value = copy.deepcopy(value)
    inner = value
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = by
    return value


def read(name: str, files: dict[str, Any], folder: Any) -> Any:
    for file, value in files.items():
        path = folder / file
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(json.dumps(value))
    return BENCHMARKS[name].truths(folder if name == "mevis" else folder / "test.json")


@pytest.mark.parametrize(("name", "files"), FILES)
def test_the_file_itself_is_read(name, files, tmp_path):
    assert read(name, files, tmp_path)


@pytest.mark.parametrize(("name", "files"), FILES)
@settings(max_examples=60)
@given(data=st.data())
def test_a_changed_file_is_read_or_refused_in_words(name, files, data, tmp_path_factory):
    file = data.draw(st.sampled_from(sorted(files)))
    changed = replaced(files[file], data.draw(st.sampled_from(places(files[file]))), data.draw(odd))
    folder = tmp_path_factory.mktemp("mutant")
    try:
        read(name, {**files, file: changed}, folder)
    except UserError as error:
        assert str(folder) in str(error)  # which file it is
