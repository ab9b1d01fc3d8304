"""Tests of grounding.datasets.problems."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grounding.core import UserError, UserErrors
from grounding.datasets.problems import Problem, collecting, settle, write_skipped


def test_line_names_file_row_and_id() -> None:
    problem = Problem("annotations.jsonl", 3, "schoolgirls_02", "query is empty; write one")
    assert problem.line() == "annotations.jsonl, row 3 (schoolgirls_02): query is empty; write one"


def test_line_without_an_id() -> None:
    assert Problem("a.jsonl", 1, None, "not JSON").line() == "a.jsonl, row 1: not JSON"


def test_line_is_one_line() -> None:
    assert Problem("a.jsonl", 1, None, "first\n  second\r\nthird").line() == "a.jsonl, row 1: first second third"


def test_collecting_keeps_one_or_several_messages_in_order_and_goes_on() -> None:
    errors: list[str] = []
    with collecting(errors):
        raise UserError("a")
    with collecting(errors):
        raise UserErrors(["b", "c"])
    with collecting(errors):
        pass
    assert errors == ["a", "b", "c"]


def problems(*rows: int) -> list[Problem]:
    return [Problem("a.jsonl", row, None, "it is bad") for row in rows]


def test_bad_rows_stop_in_the_order_of_the_file() -> None:
    with pytest.raises(UserErrors) as caught:
        settle(problems(3, 1), [], good=5, rows=7, file="a.jsonl", on_error="stop")
    assert caught.value.errors == [
        "a.jsonl, row 1: it is bad",
        "a.jsonl, row 3: it is bad",
        "a.jsonl: 2 of 7 rows cannot be used; mend them, or leave them out with data.on_error=skip",
    ]


def test_one_bad_row_is_one_line() -> None:
    with pytest.raises(UserErrors) as caught:
        settle(problems(3), [], good=5, rows=6, file="a.jsonl", on_error="stop")
    assert caught.value.errors == ["a.jsonl, row 3: it is bad; or leave the row out with data.on_error=skip"]


def test_of_many_bad_rows_the_first_hundred_are_told() -> None:
    with pytest.raises(UserErrors) as caught:
        settle(problems(*range(300, 0, -1)), [], good=1, rows=301, file="a.jsonl", on_error="stop")
    assert len(caught.value.errors) == 101
    assert caught.value.errors[99] == "a.jsonl, row 100: it is bad"


def test_where_no_row_is_good_ten_are_told_and_none_can_be_left_out() -> None:
    with pytest.raises(UserErrors) as caught:
        settle(problems(*range(1, 301)), [], good=0, rows=300, file="a.jsonl", on_error="stop")
    assert caught.value.errors[9:] == [
        "a.jsonl, row 10: it is bad",
        "a.jsonl: 300 of 300 rows cannot be used; mend them",
    ]


def test_rows_are_left_out_while_a_good_one_stays() -> None:
    bad, notes = problems(3, 1), problems(9, 2)
    settle(bad, notes, good=1, rows=3, file="a.jsonl", on_error="skip")
    assert (bad, notes) == (problems(1, 3), problems(2, 9))
    message = r"^a\.jsonl: 2 of 2 rows cannot be used, so none is left; the first: a\.jsonl, row 1: it is bad$"
    with pytest.raises(UserError, match=message):
        settle(bad, notes, good=0, rows=2, file="a.jsonl", on_error="skip")


def test_collecting_lets_other_errors_pass() -> None:
    with pytest.raises(KeyError), collecting([]):
        raise KeyError("ours")


def test_skipped_file_holds_one_object_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "run" / "skipped.jsonl"
    write_skipped(path, [Problem("a.jsonl", 2, "x", "größer"), Problem("a.jsonl", 5, None, "two\nlines")])
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        {"file": "a.jsonl", "row": 2, "sample_id": "x", "message": "größer"},
        {"file": "a.jsonl", "row": 5, "sample_id": None, "message": "two\nlines"},
    ]


def test_nothing_skipped_is_an_empty_file(tmp_path: Path) -> None:
    write_skipped(tmp_path / "skipped.jsonl", [])
    assert (tmp_path / "skipped.jsonl").read_bytes() == b""


def test_skipped_file_is_not_overwritten_nor_half_written(tmp_path: Path) -> None:
    path = tmp_path / "skipped.jsonl"
    path.write_text("old")
    with pytest.raises(UserError, match="exists already"):
        write_skipped(path, [])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
