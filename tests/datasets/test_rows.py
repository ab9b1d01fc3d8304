"""Tests of grounding.datasets.rows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grounding.core import Answer, Interval, UserError
from grounding.datasets.problems import Problem
from grounding.datasets.rows import MAX_LINE, Row, read_rows


def line(sample_id: str = "a", **more: Any) -> bytes:
    row = {"id": sample_id, "video": "v.mp4", "query": "q", "interval": [0, 1], "masklets": "m", "object_id": 1}
    return json.dumps({**row, **more}).encode()


def read(tmp_path: Path, content: bytes) -> tuple[list[Row], list[Problem]]:
    (tmp_path / "a.jsonl").write_bytes(content)
    return read_rows(tmp_path / "a.jsonl", "a.jsonl")


def test_rows_keep_their_order_and_line_numbers_over_blank_lines(tmp_path: Path) -> None:
    rows, problems = read(tmp_path, b"\n" + line("x") + b"\r\n   \n\n" + line("b", split="test", meta={"k": 1}))
    assert rows == [
        Row(2, "x", "v.mp4", "q", Answer(Interval(0.0, 1.0), 1), "m"),
        Row(5, "b", "v.mp4", "q", Answer(Interval(0.0, 1.0), 1), "m", split="test", meta={"k": 1}),
    ]
    assert problems == []


def test_what_is_given_besides_the_truth_is_kept(tmp_path: Path) -> None:
    given = {"options": ["A. left", "right"], "segment": [0, 2], "thinking": "hm", "meta": {"k": 1}}
    (row,), _ = read(tmp_path, line(**given))
    assert row.kept == {"k": 1, "options": ["left", "right"], "segment": (0.0, 2.0), "thinking": "hm"}
    (row,), _ = read(tmp_path, line(frame=7))
    assert row.kept == {"frame": 7}


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert len(read(tmp_path, b"\xef\xbb\xbf" + line())[0]) == 1


def test_null_means_absent(tmp_path: Path) -> None:
    rows, problems = read(tmp_path, line(boxes=None, split=None, meta=None))
    assert (rows[0].boxes, rows[0].split, rows[0].meta, problems) == ({}, None, {}, [])
    assert '"query" is missing' in read(tmp_path, line(query=None))[1][0].message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"id": "a", ', r"the line is not JSON: .* \(column 1[0-9]\); mend it there"),
        (b"[1, 2]", r"the line must be a JSON object \{...\}, got \[1, 2\]"),
        (b'"a"', r"the line must be a JSON object \{...\}, got 'a'"),
        (b'{"id": "gr\xf6\xdfe"}', r"the line is not UTF-8 \(byte 10\); save it as UTF-8"),
        (line().decode().encode("utf-16"), r"the line is not UTF-8 \(byte 0\); save it as UTF-8"),
        (b'{"id": NaN}', "the line: NaN is no JSON number; give a finite one"),
        (b'{"id": "a", "id": "b"}', "the line: the key 'id' stands twice in one object; remove one of the two"),
        (b'{"id": ' + b"9" * 5000 + b"}", "numbers too long or brackets too deep"),
        (b"[" * 200_000, "numbers too long or brackets too deep"),
        (line(query="x" * (10 << 20)), "the line is longer than 4 MB; write one JSON object a line"),
    ],
    ids=["torn", "list", "text", "latin-1", "utf-16", "nan", "twice", "digits", "brackets", "10 MB"],
)
def test_a_line_that_is_no_object_is_a_problem_and_the_next_is_read(
    tmp_path: Path, content: bytes, message: str
) -> None:
    rows, problems = read(tmp_path, line("before") + b"\n" + content + b"\n" + line("after"))
    assert [row.id for row in rows] == ["before", "after"]
    assert rows[1].number == 2 + len(content.splitlines())
    assert {(p.file, p.row, p.sample_id) for p in problems} >= {("a.jsonl", 2, None)}
    assert re.search(message, problems[0].message)


@pytest.mark.parametrize(("extra", "good"), [(0, 1), (1, 0)])
def test_the_longest_line_allowed(tmp_path: Path, extra: int, good: int) -> None:
    padding = MAX_LINE - len(line(meta={"k": ""})) + extra
    assert len(read(tmp_path, line(meta={"k": "x" * padding}))[0]) == good


def test_an_id_used_twice_names_the_first(tmp_path: Path) -> None:
    rows, problems = read(tmp_path, b"\n".join([line("a"), line("b"), line("a", query="other")]))
    assert [(row.id, row.query) for row in rows] == [("a", "q"), ("b", "q")]
    assert problems == [Problem("a.jsonl", 3, "a", "id is used by row 1 already; give each row its own")]


def test_several_mistakes_of_a_row_make_one_problem(tmp_path: Path) -> None:
    _, (problem,) = read(tmp_path, line("a", query="", interval=[2, 1]))
    assert problem.line() == (
        "a.jsonl, row 1 (a): \"query\" must be a text that is not empty, got ''; "
        "interval end 1.0 s lies before its start 2.0 s; swap the two"
    )


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_without_rows_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UserError, match="hold no rows; give one JSON object a line"):
        read(tmp_path, content)


def test_a_missing_file_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read annotations .*none\.jsonl: No such file"):
        read_rows(tmp_path / "none.jsonl", "none.jsonl")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_are_rows_problems_or_a_user_error(tmp_path: Path, content: bytes) -> None:
    rows, problems = read(tmp_path, line("first") + b"\n" + content)
    assert rows[0].id == "first"
    assert len(problems) + len(rows) == 1 + sum(1 for part in content.split(b"\n") if part.strip())
    assert all("\n" not in problem.line() for problem in problems)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_good_row_with_damaged_bytes_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    damaged = bytearray(line("a", meta={"k": [1.5, None]}))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(33, 255))
    rows, problems = read(tmp_path, bytes(damaged))
    assert len(rows) + len(problems) == 1
