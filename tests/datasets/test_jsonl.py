"""Tests of grounding.datasets.jsonl: opening, loading, and what is said about each kind of broken row."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from grounding.core import Answer, Interval, Masklets, Sample, UserError, UserErrors, rle, save_masklets
from grounding.core.files import write_text
from grounding.datasets.jsonl import JsonlSource, open_jsonl
from grounding.datasets.media import ClipOptions
from grounding.datasets.problems import write_skipped

CLIPS = ClipOptions(5.0, 4, backend="pyav")
Annotate = Callable[[list[Any]], Path]


def open_(root: Path, annotations: str = "annotations.jsonl", **options: Any) -> JsonlSource:
    return open_jsonl(root, annotations, **{"clips": CLIPS, **options})


# What is changed in a good row, and two things the message must hold: what is wrong, and how to mend it.
BROKEN: dict[str, tuple[Any, str, str]] = {
    "not JSON": (b'{"id": "bad", "video"', "the line is not JSON", "mend it there"),
    "not an object": (b"[]", "must be a JSON object", "{...}"),
    "not UTF-8": (b'{"id": "\xff"}', "not UTF-8 (byte 8)", "save it as UTF-8"),
    "10 MB line": (b'{"id": "' + b"x" * (10 << 20) + b'"}', "longer than 4 MB", "write one JSON object a line"),
    "another form": (b'{"qid": 1, "vid": "a", "query": "q"}', 'neither "id" nor "video"', "choose data=NAME"),
    "key missing": ({"query": None}, '"query" is missing', "add it"),
    "key misspelt": ({"querry": "q"}, "unknown key 'querry'", 'did you mean "query"'),
    "key unknown": ({"colour": "red"}, "unknown key 'colour'", 'put it into "meta"'),
    "id used twice": ({"id": "fine"}, "id is used by row 1", "give each row its own"),
    "query empty": ({"query": " "}, '"query"', "must be a text that is not empty"),
    "query a book": ({"query": "x" * 9999}, "at most 2000 characters, got 9999", "shorten it"),
    "query with a token": ({"query": "the <|video_pad|>"}, "'<|video_pad|>'", "reword it"),
    "query with a tag": ({"query": "<Answer> me"}, "'<Answer>'", "reword it"),
    "interval of three": ({"interval": [0, 1, 2]}, "[0, 1, 2]", "two finite numbers [start_s, end_s]"),
    "interval in words": ({"interval": ["0", "1"]}, "['0', '1']", "two finite numbers [start_s, end_s]"),
    "interval reversed": ({"interval": [0.6, 0.2]}, "end 0.2 s lies before its start 0.6 s", "swap the two"),
    "interval negative": ({"interval": [-0.5, 0.2]}, "got -0.5", "must be a finite number of seconds >= 0"),
    "interval outside": ({"interval": [2, 6]}, "ends after the video, which lasts 1.200 s", "seconds, not frames"),
    "interval empty": ({"interval": [0.5, 0.5]}, "interval [0.5, 0.5] s holds no frame", "make it longer"),
    "video missing": ({"video": "none.mp4"}, "'none.mp4' not found", "mend the path (relative to data.root)"),
    "video no video": ({"video": "text.mp4"}, "text.mp4", "give a video"),
    "video a folder": ({"video": "video_folder"}, "'video_folder'", "is not a file; give a video"),
    "video outside": ({"video": "../outside/video.mp4"}, "leaves its root", "give a path inside it"),
    "video absolute": ({"video": "/etc/hostname"}, "leaves its root", "give a path inside it"),
    "video a link out": ({"video": "linked.mp4"}, "leaves its root", "give a path inside it"),
    "video a link to itself": ({"video": "circle.mp4"}, "'circle.mp4'", "path"),
    "video a pipe": ({"video": "pipe.mp4"}, "'pipe.mp4'", "is not a file; give a video"),
    "video with NUL": ({"video": "a\0b"}, '"video" holds control characters', "remove them"),
    "masks missing": ({"masklets": "none"}, "'none' not found", "mend the path (relative to data.root)"),
    "masks a link out": ({"masklets": "linked_masks"}, "leaves its root", "give a path inside it"),
    "masks too few": ({"masklets": "few_masks"}, "holds 11 PNGs for 12 frames", "give one a source frame"),
    "masks none": ({"masklets": "no_masks"}, "holds 0 PNGs for 12 frames", "give one a source frame"),
    "mask of other size": ({"masklets": "size_masks"}, "00007.png is 46 x 32 pixels", "expected 48 x 32"),
    "mask in colour": ({"masklets": "rgb_masks"}, "00004.png is a colour picture", "save it as palette or grey"),
    "mask torn": ({"masklets": "torn_masks"}, "cannot read", "00006.png"),
    "masklets torn": ({"masklets": "torn.masklets.json"}, "torn.masklets.json", "is not JSON"),
    "masklets of other schema": (
        {"masklets": "other.masklets.json"},
        "got 99",
        "expected an object with schema_version",
    ),
    "masklets too short": (
        {"masklets": "few.masklets.json"},
        "10 frames, the video has 12",
        "one entry a source frame",
    ),
    "masklets too small": (
        {"masklets": "small.masklets.json"},
        "8 x 8 pixels, the video is 48 x 32",
        "from the source",
    ),
    "masklets of other times": ({"masklets": "late.masklets.json"}, "frame 1 at 0.2 s", "make them from this video"),
    "masklets of other rate": ({"masklets": "rate.masklets.json"}, "4 frames a second, the video has 10", "from this"),
    "object absent": ({"object_id": 3}, "object_id 3 is not in the masks", "choose from 1, 2"),
    "object gone": ({"object_id": 2, "interval": [0.7, 1]}, "object_id 2 is in no mask", "mend the id or the interval"),
    "object zero": ({"object_id": 0}, "got 0", '"object_id" must be a whole number >= 1'),
    "truth missing": ({"object_id": None}, "got none of them", 'either "object_id" or "boxes"'),
    "truth twice": ({"boxes": {"2": [4, 4, 12, 12]}}, "object_id and boxes", 'either "object_id" or "boxes"'),
    "box reversed": ({"object_id": None, "boxes": {"2": [12, 4, 4, 12]}}, "[12, 4, 4, 12]", "with x1 < x2 and y1 < y2"),
    "box frame outside": ({"object_id": None, "boxes": {"12": [4, 4, 12, 12]}}, "name frame 12", "frames 0 to 11"),
    "box unmatched": ({"object_id": None, "boxes": {"2": [4, 20, 12, 28]}}, "overlap no masklet", "give object_id"),
    "boxes elsewhere": (
        {"object_id": None, "boxes": {"9": [11, 4, 19, 12]}},
        "within the interval",
        "give boxes on its",
    ),
}


def broken_row(good: dict[str, Any], change: Any) -> Any:
    return change if isinstance(change, bytes) else {**good, "id": "bad", **change}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_row_is_named_with_file_row_and_remedy(
    kind: str, annotate: Annotate, good_row: dict[str, Any]
) -> None:
    change, what, remedy = BROKEN[kind]
    root = annotate([good_row, broken_row(good_row, change)])
    with pytest.raises(UserErrors) as caught:
        open_(root)
    (line,) = caught.value.errors
    sample_id = "" if isinstance(change, bytes) else f" ({change.get('id', 'bad')})"
    assert line.startswith(f"annotations.jsonl, row 2{sample_id}: ")
    assert what in line and remedy in line
    assert len(line) < 500 and "\n" not in line


def test_all_broken_rows_are_reported_together_in_the_order_of_the_file(annotate: Annotate, good_row) -> None:
    changes = [change for change, _, _ in BROKEN.values()]
    root = annotate([good_row, *(broken_row(good_row, change) for change in changes)])
    with pytest.raises(UserErrors) as caught:
        open_(root)
    rows = [int(line.split("row ")[1].split(":")[0].split(" ")[0]) for line in caught.value.errors[:-1]]
    assert rows == list(range(2, len(changes) + 2))


def test_of_very_many_broken_rows_the_first_hundred_are_told(annotate: Annotate, good_row: dict[str, Any]) -> None:
    root = annotate([*[b"\xff\x00 not JSON"] * 103, good_row])
    with pytest.raises(UserErrors) as caught:
        open_(root)
    assert len(caught.value.errors) == 101
    assert caught.value.errors[0].startswith("annotations.jsonl, row 1: ")
    assert caught.value.errors[-1].startswith("annotations.jsonl: 103 of 104 rows cannot be used; mend them, or leave")


def test_skipping_keeps_the_good_rows_and_tells_of_the_bad_ones(annotate: Annotate, good_row, tmp_path: Path) -> None:
    changes = [change for change, _, _ in BROKEN.values()]
    rows = [
        broken_row(good_row, {**change, "id": f"bad{n}"} if isinstance(change, dict) else change)
        for n, change in enumerate(changes)
        if change != {"id": "fine"}
    ]
    last = {**good_row, "id": "last"}
    source = open_(annotate([good_row, *rows, last]), on_error="skip")
    assert [sample.id for sample in source.samples] == ["fine", "last"]
    assert [problem.row for problem in source.skipped] == list(range(2, len(rows) + 2))
    write_skipped(tmp_path / "skipped.jsonl", source.skipped)
    written = [json.loads(line) for line in (tmp_path / "skipped.jsonl").read_text().splitlines()]
    assert len(written) == len(BROKEN) - 1
    assert {entry["file"] for entry in written} == {"annotations.jsonl"}


def test_nothing_but_bad_rows_is_an_error_even_when_skipping(annotate: Annotate, good_row) -> None:
    root = annotate([{**good_row, "query": ""}, {**good_row, "video": "none.mp4"}])
    with pytest.raises(
        UserError, match=r"2 of 2 rows cannot be used, so none is left; the first: annotations\.jsonl, row 1 \("
    ):
        open_(root, on_error="skip")


def test_samples_in_the_order_of_the_file_with_their_truth(annotate: Annotate, good_row) -> None:
    other = {**good_row, "id": "other", "masklets": "good.masklets.json", "object_id": 2, "meta": {"who": "me"}}
    source = open_(annotate([{**good_row, "id": "z"}, other, {**good_row, "id": "a"}]))
    assert [sample.id for sample in source.samples] == ["z", "other", "a"]
    assert source.skipped == []
    sample = source.samples[1]
    assert (sample.video, sample.query, sample.meta) == ("video.mp4", "the small square", {"who": "me"})
    assert (sample.truth.interval, sample.truth.object_id) == (Interval(0.2, 0.6), 2)


def test_loading_completes_the_truth_and_reads_the_clip(annotate: Annotate, good_row) -> None:
    source = open_(annotate([good_row]))
    loaded = source.load(source.samples[0])
    # 5 fps of 1.2 s would be 6 frames; 4 are allowed: 0, 0.3, 0.6, 0.9 s
    assert loaded.clip.pts == pytest.approx([0.0, 0.3, 0.6, 0.9])
    assert loaded.clip.frames.shape == (4, 32, 48, 3)
    assert loaded.clip.frames[1, 8, 9].mean() > 50 > loaded.clip.frames[1, 28, 2].mean()  # object 1, and background
    assert loaded.masklets.ids == [1, 2]
    tube = loaded.sample.truth.tube
    assert tube is not None and tube.frames == range(2, 6)
    assert tube.boxes.tolist() == [[2 + t, 4, 10 + t, 12] for t in range(2, 6)]
    assert source.samples[0].truth.tube is None


def test_several_segments_each_within_the_video(annotate: Annotate, good_row) -> None:
    bare = {key: good_row[key] for key in ("video", "query")}
    several = [{**bare, "id": "two", "intervals": [[0, 0.4], [0.8, 1.2]]}, {**bare, "id": "never", "intervals": []}]
    when = {"needs": (("interval", "intervals"),), "marks": False}
    source = open_(annotate(several), **when)
    truths = [source.load(sample).sample.truth.intervals for sample in source.samples]
    assert truths == [(Interval(0.0, 0.4), Interval(0.8, 1.2)), ()]
    outside = {**bare, "id": "out", "intervals": [[0, 0.4], [2, 6]]}
    with pytest.raises(UserErrors, match=r"row 1 \(out\): interval \[2, 6\] s ends after the video"):
        open_(annotate([outside]), **when)


def test_a_frame_is_shown_in_place_of_its_video(annotate: Annotate, good_row) -> None:
    # Object 1's box on frame t is [2 + t, 4, 10 + t, 12].
    row = {"id": "a", "video": "video.mp4", "query": "q", "frame": 7, "box": [9, 4, 17, 12]}
    source = open_(annotate([row]), needs=(("box",),), marks=False)
    loaded = source.load(source.samples[0])
    assert loaded.sample.truth == Answer(box=(9.0, 4.0, 17.0, 12.0)) and loaded.sample.meta == {"frame": 7}
    assert loaded.clip.frames.shape == (1, 32, 48, 3) and loaded.clip.pts.tolist() == pytest.approx([0.7])
    bright = loaded.clip.frames[0, 8, :, 0] > 50
    assert np.flatnonzero(bright).tolist() == list(range(9, 17))
    assert open_(annotate([row]), clips=replace(CLIPS, max_pixels=384), needs=(("box",),), marks=False).load(
        source.samples[0]
    ).clip.frames.shape == (1, 16, 24, 3)


def test_a_frame_can_be_named_by_its_time(annotate: Annotate) -> None:
    row = {"id": "a", "video": "video.mp4", "query": "q", "time": 0.68, "box": [9, 4, 17, 12]}
    source = open_(annotate([row]), needs=(("box",),), marks=False)
    assert source.samples[0].meta == {"frame": 7}
    assert source.load(source.samples[0]).clip.pts.tolist() == pytest.approx([0.7])
    with pytest.raises(UserErrors, match=r'row 1 \(a\): "time" is 1.3 s, the video lasts 1.200 s; mend it'):
        open_(annotate([{**row, "time": 1.3}]), needs=(("box",),), marks=False)


def test_a_picture_is_shown_in_place_of_a_video(annotate: Annotate) -> None:
    row = {"id": "a", "image": "masks/00000.png", "query": "q", "box": [2, 4, 10, 12.5]}
    source = open_(annotate([row]), needs=(("box",),), marks=False)
    loaded = source.load(source.samples[0])
    assert loaded.clip.frames.shape == (1, 32, 48, 3)
    assert loaded.sample.truth == Answer(box=(2.0, 4.0, 10.0, 12.5)) and loaded.sample.truth.size == (32, 48)
    for change, message in (
        ({"image": "video.mp4"}, '"image" must be a picture, .png, .jpg'),
        ({"image": "none.png"}, "'none.png' not found"),
        ({"image": "linked_masks/00000.png"}, ".* leaves its root"),
        ({"box": [2, 4, 10, 34]}, '"box" .2.0, 4.0, 10.0, 34.0. reaches out of the picture of 48 x 32 pixels'),
    ):
        with pytest.raises(UserErrors, match=f"annotations.jsonl, row 1 .a.: {message}"):
            open_(annotate([{**row, **change}]), needs=(("box",),), marks=False)


def test_a_segment_is_shown_in_place_of_its_video(annotate: Annotate, good_row) -> None:
    row = {
        "id": "a",
        "video": "video.mp4",
        "query": "q",
        "segment": [0.4, 1.0],
        "intervals": [[0.5, 0.8]],
        "number": 40,
    }
    source = open_(annotate([row]), needs=(("intervals",), ("number",)), marks=False)
    loaded = source.load(source.samples[0])
    assert loaded.clip.duration == pytest.approx(0.6)
    assert loaded.clip.pts.tolist() == pytest.approx([0.0, 0.2, 0.4])  # 5 a second: those at 0.4, 0.6 and 0.8 s
    ((start, end),) = [(one.start, one.end) for one in loaded.sample.truth.intervals or ()]
    assert (start, end) == pytest.approx((0.1, 0.4)) and loaded.sample.truth.number == 40
    whole = {**good_row, "segment": [0.2, 0.6]}
    source = open_(annotate([whole]))
    loaded = source.load(source.samples[0])
    assert loaded.masklets.pts.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3])
    tube = loaded.sample.truth.tube
    assert tube is not None and tube.frames == range(4) and tube.boxes[0].tolist() == [4, 4, 12, 12]


def test_only_the_parts_that_are_asked_for_are_taken(annotate: Annotate, good_row) -> None:
    row = {**good_row, "options": ["left", "right"], "choices": "B", "number": 3, "text": "right", "object_ids": [2]}
    root = annotate([row])
    assert open_(root, needs=(("choices",),), marks=False).samples[0].truth == Answer(choices=frozenset("B"))
    assert open_(root, needs=(("number",),), marks=False).samples[0].truth == Answer(number=3.0)
    assert open_(root, needs=(("object_ids",),)).samples[0].truth == Answer(object_ids=frozenset({2}))
    assert open_(root).samples[0].truth == Answer(Interval(0.2, 0.6), 1)
    assert open_(root).samples[0].meta == {"options": ["left", "right"]}


def test_loading_keeps_the_boxes_the_annotator_drew(annotate: Annotate, good_row) -> None:
    drawn = {"2": [5, 4, 13, 12], "4": [7, 5, 15, 13]}
    source = open_(annotate([{**good_row, "object_id": None, "boxes": drawn}]))
    truth = source.load(source.samples[0]).sample.truth
    assert truth.object_id == 1 and truth.tube is not None
    assert truth.tube.frames == range(2, 6)
    assert truth.tube.boxes[[0, 2]].tolist() == [[5, 4, 13, 12], [7, 5, 15, 13]]
    assert np.isnan(truth.tube.boxes[[1, 3]]).all()


def test_loading_respects_the_pixel_budget(annotate: Annotate, good_row) -> None:
    # a quarter of 32 x 48 = 1536 pixels: 16 x 24
    source = open_(annotate([good_row]), clips=replace(CLIPS, max_pixels=384))
    loaded = source.load(source.samples[0])
    assert loaded.clip.frames.shape[1:] == (16, 24, 3)
    assert loaded.clip.size == loaded.masklets.size == (32, 48)


@pytest.mark.parametrize(("merge", "ids", "seen"), [(False, [2, 7], 6), (True, [7], 9)])
def test_a_split_object_is_merged_when_told(
    annotate: Annotate, good_row, merge: bool, ids: list[int], seen: int
) -> None:
    boxes = {str(t): [30, 16, 40, 26] for t in range(9)}
    root = annotate([{**good_row, "object_id": None, "boxes": boxes, "masklets": "split.masklets.json"}])
    square = np.zeros((32, 48), bool)
    square[16:26, 30:40] = True
    mask = rle.encode(square)
    tracks = {2: (mask,) * 3 + (None,) * 9, 7: (None,) * 3 + (mask,) * 6 + (None,) * 3}
    save_masklets(root / "split.masklets.json", Masklets((32, 48), 10.0, np.arange(12) / 10, tracks), overwrite=True)
    source = open_(root, merge_splits=merge)
    loaded = source.load(source.samples[0])
    assert loaded.sample.truth.object_id == 7 and loaded.masklets.ids == ids
    assert (~np.isnan(loaded.masklets.boxes(7)[:, 0])).sum() == seen


def test_a_video_that_vanishes_after_opening_is_named(dataset_root: Path, tmp_path: Path, good_row) -> None:
    shutil.copytree(dataset_root / "masks", tmp_path / "masks")
    shutil.copy(dataset_root / "video.mp4", tmp_path)
    write_text(tmp_path / "annotations.jsonl", "\n\n" + json.dumps(good_row))
    source = open_(tmp_path)
    (tmp_path / "video.mp4").unlink()
    with pytest.raises(UserError, match=r"annotations\.jsonl, row 3 \(fine\): 'video\.mp4' not found"):
        source.load(source.samples[0])


def test_a_version_changes_with_what_is_loaded(dataset_root: Path, tmp_path: Path, good_row) -> None:
    shutil.copytree(dataset_root / "masks", tmp_path / "masks")
    shutil.copy(dataset_root / "video.mp4", tmp_path)
    shutil.copy(dataset_root / "video.mp4", tmp_path / "other.mp4")

    def version(marks: bool = True, clips: ClipOptions = CLIPS, **changes: Any) -> str:
        rows = [{**good_row, "id": "first"}, {**good_row, **changes}]
        write_text(tmp_path / "annotations.jsonl", "\n".join(map(json.dumps, rows)), overwrite=True)
        source = open_(tmp_path, clips=clips, marks=marks)
        return source.version(source.samples[1])

    known, unmarked = version(), version(marks=False)
    assert version(id="renamed", query="another") == known
    others = [
        version(video="other.mp4"),
        version(segment=[0.1, 0.9]),
        version(clips=replace(CLIPS, max_frames=3)),
        version(clips=replace(CLIPS, fps=2.0)),
        unmarked,
    ]
    os.utime(tmp_path / "masks" / "00003.png", ns=(1, 1))
    others.append(version())
    assert version(marks=False) == unmarked
    os.utime(tmp_path / "video.mp4", ns=(1, 1))
    others += [version(), version(marks=False)]
    assert len({known, *others}) == len(others) + 1


def test_a_version_of_what_is_gone_names_the_row(dataset_root: Path, tmp_path: Path, good_row) -> None:
    shutil.copytree(dataset_root / "masks", tmp_path / "masks")
    shutil.copy(dataset_root / "video.mp4", tmp_path)
    write_text(tmp_path / "annotations.jsonl", "\n\n" + json.dumps(good_row))
    source = open_(tmp_path)
    shutil.rmtree(tmp_path / "masks")
    with pytest.raises(UserError, match=r"annotations\.jsonl, row 3 \(fine\): 'masks' not found"):
        source.version(source.samples[0])


def test_only_the_split_asked_for_is_kept(annotate: Annotate, good_row) -> None:
    rows = [
        {**good_row, "id": "a", "split": "train"},
        {**good_row, "id": "b"},
        {**good_row, "id": "c", "split": "test"},
    ]
    root = annotate(rows)
    assert [s.id for s in open_(root).samples] == ["a", "b", "c"]
    assert [s.id for s in open_(root, split="test").samples] == ["c"]
    with pytest.raises(UserError, match="no row has the split 'val'; choose one of: test, train"):
        open_(root, split="val")


def test_media_of_other_splits_are_not_looked_at_but_ill_formed_rows_are_reported(annotate: Annotate, good_row) -> None:
    absent = {**good_row, "id": "b", "split": "test", "video": "none.mp4"}
    mine = {**good_row, "split": "train"}
    assert open_(annotate([mine, absent]), split="train").skipped == []
    with pytest.raises(UserErrors, match="row 3"):
        open_(annotate([mine, absent, b"{"]), split="train")


def test_a_file_without_splits_says_so(annotate: Annotate, good_row) -> None:
    with pytest.raises(UserError, match=r"no row has the split 'val'; choose one of: \(the file names no splits\)"):
        open_(annotate([good_row]), split="val")


def test_annotations_may_lie_elsewhere(annotate: Annotate, good_row, tmp_path: Path) -> None:
    root = annotate([b"{"])  # the file within the root comes first, but only under its own name
    elsewhere = tmp_path / "mine.jsonl"
    elsewhere.write_text(json.dumps(good_row))
    assert len(open_(root, str(elsewhere)).samples) == 1


def test_annotations_relative_to_where_one_is(annotate: Annotate, good_row, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "mine.jsonl").write_text(json.dumps(good_row))
    monkeypatch.chdir(tmp_path)
    assert len(open_(annotate([good_row]), "mine.jsonl").samples) == 1
    (tmp_path / "annotations.jsonl").write_text("{")
    assert len(open_(annotate([good_row]), "annotations.jsonl").samples) == 1


def is_named(message: str) -> bool:
    """Every line gives file and row."""
    return all(re.match(r"annotations\.jsonl, row 1( \(.*\))?: .", line) for line in message.split("\n"))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=8
)
files = st.sampled_from(["video.mp4", "masks", "good.masklets.json", "small.masklets.json", "torn_masks", "text.mp4"])
seconds = st.floats(-1, 2) | st.integers(-1, 2) | st.sampled_from([1e308, 1e-320, 10**30])
pixels = st.floats(-10, 60) | st.integers(-10, 60) | st.just(9e8)
frames = st.integers(0, 13).map(str) | st.sampled_from(["2", "02", "-1", "999999999", "x"])
box = st.tuples(pixels, pixels, pixels, pixels).map(lambda b: [*map(min, b[:2], b[2:]), *map(max, b[:2], b[2:])])
LIKELY = {
    "id": st.text(min_size=1),
    "video": files | st.sampled_from([".", "/", "../outside", "masks/00000.png", "x" * 5000, "circle.mp4/x"]),
    "query": st.text(min_size=1) | st.sampled_from(["<|im_end|>", "<think>"]),
    "interval": st.lists(seconds, min_size=2, max_size=2),
    "masklets": files | st.sampled_from([".", "video_folder", "../root/masks", "masks/", "y" * 300]),
    "object_id": st.integers(-1, 3) | st.just(10**30),
    "boxes": st.dictionaries(frames, box | st.just([4, 4, 12, 12]), max_size=3),
    "frame": st.integers(-1, 13),
    "time": seconds,
    "image": st.sampled_from(["masks/00000.png", "torn_masks/00006.png", "no_masks", "linked.mp4"]),
    "segment": st.lists(seconds, min_size=2, max_size=2),
    "split": st.text(),
    "meta": st.dictionaries(st.text(), json_values, max_size=3),
}


@pytest.mark.parametrize("anything", [False, True])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(data=st.data())
def test_any_value_in_any_key_loads_or_is_refused_by_file_and_row(
    annotate: Annotate, good_row: dict[str, Any], anything: bool, data: st.DataObject
) -> None:
    keys = data.draw(st.lists(st.sampled_from([*LIKELY]), min_size=1, max_size=2, unique=True))
    changes = {key: data.draw(json_values if anything else LIKELY[key], label=key) for key in keys}
    if keys == ["boxes"]:
        changes["object_id"] = None  # or the truth would be there twice, and the boxes hardly looked at
    root = annotate([{**good_row, **changes}])  # json.dumps writes NaN and Infinity too, as other programs do
    try:
        source = open_(root)
    except UserError as error:
        assert is_named(str(error)), error
    else:
        loaded = source.load(source.samples[0])
        assert loaded.sample.truth.tube is not None and loaded.masklets.size == (32, 48)
        assert not np.isnan(loaded.sample.truth.tube.boxes).all()


masks_json = st.fixed_dictionaries(
    {"schema_version": st.just(1) | json_values, "size": st.just([32, 48]) | json_values},
    optional={
        "fps": st.just(10.0) | json_values,
        "pts": st.just([t / 10 for t in range(12)]) | st.lists(seconds, min_size=11, max_size=13) | json_values,
        "tracks": st.dictionaries(
            st.sampled_from(["1", "2", "01", "x"]),
            st.lists(st.none() | st.text() | st.just("1"), min_size=12, max_size=12) | json_values,
        ),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(value=masks_json | json_values)
def test_any_masklets_file_loads_or_is_refused_by_file_and_row(
    annotate: Annotate, good_row: dict[str, Any], value: Any
) -> None:
    root = annotate([{**good_row, "masklets": "fuzz.masklets.json"}])
    (root / "fuzz.masklets.json").write_text(json.dumps(value))
    try:
        source = open_(root)
    except UserError as error:
        assert is_named(str(error)), error
    else:
        assert source.load(source.samples[0]).masklets.size == (32, 48)


def test_missing_root_and_missing_annotations_are_named(dataset_root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.root=.*nowhere is not a folder"):
        open_(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"data\.annotations=none\.jsonl is no file, neither in .* nor as it stands"):
        open_(dataset_root, "none.jsonl")


def test_a_sample_of_another_source_is_our_mistake(annotate: Annotate, good_row) -> None:
    source = open_(annotate([good_row]))
    with pytest.raises(KeyError):
        source.load(Sample("stranger", "video.mp4", "q", source.samples[0].truth))


@pytest.mark.shared_data
def test_schoolgirls(shared_data: Path) -> None:
    root = shared_data / "stvg" / "schoolgirls"
    source = open_(root, clips=replace(CLIPS, fps=2.0, max_frames=16))
    assert len(source.samples) == 11 and source.skipped == []
    queries = {query["query_id"]: query for query in json.loads((root / "queries.json").read_text())["queries"]}
    for sample in source.samples:
        truth, query = source.load(sample).sample.truth, queries[sample.id]
        assert truth.tube is not None and truth.object_id == query["instance"]
        assert truth.tube.frames == range(query["start_frame"], query["end_frame_exclusive"])


@pytest.mark.shared_data
@pytest.mark.parametrize("number", [0, 4, 6, 10])
def test_schoolgirls_tubes_are_those_of_the_id_maps(shared_data: Path, number: int) -> None:
    root = shared_data / "stvg" / "schoolgirls"
    source = open_(root)
    loaded = source.load(source.samples[number])
    tube, object_id = loaded.sample.truth.tube, loaded.sample.truth.object_id
    assert loaded.clip.frames.shape == (4, 240, 432, 3) and tube is not None
    for frame, box in zip(tube.frames, tube.boxes, strict=True):
        y, x = np.nonzero(np.asarray(Image.open(root / "masks" / f"{frame:05}.png")) == object_id)
        expected = [x.min(), y.min(), x.max() + 1, y.max() + 1] if len(x) else [np.nan] * 4
        np.testing.assert_array_equal(box, expected)


@pytest.mark.parametrize(("frames", "noted"), [((2,), True), ((2, 5), False)])
def test_a_row_with_few_boxes_is_noted(annotate: Annotate, good_row: dict[str, Any], frames, noted) -> None:
    # 0.2 to 0.6 s are frames 2 to 5; object 1's box on frame t is [2 + t, 4, 10 + t, 12].
    boxes = {str(frame): [2 + frame, 4, 10 + frame, 12] for frame in frames}
    source = open_(annotate([{**good_row, "id": "b", "object_id": None, "boxes": boxes}, good_row]))
    assert [sample.id for sample in source.samples] == ["b", "fine"]
    lines = [note.line() for note in source.notes]
    assert len(lines) == noted and all("row 1 (b): there are boxes on 1 of the 4 frames" in line for line in lines)
    tube = source.load(source.samples[0]).masklets.tube(1, source.samples[0].truth.interval)
    assert tube.viou(source.samples[0].truth.tube) == 1  # the right answer is not capped by what nobody drew
