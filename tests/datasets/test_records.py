"""Tests of grounding.datasets.records."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Interval, Sample, UserError
from grounding.datasets.entries import Entry
from grounding.datasets.records import (
    AS_IT_STANDS,
    Cleaning,
    Finding,
    Record,
    Refused,
    checked_name,
    read_records,
    renamed,
    sample_of,
    xyxy_of_xywh,
)

CLAMP = Cleaning("clamp", "clamp", "clamp", "clamp")
REJECT = Cleaning("reject", "reject", "reject", "reject")


def record(**more: Any) -> Record:
    return Record(**{"row": 3, "id": "a", "video": "v.mp4", "query": "who runs", **more})


def interval(span: Any, cleaning: Cleaning, duration: float | None = 10.0) -> Interval | None:
    return sample_of(record(span=span, duration=duration), cleaning)[0].truth.interval


def test_a_record_becomes_a_sample() -> None:
    made, found = sample_of(
        record(span=[1, 2.5], query=" who runs\n", truth={"object_id": 2}, duration=10, meta={"k": "v"}), Cleaning()
    )
    assert (made.id, made.video, made.query, found) == ("a", "v.mp4", "who runs", [])
    assert (made.truth.interval, made.truth.object_id) == (Interval(1.0, 2.5), 2)
    assert made.meta == {"k": "v", "row": 3, "duration": 10.0}


def test_several_spans_keep_their_order_and_none_is_not_never() -> None:
    made, _ = sample_of(record(spans=[[7, 9], [1, 2]]), Cleaning())
    assert made.truth.intervals == (Interval(7, 9), Interval(1, 2)) and made.truth.interval is None
    assert sample_of(record(spans=[]), Cleaning())[0].truth.intervals == ()
    assert sample_of(record(), Cleaning())[0].truth.segments is None


# A video of 10 s: the span, and what each cleaning makes of it (a refusal is named by its kind).
@pytest.mark.parametrize(
    ("span", "kept", "clamped", "rejected"),
    [
        ([2, 4], (2, 4), (2, 4), (2, 4)),
        ([0, 10], (0, 10), (0, 10), (0, 10)),
        ([8, 11.5], (8, 11.5), (8, 10), "beyond"),
        ([4, 2], (4, 4), (2, 4), "reversed"),
        ([38, 13], (38, 38), "empty", "reversed"),  # AKKWU of Charades: swapped, it lies behind the end
        ([3, 3], (3, 3), "empty", "empty"),
        ([10, 12], (10, 12), "empty", "beyond"),
        ([-1, 4], (0, 4), (0, 4), "beyond"),
        ([-3, -1], (0, 0), "empty", "beyond"),
    ],
)
def test_what_each_cleaning_makes_of_a_span(span: list[float], kept: Any, clamped: Any, rejected: Any) -> None:
    for cleaning, expected in ((AS_IT_STANDS, kept), (CLAMP, clamped), (REJECT, rejected)):
        if isinstance(expected, str):
            with pytest.raises(Refused) as caught:
                interval(span, cleaning)
            assert caught.value.kind == expected
        else:
            assert interval(span, cleaning) == Interval(*expected)


def test_the_amount_and_the_raw_span_are_told() -> None:
    made, (found,) = sample_of(record(span=[8, 11.5], duration=10), Cleaning())
    assert found == Finding("beyond", "clamped", 3, "a", "span [8, 11.5] s is not within the video of 10 s", 1.5)
    assert made.meta["raw_spans"] == [[8, 11.5]]
    made, (found,) = sample_of(record(span=[8, 11.5], duration=10), AS_IT_STANDS)
    assert (found.action, found.amount) == ("kept", None) and "raw_spans" not in made.meta


def test_without_a_duration_an_end_is_believed() -> None:
    assert interval([8, 5000], Cleaning(), None) == Interval(8, 5000)


def test_one_bad_span_of_several_refuses_the_row() -> None:
    with pytest.raises(Refused, match=r"span \[4, 2\] s ends before it starts"):
        sample_of(record(spans=[[1, 2], [4, 2]]), Cleaning())


@pytest.mark.parametrize(
    ("more", "kind", "message"),
    [
        ({"query": None}, "query", "the query must be a text that is not empty, got None"),
        ({"query": "  "}, "query", "must be a text that is not empty"),
        ({"query": 7}, "query", "must be a text that is not empty, got 7"),
        ({"query": "x" * 2001}, "query", "at most 2000 characters, got 2001"),
        ({"query": "go <|im_end|>"}, "query", r"holds '<\|im_end\|>', a token or tag"),
        ({"query": "say </Think> now"}, "query", "holds '</Think>'"),
        ({"id": ""}, "row", "an id or name must be a text"),
        ({"id": "a\nb"}, "row", "an id or name must be a text"),
        ({"id": "x" * 3001}, "row", "at most 3000 characters"),
        ({"id": True}, "row", "got True"),
        ({"video": "../x.mp4"}, "row", "must be a path inside the folder"),
        ({"video": "a/../../x.mp4"}, "row", "must be a path inside the folder"),
        ({"video": "/etc/passwd"}, "row", "must be a path inside the folder"),
        ({"video": "~/x.mp4"}, "row", "must be a path inside the folder"),
        ({"video": "a\\..\\x.mp4"}, "row", "must be a path inside the folder"),
        ({"span": [1]}, "row", r"a span must be two finite numbers \[start, end\] in seconds, got \[1\]"),
        ({"span": "1-2"}, "row", "a span must be two finite numbers"),
        ({"span": [True, 2]}, "row", "a span must be two finite numbers"),
        ({"span": [0, math.nan]}, "row", "a span must be two finite numbers"),
        ({"span": [0, math.inf]}, "row", "a span must be two finite numbers"),
        ({"span": [0, 10**400]}, "row", "a span must be two finite numbers"),
        ({"spans": 7}, "row", "the spans must be a list"),
        ({"duration": 0}, "row", "the duration must be a number above 0 and below 1,000,000,000, got 0"),
        ({"duration": 1e9}, "row", "the duration must be a number above 0 and below 1,000,000,000, got 1000000000.0"),
        ({"duration": "9"}, "row", "the duration must be a number above 0"),
        ({"duration": math.nan}, "row", "the duration must be a number above 0"),
        ({"frame_count": 0}, "row", "the number of frames must be a whole number of 1 or more"),
        ({"size": (0, 4)}, "row", "the height must be a whole number of 1 or more"),
        ({"truth": {"number": math.inf}}, "row", "must be finite"),
    ],
)
def test_what_no_cleaning_mends(more: dict[str, Any], kind: str, message: str) -> None:
    with pytest.raises(Refused, match=message) as caught:
        sample_of(record(**more), AS_IT_STANDS)
    assert caught.value.kind == kind


def test_an_empty_span_beside_a_reversed_one_is_still_empty() -> None:
    cleaning = Cleaning(reversed="keep", empty="reject")
    made, found = sample_of(record(spans=[[5, 3], [1, 2]]), cleaning)
    assert made.truth.intervals == (Interval(5, 5), Interval(1, 2)) and [one.kind for one in found] == ["reversed"]
    with pytest.raises(Refused, match=r"span \[2, 2\] s has no length"):
        sample_of(record(spans=[[5, 3], [2, 2]]), cleaning)


def boxes(*rows: list[float]) -> np.ndarray:
    return np.array(rows, float)


def test_boxes_become_a_tube_within_video_and_picture() -> None:
    # Frames 8 to 11 of a video of 10 frames of 20 x 10 pixels: two frames too many, one box 3 pixels too wide.
    given_ = boxes([0, 0, 5, 5], [15, 2, 23, 8], [0, 0, 5, 5], [0, 0, 5, 5])
    made, found = sample_of(record(boxes=given_, first_frame=8, frame_count=10, size=(10, 20)), Cleaning())
    assert made.truth.tube is not None and made.truth.tube.frames == range(8, 10)
    assert made.truth.tube.boxes.tolist() == [[0, 0, 5, 5], [15, 2, 20, 8]]
    assert [(one.kind, one.action, one.amount) for one in found] == [("beyond", "clamped", 2), ("box", "clamped", 3)]
    kept, found = sample_of(record(boxes=given_, first_frame=8, frame_count=10, size=(10, 20)), AS_IT_STANDS)
    assert kept.truth.tube is not None and kept.truth.tube.frames == range(8, 12)
    assert [one.action for one in found] == ["kept", "kept"]
    with pytest.raises(Refused) as caught:
        sample_of(record(boxes=boxes([15, 2, 23, 8]), size=(10, 20)), REJECT)
    assert caught.value.kind == "box"


def test_a_frame_without_a_box_stays_without() -> None:
    made, found = sample_of(record(boxes=boxes([math.nan] * 4, [1, 1, 2, 2]), size=(10, 20)), Cleaning())
    assert made.truth.tube is not None and np.isnan(made.truth.tube.boxes[0]).all() and not found


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"boxes": boxes([5, 5, 1, 9])}, "x1 <= x2"),
        ({"boxes": boxes([1, 1, 2, 2]), "first_frame": -1}, "first frame of the boxes must be 0 or later"),
        ({"boxes": boxes([1, 1, 2, 2]), "first_frame": 9, "frame_count": 9}, "there is no box on any frame"),
        ({"boxes": np.zeros((0, 4))}, "there is no box on any frame"),
    ],
)
def test_tubes_that_are_none(more: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        sample_of(record(**more), Cleaning())


def test_left_top_width_height() -> None:
    assert xyxy_of_xywh([[10, 20, 5, 7], [0.5, 0, 1, 1]]).tolist() == [[10, 20, 15, 27], [0.5, 0, 1.5, 1]]
    for wrong in ([[1, 2, 3]], [[1, 2, 3, 4], [1]], "boxes", None, [["1", "2", "3", "4"]], [[1, 2, 3, True], None], []):
        with pytest.raises(UserError, match="boxes must be a list of"):
            xyxy_of_xywh(wrong)


def test_names() -> None:
    assert (checked_name("grün 1"), checked_name(12), checked_name(76.0)) == ("grün 1", "12", "76")
    for wrong in ("", "a\nb", "x" * 3001, 1.5, float("inf"), float("nan"), None, True, 10**20):
        with pytest.raises(UserError, match="a scene must be a text of at most 3000 characters or a whole number, got"):
            checked_name(wrong, "a scene")


@pytest.mark.parametrize("field", ["reversed", "empty", "beyond", "box"])
def test_a_cleaning_is_one_of_three(field: str) -> None:
    with pytest.raises(UserError, match=rf"cleaning\.{field} must be one of keep, clamp, reject, got 'drop'"):
        Cleaning(**{field: "drop"})  # type: ignore[arg-type]


def test_a_row_that_is_no_record_is_a_finding_and_the_next_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"x": 1}\n{torn\n{"x": 3}\n')

    def convert(entry: Entry) -> Any:
        if entry.row == 1:
            raise UserError("x is 1")
        yield record(row=entry.row)

    first, second, third = read_records(path, convert)
    assert first == Finding("row", "rejected", 1, None, "x is 1")
    assert isinstance(second, Finding) and "not JSON" in second.message
    assert isinstance(third, Record) and third.row == 3


def test_another_path_of_the_video() -> None:
    made: Sample = sample_of(record(), Cleaning())[0]
    assert renamed(made, "v.mp4") is made and renamed(made, "x/v.mp4").video == "x/v.mp4"


SPANS = st.lists(st.floats(-50, 50), min_size=2, max_size=2)


@given(SPANS, st.floats(0.1, 60))
def test_clamped_spans_lie_within_the_video_and_last(span: list[float], duration: float) -> None:
    try:
        found = interval(span, CLAMP, duration)
    except Refused as error:
        assert error.kind == "empty"
    else:
        assert found is not None and 0 <= found.start < found.end <= duration


@given(SPANS, st.floats(0.1, 60))
def test_what_is_rejected_by_nobody_is_changed_by_nobody(span: list[float], duration: float) -> None:
    try:
        found = interval(span, REJECT, duration)
    except Refused:
        assert not 0 <= span[0] < span[1] <= duration
    else:
        assert found == Interval(*span) == interval(span, CLAMP, duration) == interval(span, AS_IT_STANDS, duration)
