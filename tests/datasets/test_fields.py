"""Tests of grounding.datasets.fields."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, UserError, UserErrors
from grounding.datasets.fields import MAX_QUERY, read_fields, read_id

WHEN = (("interval", "intervals"),)
GOOD = {"id": "a", "video": "a.mp4", "query": "a cup", "interval": [1, 2.5], "masklets": "m", "object_id": 3}
SHOWN = {key: GOOD[key] for key in ("id", "video", "query")}


def without(*keys: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in {**GOOD, **more}.items() if key not in keys}


def errors_of(value: dict[str, Any]) -> list[str]:
    with pytest.raises(UserErrors) as caught:
        read_fields(value)
    return caught.value.errors


def test_a_row_by_object_id() -> None:
    assert read_fields(GOOD) == {**SHOWN, "masklets": "m", "truth": Answer(Interval(1.0, 2.5), 3)}


def test_a_row_by_boxes_with_split_and_meta() -> None:
    value = without("object_id", boxes={"0": [1, 2, 3, 4.5], "11": [0, 0, 1, 1]}, split="test", meta={"any": [1]})
    fields = read_fields(value)
    assert fields["boxes"] == {0: (1.0, 2.0, 3.0, 4.5), 11: (0.0, 0.0, 1.0, 1.0)}
    assert (fields["split"], fields["meta"]) == ("test", {"any": [1]})


def test_where_no_ids_are_drawn_neither_masks_nor_objects_are_needed() -> None:
    truth = {"truth": Answer(Interval(1.0, 2.5))}
    assert read_fields(without("masklets", "object_id"), needs=WHEN, marks=False) == {**SHOWN, **truth}
    both = {**GOOD, "boxes": {"0": [0, 0, 1, 1]}}
    assert read_fields(both, needs=WHEN, marks=False) == {**SHOWN, "masklets": "m", **truth}
    with pytest.raises(UserErrors, match='the truth must be either "interval" or "intervals", got none of them'):
        read_fields(without("interval"), needs=WHEN, marks=False)


def test_several_segments_where_no_ids_are_drawn() -> None:
    def read(value: Any, **more: Any) -> Any:
        bare = without("interval", "masklets", "object_id")
        return read_fields({**bare, "intervals": value, **more}, needs=WHEN, marks=False)["truth"].intervals

    assert read([[1, 2.5], [4, 5]]) == (Interval(1.0, 2.5), Interval(4.0, 5.0))
    assert read([]) == ()  # never
    with pytest.raises(UserErrors, match='either "interval" or "intervals", got interval and intervals'):
        read([[1, 2]], interval=[1, 2])
    for wrong in ([1, 2], [[1]], {"0": [1, 2]}):
        with pytest.raises(UserErrors, match="interval"):
            read(wrong)
    assert '"interval" is missing; add it' in errors_of(without("interval", intervals=[[1, 2]]))


ANSWERED = (("choices", "number", "text"),)
BARE = {"id": "a", "video": "a.mp4", "query": "what?"}


def test_every_part_of_an_answer_has_a_key() -> None:
    said = {
        "options": ["(A) left", "B. right", "up"],
        "choices": ["A", "C"],
        "number": 40,
        "text": "a cup",
        "object_ids": [3, 1, 3],
        "frame": 0,
        "box": [0, 1, 2.5, 3],
    }
    every = tuple((part,) for part in ("choices", "number", "text", "object_ids", "box"))
    assert read_fields({**BARE, **said}, needs=every, marks=False) == {
        **BARE,
        "options": ["left", "right", "up"],
        "frame": 0,
        "truth": Answer(
            choices=frozenset({"A", "C"}),
            number=40.0,
            text="a cup",
            object_ids=frozenset({1, 3}),
            box=(0.0, 1.0, 2.5, 3.0),
        ),
    }
    assert read_fields({**BARE, **said}, needs=(("number",),), marks=False)["truth"] == Answer(number=40.0)
    several = read_fields({**BARE, "text": ["a cup", "cup"]}, needs=(("text",),), marks=False)
    assert several["truth"] == Answer(text="a cup", also=("cup",))
    none = read_fields({**BARE, "object_ids": [], "segment": [0, 3]}, needs=(("object_ids",),), marks=False)
    assert none == {**BARE, "segment": Interval(0.0, 3.0), "truth": Answer(object_ids=frozenset())}


OPTIONS = {"options": ["left", "right"]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, 'the truth must be either "choices" or "number" or "text", got none of them'),
        ({"number": 1, "text": "one"}, 'the truth must be either "choices" or "number" or "text", got number and text'),
        ({"choices": "A"}, '"options" is missing, without which "choices" says nothing; add it'),
        ({**OPTIONS, "choices": "C"}, "\"choices\": the answer must be the letter of one of 2 options, got 'C'"),
        (
            {**OPTIONS, "choices": ["A", "left"]},
            "\"choices\": the answer must be the letter of one of 2 options, got 'left'",
        ),
        ({**OPTIONS, "choices": []}, '"choices": must be the letters of the right options, got []'),
        ({**OPTIONS, "choices": 1}, '"choices": the answer must be the letter of one of 2 options, got 1'),
        ({"options": ["left"], "choices": "A"}, '"options" must be 2 to 26 texts, got 1'),
        ({"options": ["x"] * 27, "choices": "A"}, '"options" must be 2 to 26 texts, got 27'),
        ({"options": "left", "choices": "A"}, "\"options\" must be a list of texts, got 'left'"),
        ({"options": ["left", 2], "choices": "A"}, '"options": an option must be a text that is not empty, got 2'),
        ({"options": ["up", "A. up"], "choices": "A"}, "\"options\" holds 'up' twice; remove or reword one of the two"),
        (
            {"options": ["<think>", "b"], "choices": "A"},
            "\"options\" holds '<think>', which is a token or tag of the model's own; reword it",
        ),
        ({"number": "4"}, "\"number\" must be a finite number, got '4'"),
        ({"number": True}, '"number" must be a finite number, got True'),
        ({"text": []}, '"text" must be a text, or a list of all that are right, got []'),
        ({"text": 3}, '"text" must be a text, or a list of all that are right, got 3'),
        ({"text": ["x", 3]}, '"text" must be a text that is not empty, got 3'),
        ({"text": ""}, "\"text\" must be a text that is not empty, got ''"),
        ({"text": "x" * 2001}, '"text" must have at most 2000 characters, got 2001; shorten it'),
        (
            {"text": "a", "object_ids": [0]},
            '"object_ids" must be a list of whole numbers >= 1 (0 is the background), [] for none, got [0]',
        ),
        (
            {"text": "a", "object_ids": 3},
            '"object_ids" must be a list of whole numbers >= 1 (0 is the background), [] for none, got 3',
        ),
        (
            {"text": "a", "box": [0, 0, 1, 1]},
            '"image" or "frame" or "time" is missing, without which "box" says nothing; add it',
        ),
        ({"text": "a", "time": -1}, '"time" must be a finite number of seconds >= 0, got -1'),
        (
            {"text": "a", "image": "a.png"},
            'what is shown must be either "image" or "video", got image and video',
        ),
        ({"text": "a", "frame": 0, "box": [0, 0, 1]}, '"box": expected four finite numbers, got [0, 0, 1]'),
        (
            {"text": "a", "frame": 0, "box": [3, 0, 1, 1]},
            '"box": expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2, got [3, 0, 1, 1]',
        ),
        ({"text": "a", "frame": 1.5}, '"frame" must be the number of a source frame, a whole number >= 0, got 1.5'),
        ({"text": "a", "segment": [1]}, '"segment" must be two finite numbers [start_s, end_s], got [1]'),
        (
            {"text": "a", "frame": 1, "segment": [1, 2]},
            'what is shown must be either "image" or "frame" or "time" or "segment", got frame and segment',
        ),
    ],
)
def test_what_is_wrong_with_other_parts_is_said(row: dict[str, Any], message: str) -> None:
    with pytest.raises(UserErrors) as caught:
        read_fields({**BARE, **row}, needs=ANSWERED, marks=False)
    assert caught.value.errors == [message]


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
        (
            {"meta": {"a": 1, "options": 3}},
            '"meta" holds \'options\', which is a key of the row itself; write it beside "meta"',
        ),
        ({"video": "x" * 401}, '"video" must have at most 400 characters, got 401; shorten it'),
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
    assert errors_of(without("object_id")) == ['the truth must be either "object_id" or "boxes", got none of them']


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

OTHERS = (
    "boxes",
    "image",
    "frame",
    "time",
    "segment",
    "intervals",
    "object_ids",
    "box",
    "options",
    "choices",
    "number",
    "text",
)
OTHERS += ("split", "meta", "else")


@given(st.sampled_from([*GOOD, *OTHERS]), json_values)
def test_any_value_is_read_or_refused_in_words(key: str, value: Any) -> None:
    try:
        fields = read_fields({**GOOD, key: value})
    except UserErrors as error:
        assert error.errors and all(isinstance(message, str) and message for message in error.errors)
    else:
        truth = fields["truth"]
        assert isinstance(truth.interval, Interval) and fields["query"].strip() and truth.object_id >= 1
