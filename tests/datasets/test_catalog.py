"""Tests of grounding.datasets.catalog."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grounding.core import Answer, UserError
from grounding.datasets import catalog
from grounding.datasets.catalog import DATASETS, Located, find_annotations, open_dataset
from grounding.datasets.gold import gold_failures


def moments(folder: Path, **videos: int) -> Path:
    """Videos with so many sentences each."""
    value = {
        video: {"duration": 9, "timestamps": [[0, 1 + n] for n in range(count)], "sentences": ["a"] * count}
        for video, count in videos.items()
    }
    folder.mkdir(exist_ok=True)
    (folder / "a.json").write_text(json.dumps(value))
    return folder / "a.json"


def test_every_dataset_has_a_reader_and_a_place() -> None:
    assert list(DATASETS) == NAMES and len(NAMES) == 20
    for dataset in DATASETS.values():
        assert dataset.files and all("{split}" in name or "{" not in name for name in dataset.files)


def test_rows_samples_and_findings_add_up(tmp_path: Path) -> None:
    made = open_dataset("charades", moments(tmp_path, X=3, Y=1))
    assert (made.name, made.rows, len(made.samples), made.findings) == ("charades", 4, 4, [])
    assert [sample.id for sample in made.samples] == ["X_0", "X_1", "X_2", "Y_0"]


def test_paths_may_be_strings(tmp_path: Path) -> None:
    file = moments(tmp_path / "annotations", X=1).rename(tmp_path / "annotations" / "charades_val.json")
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "X.mp4").touch()
    for place, split in ((str(file), None), (str(file.parent), "val")):
        made = open_dataset("charades", place, split=split, videos=str(tmp_path / "v"))
        assert (made.file, made.samples[0].video) == (file, "X.mp4")


def test_a_video_that_comes_twice_has_its_ids_once(tmp_path: Path) -> None:
    one = '"X": {"duration": 9, "timestamps": [[0, 1]], "sentences": ["%s"]}'
    (tmp_path / "a.json").write_text("{" + one % "first" + "," + one % "second" + "}")
    made = open_dataset("charades", tmp_path / "a.json")
    assert [sample.query for sample in made.samples] == ["first"]
    message = "the file names 'X' twice; remove one of the two"
    assert [(one.kind, one.row, one.message) for one in made.findings] == [("row", 2, message)]


@pytest.mark.parametrize(
    ("name", "file", "split", "message"),
    [
        ("charade", "a.json", None, "there is no dataset 'charade'; known: hcstvg, vidstg"),
        ("charades", "none.json", None, "is neither a file nor a folder"),
        ("charades", "empty.json", None, "none of 0 rows is an annotation of charades"),
        ("qvhighlights", "a.json", None, 'none of 1 rows is an annotation of qvhighlights; the first: row 1: "qid" is'),
        ("charades", ".", None, "name the split, or the file itself"),
        ("charades", ".", "test", "none of charades_sta_test.txt, charades_test.json"),
        ("charades", ".", "../../etc", "a split must be a plain name"),
    ],
)
def test_what_cannot_be_opened_says_why(tmp_path: Path, name: str, file: str, split: str | None, message: str) -> None:
    moments(tmp_path, X=1)
    (tmp_path / "empty.json").write_text("{}")
    with pytest.raises(UserError) as caught:
        open_dataset(name, tmp_path / file, split=split)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_is_taken_whatever_the_split(tmp_path: Path) -> None:
    path = moments(tmp_path, X=1)
    assert find_annotations("charades", path, "train") == path
    (tmp_path / "charades_train.json").write_text("{}")
    assert find_annotations("charades", tmp_path, "train") == tmp_path / "charades_train.json"


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def test_videos_are_found_by_name_in_any_layout(tmp_path: Path) -> None:
    root = touch(tmp_path / "v", "1/A.mp4", "2/B.MKV", "C.webm", "notes.txt", "x/1104/D.mp4", "y/1200/D.mp4", "E.mp4")
    located = Located(root)
    assert [located.path(f"{name}.mp4") for name in "ABC"] == ["1/A.mp4", "2/B.MKV", "C.webm"]
    assert located.path("1104/D.mp4") == "x/1104/D.mp4"
    assert located.path("D.mp4") == "D.mp4"  # there are two; neither is guessed
    assert located.path("none.mp4") == "none.mp4" and located.path("notes.mp4") == "notes.mp4"
    assert located.path("E.mp4") == "E.mp4" and located.path("scene0000_00") == "scene0000_00"


def test_samples_name_the_videos_that_were_found(tmp_path: Path) -> None:
    root = touch(tmp_path / "v", "part1/X.mkv")
    made = open_dataset("charades", moments(tmp_path / "a", X=1, Y=1), videos=root)
    assert [sample.video for sample in made.samples] == ["part1/X.mkv", "Y.mp4"]
    with pytest.raises(UserError, match="is not a folder; give the folder that holds the videos"):
        open_dataset("charades", tmp_path / "a" / "a.json", videos=tmp_path / "none")


@pytest.mark.parametrize("enabled", [True, False])
def test_reading_leaves_garbage_collection_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enabled: bool
) -> None:
    path, seen = moments(tmp_path, X=1), []
    monkeypatch.setattr(catalog, "renamed", lambda sample, video: seen.append(gc.isenabled()) or sample)
    (gc.enable if enabled else gc.disable)()
    try:
        open_dataset("charades", path)
        with pytest.raises(UserError):
            open_dataset("qvhighlights", path)
        assert gc.isenabled() is enabled and seen == [False]
    finally:
        gc.enable()


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    touch(tmp_path / "outside", "X.mp4")
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "in").symlink_to(tmp_path / "outside")
    assert Located(tmp_path / "v").path("X.mp4") == "X.mp4"


# The least file of each dataset that has a truth of every kind that it can have.
_MOMENTS = {"X": {"duration": 9, "timestamps": [[0, 4], [5.5, 9]], "sentences": ["a man", "a dog"]}}
_SPAN = {"begin_fid": 5, "end_fid": 9}
_TARGET = [{"description": "a dog", "type": "object", "target_id": 0}]
GOOD: dict[str, tuple[str, Any]] = {
    "hcstvg": (
        "a.json",
        {
            "v.mp4": {
                "bbox": [[1, 2, 3, 4], [2, 2, 3, 4]],
                "st_frame": 31,
                "st_time": 1.0,
                "ed_time": 1.1,
                "img_num": 600,
                "English": "a man",
                "img_size": [480, 640],
            }
        },
    ),
    "vidstg": (
        "a.json",
        [
            {"vid": "7", "fps": 10, "frame_count": 9, "width": 64, "height": 36, "temporal_gt": _SPAN}
            | {"used_segment": {"begin_fid": 0, "end_fid": 8}, "captions": _TARGET, "questions": _TARGET}
        ],
    ),
    "mevis": ("a.json", {"videos": {"v": {"frames": ["0"], "expressions": {"0": {"exp": "a", "anno_id": [4, 2]}}}}}),
    "refytvos": ("a.json", {"videos": {"v": {"frames": ["0"], "expressions": {"0": {"exp": "a", "obj_id": "1"}}}}}),
    "charades": ("a.json", _MOMENTS),
    "activitynet": ("a.json", _MOMENTS),
    "qvhighlights": (
        "a.json",
        [
            {"qid": 1, "query": "q", "duration": 150, "vid": "v_0.0_150.0", "relevant_windows": [[2, 6], [8, 10]]}
            | {"relevant_clip_ids": [1, 2, 4], "saliency_scores": [[1, 2, 4], [4, 4, 4], [0, 0, 1]]}
        ],
    ),
    "nextgqa": (
        "a.json",
        [
            {"id": "1_1", "video": "1/1.mp4", "question": "why", "options": ["(A) b", "(B) c"], "duration": 30}
            | {"glue": [[1, 2], [4, 9]], "type": "CW", "answer": "(B)"}
        ],
    ),
    "rextime": (
        "a.json",
        [{"qid": "a", "vid": "v", "duration": 9, "question": "q", "options": ["b", "c"], "span": [0, 4], "ans": "A"}],
    ),
    "tvgbench": (
        "a.json",
        [{"path": "./x/v.mp4", "question": "q", "answer": "1.5-4", "duration": 9, "source": "s.json"}],
    ),
    "timelens": ("a.json", {"X": {"duration": 9, "spans": [[1, 2]], "queries": ["a man"]}}),
    "timerft": (
        "a.json",
        [{"video": "v", "duration": 9, "timestamp": [1, 2], "sentence": "a", "qid": "q", "difficulty": 3}],
    ),
    "scanrefer": ("a.json", [{"scene_id": "scene0000_00", "object_id": "0", "ann_id": "0", "description": "a chair"}]),
    "nr3d": (
        "a.json",
        [{"scan_id": "s", "target_id": "9", "utterance": "a", "stimulus_id": "s-plant-2-9-1", "assignmentid": "4"}],
    ),
    "sr3d": ("a.json", [{"scan_id": "s", "target_id": "9", "utterance": "a", "stimulus_id": "s-plant-2-9-1"}]),
    "sqa3d": (
        "a_questions_b.json",
        {"questions": [{"scene_id": "s", "question": "q", "question_id": 1, "situation": "here"}]},
    ),
    "scanqa": ("a.json", [{"scene_id": "s", "question_id": "1", "question": "q", "answers": ["brown", "red"]}]),
    "vsibench": (
        "a.json",
        [
            {"id": 0, "dataset": "d", "scene_name": "s", "question": "q", "ground_truth": "4", "options": None},
            {
                "id": 1,
                "dataset": "d",
                "scene_name": "s",
                "question": "q",
                "ground_truth": "B",
                "options": ["A. b", "B. c"],
            },
        ],
    ),
    "seedbench": (
        "a.json",
        [
            {"sample_id": 1, "question": "q", "answer": "a", "video_source": "s", "video_basename": "v.mp4"}
            | {"negative_answers": ["b", "c", "d", "e"], "task_progress_metadata": []}
        ],
    ),
    "videohallu": (
        "a.json",
        [
            {"RowID": 1, "Model": "m", "video_path": "v.mp4", "Question": "q", "Answer": "It falls."},
            {
                "problem_id": 2,
                "problem": "q",
                "problem_type": "numerical",
                "path": "v.mp4",
                "solution": "<answer>4</answer>",
            },
            {
                "problem_id": 3,
                "problem": "q",
                "problem_type": "multiple choice",
                "path": "v.mp4",
                "options": ["A. b", "B. c"],
                "solution": "<answer>B</answer>",
            },
        ],
    ),
}
NAMES = list(GOOD)
_ANSWERS = {"annotations": [{"question_id": 1, "answers": [{"answer": "piano"}]}]}


def written(folder: Path, name: str, value: Any) -> Path:
    (folder / "a_sqa_annotations_b.json").write_text(json.dumps(_ANSWERS))
    (folder / GOOD[name][0]).write_text(json.dumps(value))
    return folder / GOOD[name][0]


@pytest.mark.parametrize("name", NAMES)
def test_the_gold_check_of_every_schema(tmp_path: Path, name: str) -> None:
    """Every row answered with its own truth gets the most of every reward that it takes part in."""
    made = open_dataset(name, written(tmp_path, name, GOOD[name][1]))
    assert made.findings == [] and len(made.samples) == made.rows
    for sample in made.samples:
        assert sample.truth != Answer() and gold_failures(sample) == []


@pytest.mark.parametrize("name", NAMES)
def test_what_the_catalog_says_of_truths_is_what_readers_give(tmp_path: Path, name: str) -> None:
    samples = open_dataset(name, written(tmp_path, name, GOOD[name][1])).samples
    said = {part for sample in samples for part, value in vars(sample.truth).items() if value is not None}
    assert said - {"also"} == set(DATASETS[name].truth)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def mutated(value: Any, data: st.DataObject) -> Any:
    """The value with something else, or nothing, at one place in it."""
    if not isinstance(value, (dict, list)) or not value or data.draw(st.integers(0, 5)) == 0:
        return data.draw(VALUES)
    places = list(value) if isinstance(value, dict) else list(range(len(value)))
    place = data.draw(st.sampled_from(places))
    copy = value.copy()
    if data.draw(st.integers(0, 9)) == 0:
        del copy[place]
    else:
        copy[place] = mutated(value[place], data)
    return copy


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_anything_in_a_row_is_a_sample_a_finding_or_a_user_error(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    """Whatever stands in a file: no exception but one line for the user, and no path out of its folder."""
    value = GOOD[name][1]
    for _ in range(data.draw(st.integers(1, 2))):
        value = mutated(value, data)
    try:
        made = open_dataset(name, written(tmp_path, name, value))
    except UserError as error:
        assert str(error)
        return
    assert len(made.samples) == len({sample.id for sample in made.samples})
    assert all(".." not in sample.video.split("/") and sample.video[0] != "/" for sample in made.samples)
    assert all(one.sample_id is None or one.sample_id.isprintable() for one in made.findings)
    for sample in made.samples:
        gold_failures(sample)
