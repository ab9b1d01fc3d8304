"""Tests of grounding.datasets.hcstvg."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from grounding.core import Interval, Sample
from grounding.datasets import entries
from grounding.datasets.catalog import Opened, open_dataset
from grounding.datasets.hcstvg import BoxDecoder

# 30 frames a second for 20 s; from second 8.9 on, on frame 267 (268 counted from 1), for 3 frames.
V1 = {"st_time": 8.9, "ed_time": 9.0, "st_frame": 268, "img_num": 600, "caption": "The man stands up."}
V1 |= {"width": 640, "height": 480, "bbox": [[10, 20, 30, 40], [11, 20, 30, 40], [12, 20, 30.5, 40]]}
V2 = {key: value for key, value in V1.items() if key not in ("caption", "width", "height")}
V2 |= {"English": "The man stands up.", "img_size": [480, 640]}


def opened(folder: Path, value: Any) -> Opened:
    (folder / "a.json").write_text(json.dumps(value))
    return open_dataset("hcstvg", folder / "a.json")


@pytest.mark.parametrize("row", [V1, V2], ids=["v1", "v2"])
def test_frames_count_from_one_and_boxes_are_left_top_width_height(tmp_path: Path, row: dict[str, Any]) -> None:
    (sample,) = opened(tmp_path, {"3_5Mxj.mp4": row}).samples
    assert (sample.id, sample.video, sample.query) == ("3_5Mxj.mp4", "3_5Mxj.mp4", "The man stands up.")
    assert sample.truth.interval == Interval(8.9, 9.0)
    assert sample.truth.tube is not None and sample.truth.tube.frames == range(267, 270)
    # 10 + 30 = 40, 20 + 40 = 60; 12 + 30.5 = 42.5
    assert sample.truth.tube.boxes.tolist() == [[10, 20, 40, 60], [11, 20, 41, 60], [12, 20, 42.5, 60]]
    assert sample.meta == {"row": 1, "duration": 20.0, "frame_count": 600, "size": (480, 640)}


@pytest.mark.parametrize(
    ("seconds", "note"),
    [
        ([8.9, 9.0], None),
        ([8.88, 9.04], None),  # 0.02 s and 0.04 s at 30 frames a second: 1.2 frames
        ([8.9, 9.5], "the row says [8.90, 9.50] s, but its boxes stand in [8.90, 9.00] s, 0.50 s apart"),
        ([8.8, 9.0], "the row says [8.80, 9.00] s, but its boxes stand in [8.90, 9.00] s, 0.10 s apart"),
    ],
)
def test_the_boxes_say_when(tmp_path: Path, seconds: list[float], note: str | None) -> None:
    made = opened(tmp_path, {"a.mp4": {**V1, "st_time": seconds[0], "ed_time": seconds[1]}})
    assert made.samples[0].truth.interval == Interval(8.9, 9.0)  # 267 / 30 and 270 / 30
    assert [(one.kind, one.action) for one in made.findings] == ([("time", "kept")] if note else [])
    assert all(note in one.message for one in made.findings)
    assert "raw_spans" not in made.samples[0].meta


def test_without_a_number_of_frames_the_seconds_say_when(tmp_path: Path) -> None:
    made = opened(tmp_path, {"a.mp4": {**V1, "img_num": None, "ed_time": 9.5}})
    assert made.samples[0].truth.interval == Interval(8.9, 9.5) and made.findings == []


def test_the_form_of_tubedetr(tmp_path: Path) -> None:
    row = {"original_video_id": "3_5Mxj", "frame_count": 600, "width": 640, "height": 480, "video_id": 0}
    row |= {"tube_start_frame": 268, "tube_end_frame": 271, "tube_start_time": 8.9, "tube_end_time": 9.0}
    row |= {"caption": "The man stands up.", "trajectory": V1["bbox"], "video_path": "1/3_5Mxj.mp4"}
    (sample,), (other,) = opened(tmp_path, [row]).samples, opened(tmp_path, {"3_5Mxj.mp4": V1}).samples
    assert (sample.id, sample.video, sample.query, sample.meta) == ("3_5Mxj", other.video, other.query, other.meta)
    assert sample.truth.interval == other.truth.interval
    assert sample.truth.tube is not None and sample.truth.tube.viou(other.truth.tube) == 1


def test_the_first_and_the_last_frame(tmp_path: Path) -> None:
    first = {**V1, "st_frame": 1, "st_time": 0, "ed_time": 0.1}
    last = {**V1, "st_frame": 598, "st_time": 19.9, "ed_time": 20}
    samples = opened(tmp_path, {"a.mp4": first, "b.mp4": last}).samples
    assert [s.truth.tube.frames for s in samples if s.truth.tube] == [range(0, 3), range(597, 600)]


def test_a_box_out_of_the_picture_and_a_frame_too_many_are_cut(tmp_path: Path) -> None:
    row = {
        **V1,
        "st_frame": 599,
        "st_time": 19.95,
        "ed_time": 20,
        "bbox": [[620, 20, 30, 40], [-5, 20, 30, 40], [1, 2, 3, 4]],
    }
    made = opened(tmp_path, {"a.mp4": row})
    (sample,) = made.samples
    assert sample.truth.tube is not None and sample.truth.tube.frames == range(598, 600)
    assert sample.truth.tube.boxes.tolist() == [[620, 20, 640, 60], [0, 20, 25, 60]]
    assert [(one.kind, one.amount) for one in made.findings] == [
        *[("beyond", 601 / 30 - 20), ("beyond", 1), ("box", 10)]  # frames 598 to 600; 650 - 640
    ]


def test_queries_alone_have_no_truth(tmp_path: Path) -> None:
    (sample,) = opened(tmp_path, {"20_D8V.mkv": "The man leaves."}).samples
    assert (sample.video, sample.truth.interval, sample.truth.tube) == ("20_D8V.mkv", None, None)


def boxes_of(bbox: str) -> Any:
    """What becomes of `bbox` in the first of two rows."""
    text = f'{{"x.mp4": {{"st_time": 1, "bbox": {bbox}, "c": "[[1]]"}}, "y.mp4": {{"bbox": [[5, 6, 7, 8]]}}}}'
    row, end = BoxDecoder().raw_decode(text, text.index('{"st'))
    assert text[end:].startswith(', "y.mp4"') and (row["st_time"], row["c"]) == (1, "[[1]]")
    return row["bbox"]


@pytest.mark.parametrize("bbox", ["[[1, 2, 3, 4]]", "[[1,2,3,4],[-5,0,12,700]]", "[[ 1,2 , 3, 4 ], [-5, 0, 1, 70]]"])
def test_boxes_are_read_as_an_array(bbox: str) -> None:
    found = boxes_of(bbox)
    assert isinstance(found, np.ndarray) and found.tolist() == json.loads(bbox)


@pytest.mark.parametrize(
    "bbox",
    [
        *("[]", "[1, 2]", "[[]]", "[[1, 2, 3]]", "[[1, 2, 3], [4, 5, 6, 7, 8]]", "[[1, 2, 3, 4], [5]]"),
        *("[[[1, 2, 3, 4]]]", "[[1, 2, 3, null]]", "[[1e2, 2, 3, 4.5]]", "[[1, 2, 3, 4], 5]", '"[[1, 2, 3, 4]]"'),
        *("[[1, 2, 3, 99999999999999999999]]", "[\n [\n  1,\n  2,\n  3,\n  4\n ]\n]", "null", "[[1, 2, 3, NaN]]"),
    ],
)
def test_what_is_no_plain_list_of_boxes_is_read_as_ever(bbox: str) -> None:
    assert repr(boxes_of(bbox)) == repr(json.loads(bbox))  # repr: NaN is not itself


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # NumPy's, of the text that it does not read
@given(st.data())
def test_whatever_stands_for_boxes_is_read_or_refused_as_ever(data: st.DataObject) -> None:
    bbox = json.dumps(
        data.draw(st.lists(st.lists(st.integers(-10, 700), min_size=4, max_size=4), min_size=1, max_size=3))
    )
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(1, len(bbox) - 1))
        bbox = bbox[:at] + data.draw(st.sampled_from(["", *"[],- .e7"])) + bbox[at + data.draw(st.integers(0, 1)) :]
    assume(not re.search(r"\b0\d", bbox))  # is taken for a number without its 0
    try:
        expected = json.loads(f'{{"bbox": {bbox}}}')
    except json.JSONDecodeError:
        with pytest.raises(json.JSONDecodeError):
            BoxDecoder().decode(f'{{"bbox": {bbox}}}')
        return
    found = BoxDecoder().decode(f'{{"bbox": {bbox}}}')["bbox"]
    assert (found.tolist() if isinstance(found, np.ndarray) else found) == expected["bbox"]


@pytest.mark.parametrize("bbox", ["[[0, 0, 0, 1]7, [0, 0, 0, 0]]", "[[0, 0, 0, 1],-[0, 0, 0, 0]]"])
def test_a_number_between_boxes_is_no_part_of_them(bbox: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        boxes_of(bbox)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "bbox", ["[[1, 2, , 4]]", "[[, 2, 3, 4]]", "[[1, 2, 3,]]", "[[1, 2, 3, -]]", "[[1, 2, - 3, 4]]"]
)
def test_a_number_that_is_missing_is_not_invented(bbox: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        boxes_of(bbox)


@pytest.mark.parametrize("chunk", [7, 100, 5000])
def test_a_row_may_be_longer_than_what_is_looked_at_and_cut_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(entries, "CHUNK", chunk)
    rows = {"a.mp4": {"note": "n" * 5000, **V1}, "b.mp4": {**V1, "note": "n" * 5000}, "c.mp4": V1, "d.mp4": "a query"}
    *samples, last = opened(tmp_path, rows).samples
    assert [one.id for one in samples] == ["a.mp4", "b.mp4", "c.mp4"] and last.query == "a query"
    for sample in samples:
        assert sample.truth.tube is not None
        assert sample.truth.tube.boxes.tolist() == [[10, 20, 40, 60], [11, 20, 41, 60], [12, 20, 42.5, 60]]


def test_a_key_that_a_row_names_twice_is_told(tmp_path: Path) -> None:
    text = json.dumps({"a.mp4": V1, "b.mp4": V1}).replace('"img_num": 600', '"img_num": 600, "img_num": 601', 1)
    (tmp_path / "b.json").write_text(text)
    made = open_dataset("hcstvg", tmp_path / "b.json")
    assert [one.message for one in made.findings] == ["the row names 'img_num' twice; remove one of the two"]
    assert [one.id for one in made.samples] == ["b.mp4"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"st_frame": 0}, r"st_frame \(counted from 1\) must be a whole number of 1 or more"),
        ({"st_frame": 1.5}, r"st_frame \(counted from 1\) must be a whole number"),
        ({"bbox": [[1, 2, 3]]}, "boxes must be a list of"),
        ({"bbox": [[9, 9, -4, 2]]}, "x1 <= x2"),
        ({"st_time": None}, "st_time and ed_time must be a finite number"),
        ({"st_time": None, "img_num": None}, "a span must be two finite numbers"),
        *[({"bbox": [[1, 2, 3, bad]]}, "boxes must be finite") for bad in (float("inf"), float("nan"), 1e300)],
        ({"img_num": "600"}, "the number of frames must be a whole number"),
        ({"width": "640"}, "the width must be a whole number"),
        ({"caption": None}, "the query must be a text"),
    ],
)
def test_a_broken_row_is_told_and_the_next_is_read(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    made = opened(tmp_path, {"bad.mp4": {**V1, **change}, "good.mp4": V1})
    assert [sample.id for sample in made.samples] == ["good.mp4"]
    (found,) = made.findings
    assert (found.row, found.sample_id, found.action) == (1, "bad.mp4", "rejected")
    assert re.search(message, found.message)


@pytest.mark.shared_data
def test_the_official_test_queries(shared_data: Path) -> None:
    made = open_dataset("hcstvg", shared_data / "stvg" / "hcstvg_query_v2.json")
    assert (made.rows, len(made.samples), made.findings) == (2931, 2931, [])
    assert isinstance(made.samples[0], Sample) and made.samples[0].id == "3_5MxjqHfkWFI.mkv"
