from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.datasets.entries import Entry
from grounding.evaluation.entries import id_of, numbers, ordered, read_entries, read_truths, text_id


def read(tmp_path, text, name="rows.json"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_entries(path)


def test_lines_a_list_and_an_object(tmp_path):
    assert read(tmp_path, '{"id": 1}\n\n{"id": 2}\n', "a.jsonl") == [Entry(1, {"id": 1}), Entry(3, {"id": 2})]
    assert read(tmp_path, '[{"id": 1}, 7]') == [Entry(1, {"id": 1}), Entry(2, 7)]
    assert read(tmp_path, '{"a": 1, "b": null}') == [Entry(1, 1, "a"), Entry(2, None, "b")]


def test_lines_in_a_file_that_is_not_named_so(tmp_path):
    assert [entry.value for entry in read(tmp_path, '{"id": 1}\n{"id": 2}\n')] == [{"id": 1}, {"id": 2}]


def test_one_line_in_a_file_of_lines_is_a_row_and_no_object_by_id(tmp_path):
    assert read(tmp_path, '{"id": 1}', "a.jsonl") == [Entry(1, {"id": 1})]


def test_windows_files_are_read_too(tmp_path):
    assert read(tmp_path, b'\xef\xbb\xbf{"id": 1}\r\n{"id": 2}\r\n', "a.jsonl")[1].value == {"id": 2}


def test_a_line_separator_within_a_text_ends_no_line(tmp_path):
    assert read(tmp_path, '{"query": "a\u2028b"}\n', "a.jsonl")[0].value == {"query": "a\u2028b"}


def test_a_broken_line_is_told_where_it_stands_and_the_others_are_read(tmp_path):
    first, second, third = read(tmp_path, '{"id": 1}\n{"id": 2\n{"id": 3}\n', "a.jsonl")
    assert (first.value, third.value) == ({"id": 1}, {"id": 3})
    assert second.row == 2 and isinstance(second.value, UserError)
    assert "the line is not JSON: Expecting ',' delimiter at column 9" in str(second.value)


def test_an_id_that_an_object_names_twice_gives_two_rows(tmp_path):
    *rows, again = read(tmp_path, '{"a": 1, "b": 2, "a": 3}')
    assert rows == [Entry(1, 1, "a"), Entry(2, 2, "b")]
    assert (again.row, again.key) == (3, "a") and "names 'a' twice" in str(again.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "b": }', r"rows.json, line 2, column 7: not JSON: Expecting value"),
        ("nothing", r"rows.json, line 1, column 1: not JSON"),
        ("", r"rows.json is empty"),
        ("[]", r"holds no rows"),
        ("7", r"expected a JSON list or object"),
        (b"\xff\xfe{}", r"rows.json is not UTF-8; save it as UTF-8"),
        ("[" * 100_000, r"brackets too deep"),
        ("[" + "9" * 5000 + "]", r"numbers too long"),
    ],
)
def test_a_file_that_is_none(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*none.json: No such file"):
        read_entries(tmp_path / "none.json")


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_refused_in_words(tmp_path_factory, data):
    for name in ("a.json", "a.jsonl"):
        path = tmp_path_factory.mktemp("rows") / name
        path.write_bytes(data)
        try:
            assert read_entries(path)
        except UserError as error:
            assert str(path) in str(error)


# Fields


def test_ids():
    assert id_of(Entry(1, {}, "a")) == "a"
    assert id_of(Entry(1, {"qid": 7})) == "7"
    assert id_of(Entry(1, {"sample_id": "x", "id": "y"})) == "y"
    for value, message in (({}, '"id" is missing'), ([], "must be a JSON object"), ({"id": True}, "an id must be")):
        with pytest.raises(UserError, match=message):
            id_of(Entry(1, value))


@pytest.mark.parametrize("value", ["", "a\nb", "x" * 3001, 1.5, None, True, 10**20])
def test_what_is_no_id(value):
    with pytest.raises(UserError, match="an id must be a text of at most 3000 characters or a whole number"):
        text_id(value)


def test_an_object_that_names_a_key_twice_has_no_id(tmp_path):
    (entry,) = read(tmp_path, '[{"id": 1, "id": 2}]')
    with pytest.raises(UserError, match="the row names 'id' twice"):
        id_of(entry)


def test_numbers():
    assert numbers([1, 2.5], "x").tolist() == [1.0, 2.5]
    assert numbers([[1, 2], [3, 4]], "x", 2).shape == (2, 2)
    assert numbers([], "x", 2).shape == (0, 2)
    for value in (
        "12",
        None,
        ["1"],
        [True],
        [None],
        [[1]],
        [float("nan")],
        [float("-inf")],
        [1e16],
        [10**400],
        [-(2**63)],
    ):
        with pytest.raises(UserError, match="x must be a list of finite numbers, got"):
            numbers(value, "x")
    for value in ([1, 2], [[1, 2], [3]], [[1, 2, 3]], [[1, [2]]], [[]]):
        with pytest.raises(UserError, match="x must be a list of lists of 2 finite numbers, got"):
            numbers(value, "x", 2)


def test_where_a_number_is_not_finite():
    with pytest.raises(UserError, match=r"got \[3, nan\] at place 2"):
        numbers([[1, 2], [3, float("nan")]], "x", 2)


def test_ordered():
    assert ordered(np.array([[1.0, 2.0, 0.5], [3.0, 3.0, 0.1]]), "x").shape == (2, 3)
    with pytest.raises(UserError, match=r"x is reversed: it starts at 5.0 and ends at 3.0"):
        ordered(np.array([[1.0, 2.0], [5.0, 3.0]]), "x")


# Truths


def truths(tmp_path, rows):
    path = tmp_path / "truth.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return read_truths(path, lambda value: float(numbers([value["x"]], "x")[0]))


def test_truths_keep_their_order(tmp_path):
    assert list(truths(tmp_path, [{"id": "b", "x": 1}, {"id": "a", "x": 2}]).items()) == [("b", 1.0), ("a", 2.0)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "a", "x": 1}, {"id": "a", "x": 2}], r"truth.jsonl, row 2 \(a\): the id is taken by a row before"),
        ([{"id": "a", "x": "one"}], r"truth.jsonl, row 1 \(a\): x must be a list of finite numbers"),
        ([{"id": "a", "x": 1}, "{"], r"truth.jsonl, row 2: the line is not JSON"),
        ([{"x": 1}], r'truth.jsonl, row 1: "id" is missing'),
    ],
)
def test_a_wrong_truth_stops(tmp_path, rows, message):
    with pytest.raises(UserError, match=message):
        truths(tmp_path, rows)
