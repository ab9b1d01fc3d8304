"""Tests of grounding.datasets.fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Interval, UserError, UserErrors
from grounding.datasets.fields import MAX_QUERY, read_fields, read_id

GOOD = {"id": "a", "video": "a.mp4", "query": "a cup", "interval": [1, 2.5], "masklets": "m", "object_id": 3}


def without(*keys: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in {**GOOD, **more}.items() if key not in keys}


def errors_of(value: dict[str, Any]) -> list[str]:
    with pytest.raises(UserErrors) as caught:
        read_fields(value)
    return caught.value.errors


def test_a_row_by_object_id() -> None:
    assert read_fields(GOOD) == {**GOOD, "interval": Interval(1.0, 2.5)}


def test_a_row_by_boxes_with_split_and_meta() -> None:
    value = without("object_id", boxes={"0": [1, 2, 3, 4.5], "11": [0, 0, 1, 1]}, split="test", meta={"any": [1]})
    fields = read_fields(value)
    assert fields["boxes"] == {0: (1.0, 2.0, 3.0, 4.5), 11: (0.0, 0.0, 1.0, 1.0)}
    assert (fields["split"], fields["meta"]) == ("test", {"any": [1]})


def test_where_no_ids_are_drawn_neither_masks_nor_objects_are_needed() -> None:
    bare = without("masklets", "object_id")
    assert read_fields(bare, marks=False) == {**bare, "interval": Interval(1.0, 2.5)}
    assert read_fields(GOOD, marks=False) == read_fields(GOOD)
    with pytest.raises(UserErrors, match='"interval" is missing; add it'):
        read_fields(without("interval"), marks=False)


def test_several_segments_where_no_ids_are_drawn() -> None:
    def read(value: Any, **more: Any) -> Any:
        return read_fields({**without("interval", "masklets", "object_id"), "intervals": value, **more}, marks=False)

    assert read([[1, 2.5], [4, 5]])["intervals"] == (Interval(1.0, 2.5), Interval(4.0, 5.0))
    assert read([])["intervals"] == ()  # never
    with pytest.raises(UserErrors, match='either "interval" or "intervals", got both'):
        read([[1, 2]], interval=[1, 2])
    for wrong in ([1, 2], [[1]], {"0": [1, 2]}):
        with pytest.raises(UserErrors, match="interval"):
            read(wrong)
    assert '"interval" is missing; add it' in errors_of(without("interval", intervals=[[1, 2]]))


@pytest.mark.parametrize("key", ["id", "video", "query", "interval", "masklets"])
def test_a_missing_key_is_named(key: str) -> None:
    assert errors_of(without(key)) == [f'"{key}" is missing; add it']


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 7}, '"id" must be a text that is not empty, got 7'),
        ({"id": " "}, "\"id\" must be a text that is not empty, got ' '"),
        ({"id": "x" * 201}, '"id" must have at most 200 characters, got 201'),
        ({"id": "a\nb"}, "\"id\" holds control characters: 'a\\nb'; remove them"),
        ({"video": ["a.mp4"]}, "\"video\" must be a text that is not empty, got ['a.mp4']"),
        ({"video": "a\0.mp4"}, "\"video\" holds control characters: 'a\\x00.mp4'; remove them"),
        ({"query": "  "}, "\"query\" must be a text that is not empty, got '  '"),
        ({"query": "\ud800"}, '"query" holds half of a surrogate pair, which is no character; write the text again'),
        ({"interval": 3}, '"interval" must be two finite numbers [start_s, end_s], got 3'),
        ({"interval": [1]}, '"interval" must be two finite numbers [start_s, end_s], got [1]'),
        ({"interval": [1, "2"]}, "\"interval\" must be two finite numbers [start_s, end_s], got [1, '2']"),
        ({"interval": [False, True]}, '"interval" must be two finite numbers [start_s, end_s], got [False, True]'),
        ({"interval": [0, float("inf")]}, '"interval" must be two finite numbers [start_s, end_s], got [0, inf]'),
        ({"interval": [0, float("nan")]}, '"interval" must be two finite numbers [start_s, end_s], got [0, nan]'),
        ({"interval": [2, 1]}, "interval end 1.0 s lies before its start 2.0 s; swap the two"),
        ({"interval": [-1, 1]}, "interval start must be a finite number of seconds >= 0, got -1.0"),
        ({"object_id": 0}, '"object_id" must be a whole number >= 1 (0 is the background), got 0'),
        ({"object_id": 1.0}, '"object_id" must be a whole number >= 1 (0 is the background), got 1.0'),
        ({"object_id": True}, '"object_id" must be a whole number >= 1 (0 is the background), got True'),
        ({"split": 1}, '"split" must be a text that is not empty, got 1'),
        ({"meta": "x"}, "\"meta\" must be an object, got 'x'"),
        ({"quary": "q"}, 'unknown key \'quary\'; did you mean "query"? Otherwise put it into "meta"'),
        ({"zzz": 1}, "unknown key 'zzz'; put it into \"meta\""),
        ({"boxes": {"0": [0, 0, 1, 1]}}, 'the truth must be either "object_id" or "boxes", got object_id and boxes'),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], message: str) -> None:
    assert errors_of({**GOOD, **change}) == [message]


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ({}, '"boxes" must be an object {"frame": [x1, y1, x2, y2], ...} with at least one frame, got {}'),
        ([1], '"boxes" must be an object {"frame": [x1, y1, x2, y2], ...} with at least one frame, got [1]'),
        ({"-1": [0, 0, 1, 1]}, '"boxes" must be named by source frames "0", "1", ..., got \'-1\''),
        ({"²": [0, 0, 1, 1]}, '"boxes" must be named by source frames "0", "1", ..., got \'²\''),
        ({"9" * 10: [0, 0, 1, 1]}, '"boxes" must be named by source frames "0", "1", ..., got \'9999999999\''),
        ({"3": [0, 0, 1]}, '"boxes", frame 3: expected four finite numbers, got [0, 0, 1]'),
        ({"3": [0, 0, 1, None]}, '"boxes", frame 3: expected four finite numbers, got [0, 0, 1, None]'),
        ({"3": [5, 0, 5, 1]}, '"boxes", frame 3: expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2, got [5, 0, 5, 1]'),
        ({"3": [0, 9, 5, 1]}, '"boxes", frame 3: expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2, got [0, 9, 5, 1]'),
        (
            {"3": [0, 0, 1, 1], "03": [0, 0, 1, 1]},
            '"boxes" name a frame twice, with and without leading zeros; remove one of the two',
        ),
    ],
)
def test_what_is_wrong_with_boxes_is_said(boxes: Any, message: str) -> None:
    assert errors_of(without("object_id", boxes=boxes)) == [message]


def test_a_row_without_truth_is_refused() -> None:
    assert errors_of(without("object_id")) == ['the truth must be either "object_id" or "boxes", got neither']


def test_everything_that_is_wrong_is_said_together() -> None:
    found = errors_of({"id": "a", "video": 3, "query": "", "interval": [2, 1], "masklets": "m", "extra": 1})
    assert [message.split()[0] for message in found] == ["unknown", "the", '"video"', '"query"', "interval"]


@pytest.mark.parametrize(
    "reserved",
    ["<|im_end|>", "<|VIDEO_PAD|>", "<||>", "<|a b|>", "<answer>", "</Answer>", "<think>", "</THINK>", "<thin\u212a>"],
)
@pytest.mark.parametrize("around", ["{}", "the red {}circle", "the cup\n{}", "{} {}"])
def test_a_query_that_speaks_for_the_model_is_refused(reserved: str, around: str) -> None:
    (message,) = errors_of({**GOOD, "query": around.replace("{}", reserved)})
    assert message == f'"query" holds {reserved!r}, which is a token or tag of the model\'s own; reword it'


@pytest.mark.parametrize(
    "query", ["a < b | c > d", "<|", "|>", "the |> sign", "answer <b>", "< answer >", "<|x| >", "think, answer", "<3"]
)
def test_a_query_with_signs_is_none_of_it(query: str) -> None:
    assert read_fields({**GOOD, "query": query})["query"] == query


@pytest.mark.parametrize("piece", ["x", "<|", "<answer"])
def test_a_query_is_no_book(piece: str) -> None:
    longest = (piece * MAX_QUERY)[:MAX_QUERY]
    assert read_fields({**GOOD, "query": longest})["query"] == longest
    assert errors_of({**GOOD, "query": longest + "s"}) == [
        '"query" must have at most 2000 characters, got 2001; shorten it'
    ]


def test_numbers_too_large_for_a_float_are_refused() -> None:
    assert "two finite numbers" in errors_of({**GOOD, "interval": [0, 10**400]})[0]
    assert "four finite numbers" in errors_of(without("object_id", boxes={"0": [0, 0, 1, 10**400]}))[0]


def test_an_id_fits_a_line() -> None:
    assert read_id("größe/7") == "größe/7"
    with pytest.raises(UserError, match="control characters"):
        read_id("two\nlines")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from([*GOOD, "boxes", "split", "meta", "else"]), json_values)
def test_any_value_is_read_or_refused_in_words(key: str, value: Any) -> None:
    try:
        fields = read_fields({**GOOD, key: value})
    except UserErrors as error:
        assert error.errors and all(isinstance(message, str) and message for message in error.errors)
    else:
        assert isinstance(fields["interval"], Interval) and fields["query"].strip() and fields["object_id"] >= 1
