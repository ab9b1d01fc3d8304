"""Tests of grounding.datasets.entries."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.datasets import entries
from grounding.datasets.entries import Entry, field, json_entries, list_of, object_of, read_entries, read_member

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_list_an_object_and_lines_give_the_same_values(tmp_path: Path) -> None:
    values = [{"a": 1}, [2, "x"], "three", 4.5, None, True]
    as_list = list(read_entries(write(tmp_path, "a.json", json.dumps(values))))
    assert as_list == [Entry(row, value) for row, value in enumerate(values, 1)]
    named = {f"k{row}": value for row, value in enumerate(values)}
    as_object = list(read_entries(write(tmp_path, "b.json", json.dumps(named, indent=1))))
    assert [(one.row, one.key, one.value) for one in as_object] == [
        (row + 1, f"k{row}", value) for row, value in enumerate(values)
    ]
    lines = "\n\n".join(json.dumps(value) for value in values)
    found = list(read_entries(write(tmp_path, "c.jsonl", lines)))
    assert [one.value for one in found] == values
    assert [one.row for one in found] == [1, 3, 5, 7, 9, 11]  # lines as an editor counts them


def test_a_key_that_comes_twice_is_refused_the_second_time(tmp_path: Path) -> None:
    first, second = read_entries(write(tmp_path, "a.json", '{"v": 1, "v": 2}'))
    assert (first.key, first.value, second.key) == ("v", 1, "v")
    with pytest.raises(UserError, match="the file names 'v' twice; remove one of the two"):
        object_of(second.value)


def test_a_key_that_comes_twice_within_a_row_is_noticed(tmp_path: Path) -> None:
    rows = '{"id": 1, "id": 2, "x": 3}', '{"id": 1, "b": {"c": 1, "c": 1}}'
    for path in (write(tmp_path, "a.json", f"[{','.join(rows)}]"), write(tmp_path, "a.jsonl", "\n".join(rows))):
        first, second = read_entries(path)
        with pytest.raises(UserError, match="the row names 'id' twice; remove one of the two"):
            object_of(first.value)
        with pytest.raises(UserError, match="the row names 'c' twice"):
            object_of(second.value)


def test_after_a_row_with_a_key_twice_the_next_is_read(tmp_path: Path) -> None:
    rows = '{"b": [[{"c": 1, "c": 1}]]}', '{"c": 1}'
    for path in (write(tmp_path, "a.json", f"[{','.join(rows)}]"), write(tmp_path, "a.jsonl", "\n".join(rows))):
        first, second = read_entries(path)
        assert isinstance(first.value, UserError) and second.value == {"c": 1}


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    for name in ("a.json", "a.jsonl", "a.csv", "a.txt"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(UserError, match="it is a named pipe; give the path of a file"):
            next(read_entries(tmp_path / name))


def test_json_is_read_as_lines_or_not_whatever_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", '{"a": 1}\n\n{"a": 2}')
    assert list(json_entries(path, lines=True)) == [Entry(1, {"a": 1}), Entry(3, {"a": 2})]
    with pytest.raises(UserError, match="more text after the end"):
        list(json_entries(path, lines=False))


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert [one.value for one in read_entries(write(tmp_path, "a.json", b"\xef\xbb\xbf[7]"))] == [7]


@pytest.mark.parametrize("text", ["[]", " { } \n"])
def test_an_empty_file_of_json_has_no_entries(tmp_path: Path, text: str) -> None:
    assert list(read_entries(write(tmp_path, "a.json", text))) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(JSON, max_size=6), chunk=st.integers(1, 9), indent=st.sampled_from([None, 2]))
def test_where_the_chunks_end_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[Any], chunk: int, indent: int | None
) -> None:
    monkeypatch.setattr(entries, "CHUNK", chunk)
    path = write(tmp_path, "a.json", json.dumps(values, indent=indent))
    assert [one.value for one in read_entries(path)] == values


def test_a_number_that_a_chunk_cuts_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "CHUNK", 3)  # "[12", "345", "]"
    assert [one.value for one in read_entries(write(tmp_path, "a.json", "[12345]"))] == [12345]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7", "expected a JSON list or object"),
        ("[1, 2", "column 6: not JSON: expected ',' or ']' (after row 1)"),
        ("[1,, 2]", "column 4: not JSON: Expecting value (after row 1)"),
        ("[1,]", "a comma with nothing after it"),
        ('{"a": 1,}', "a comma with nothing after it"),
        ('{"a" 1}', 'expected "key":'),
        ("{1: 2}", 'expected "key":'),
        ("[1] [2]", "more text after the end; name a file of JSON lines"),
        ('{"a": 1}\n{"a": 2}', "more text after the end; name a file of JSON lines"),
        ('["abc', "Unterminated string"),
        ("[" * 200_000, "brackets too deep"),
        ("[" + "9" * 5000 + "]", "numbers too long"),
    ],
)
def test_broken_json_names_the_file_and_the_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        list(read_entries(write(tmp_path, "a.json", text)))
    assert str(caught.value).startswith(f"{tmp_path / 'a.json'}, line {text.count(chr(10)) + 1}, column ")


@pytest.mark.parametrize("chunk", [1, 2, 5, 1 << 20])
def test_broken_json_names_line_and_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(entries, "CHUNK", chunk)
    path = write(tmp_path, "a.json", '[{"a": 1},\n {"a": 2},\n  {"b": }]')
    with pytest.raises(UserError, match=r"a\.json, line 3, column 9: not JSON: Expecting value \(after row 2\)"):
        list(read_entries(path))
    path = write(tmp_path, "a.json", "[1, 2,\n3\n 4]")
    with pytest.raises(UserError, match=r"a\.json, line 3, column 2: not JSON: expected ',' or ']' \(after row 2\)"):
        list(read_entries(path))


def test_a_value_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "CHUNK", 4)
    monkeypatch.setattr(entries, "MAX_VALUE", 64)
    with pytest.raises(UserError, match="longer than 256 MB"):
        list(read_entries(write(tmp_path, "a.json", '["' + "x" * 500)))


def test_a_broken_line_does_not_stop_the_others(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"a": 1}\n{"a": \n[[' + "9" * 5000 + "\n3\n")
    first, second, third, fourth = read_entries(path)
    assert (first.value, fourth.value) == ({"a": 1}, 3)
    assert isinstance(second.value, UserError) and "the line is not JSON: Expecting value" in str(second.value)
    assert isinstance(third.value, UserError) and "numbers too long" in str(third.value)


def test_a_table_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'id,text\n1,"a, b"\n\n2\n3,c\n')
    first, short, last = read_entries(path)
    assert first == Entry(2, {"id": "1", "text": "a, b"})
    assert isinstance(short.value, UserError) and "expected 2 cells, got 1" in str(short.value)
    assert last == Entry(5, {"id": "3", "text": "c"})
    tabs = write(tmp_path, "a.tsv", "id\ttext\n1\ta, b\n")
    assert [one.value for one in read_entries(tabs)] == [{"id": "1", "text": "a, b"}]


def test_a_cell_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.csv, line .*: not a table"):
        list(read_entries(write(tmp_path, "a.csv", 'id,text\n1,"' + "x" * 200_000)))


def test_text_lines_come_without_their_ends(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "AO8RW 0 1##x\r\n\nB 1 2##y")
    assert list(read_entries(path)) == [Entry(1, "AO8RW 0 1##x"), Entry(3, "B 1 2##y")]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*none\.json: No such file"):
        list(read_entries(tmp_path / "none.json"))
    with pytest.raises(UserError, match=r"a\.json is not UTF-8; save it as UTF-8"):
        list(read_entries(write(tmp_path, "a.json", '["gr\xfcn"]'.encode("latin-1"))))


def test_one_member_of_an_object(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json", '{"info": 1, "videos": {"a": 2}}')
    assert read_member(path, "videos") == {"a": 2}
    with pytest.raises(UserError, match='"questions" is missing; take the official annotation file'):
        read_member(path, "questions")
    for text in ('{"videos": 1, "info": 1, "videos": 2}', '{"videos": {"a": {"b": 1, "b": 2}}}'):
        with pytest.raises(UserError, match=r"a\.json: the (file names 'videos'|row names 'b') twice"):
            read_member(write(tmp_path, "a.json", text), "videos")


def test_small_readers_say_what_they_expected() -> None:
    assert object_of({"a": 1}) == {"a": 1} and list_of([1], "x") == [1]
    assert field({"b": 2, "c": 3}, "a", "b", "c") == 2
    for call, message in (
        (lambda: object_of([1], "a video"), r"a video must be a JSON object \{...\}, got \[1\]"),
        (lambda: field("ab", "a"), "expected an object with \"a\", got 'ab'"),
        (lambda: object_of(UserError("torn")), "torn"),
        (lambda: list_of({}, "boxes"), '"boxes" must be a list, got {}'),
        (lambda: field({}, "a"), '"a" is missing$'),
        (lambda: field({}, "a", "b"), r'"a" is missing \(or b\)'),
    ):
        with pytest.raises(UserError, match=message):
            call()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=120), name=st.sampled_from(["a.json", "a.jsonl", "a.csv", "a.tsv", "a.txt"]))
def test_any_bytes_are_entries_or_a_user_error(tmp_path: Path, content: bytes, name: str) -> None:
    path = write(tmp_path, name, content)
    try:
        found = list(read_entries(path))
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert [one.row for one in found] == sorted({one.row for one in found})


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_file_is_called_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"a\.json is empty; it should hold a JSON list or object"):
        list(read_entries(write(tmp_path, "a.json", text)))
