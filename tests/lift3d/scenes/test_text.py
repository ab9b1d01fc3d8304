"""Tests of reading small text files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from lift3d.scenes.text import (
    assignments,
    existing,
    field,
    files,
    image_size,
    matrix,
    matrix_file,
    numbers,
    only,
    optional_number,
    positive,
    read_object,
    read_text,
    rigid_matrix,
    rows,
    segments,
    unpadded,
)


def test_rows_without_comments_and_empty_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("# head\n\n1 two\n  # more\n3\tfour  five\r\n")
    assert list(rows(tmp_path / "a.txt")) == [(3, ["1", "two"]), (5, ["3", "four", "five"])]


def test_numbers_with_the_place_in_the_error() -> None:
    assert numbers(["1", "-2.5e1"], 2, "x").tolist() == [1, -25]
    assert np.isneginf(numbers(["-inf"], 1, "x")[0])
    for wrong in (["1"], ["1", "2", "3"], ["1", "b"], ["1", None], [1, 10**400]):
        with pytest.raises(UserError, match=r"a\.txt, line 4: expected 2 numbers, got"):
            numbers(wrong, 2, "a.txt, line 4")


def test_matrices_nested_or_flat() -> None:
    assert matrix([[1, 2], [3, 4]], "x", 2).tolist() == matrix([1, 2, 3, 4], "x", 2).tolist() == [[1, 2], [3, 4]]
    for wrong in (None, 5, "1234", [[1, 2], [3]], [[[1], 2], [3, 4]], {"a": 1}):
        with pytest.raises(UserError, match="here: expected 4 numbers"):
            matrix(wrong, "here", 2)


def test_a_matrix_file_may_have_commas(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("1, 2\n3,4\n")
    assert matrix_file(tmp_path / "m.txt", 2).tolist() == [[1, 2], [3, 4]]


def test_texts_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b").write_bytes(b"ab\xff")
    with pytest.raises(UserError, match=r"is not UTF-8 \(byte 2\)"):
        read_text(tmp_path / "b")
    with pytest.raises(UserError, match=r"cannot read .*none: No such file"):
        read_text(tmp_path / "none")
    monkeypatch.setenv("TUBELET_MAX_BYTES", "2")
    with pytest.raises(UserError, match="needs 3 bytes"):
        read_text(tmp_path / "b")


@pytest.mark.parametrize(("text", "message"), [("[1]", "should hold a JSON object, got list"), ("{", "is not JSON")])
def test_json_must_be_an_object(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_object(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("entry", "kind"), [({"a": "1"}, float), ({"a": True}, int), ({}, str), ({"a": None}, list), ([], int), (5, float)]
)
def test_fields_of_another_kind(entry: Any, kind: type) -> None:
    with pytest.raises(UserError, match=f"here: expected 'a' to be a {kind.__name__}, got"):
        field(entry, "a", kind, "here")


def test_fields() -> None:
    assert field({"a": 1}, "a", float, "x") == 1.0 and isinstance(field({"a": 1}, "a", float, "x"), float)
    assert field({"a": [1]}, "a", list, "x") == [1]


@pytest.mark.parametrize("value", [0, -1, None, "1", True, float("nan"), float("inf"), 10**400, [1]])
def test_what_is_not_positive(value: Any) -> None:
    with pytest.raises(UserError, match="the scale must be a number > 0, got"):
        positive(value, "the scale")


def test_numbers_that_may_be_missing() -> None:
    assert positive(2, "x") == 2.0 == optional_number(2)
    assert optional_number(None) is optional_number("1") is optional_number(float("nan")) is None


def test_files_by_number_in_natural_order(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("0010.png", "2.PNG", "frame_2.png", "frame_10.png", "1.txt", ".3.png"):
        (tmp_path / "d" / name).touch()
    found = files(tmp_path, "d", (".png",))
    assert list(found) == ["frame_2", "frame_10", "2", "10"]
    assert found["10"].name == "0010.png"
    assert files(tmp_path, "none", (".png",)) == {}


def test_files_that_are_links_out_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    (tmp_path / "a.png").touch()
    (root / "d" / "a.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(UserError, match="leaves its root"):
        files(root, "d", (".png",))


def test_unpadded() -> None:
    assert [unpadded(name) for name in ("0012", "0", "000", "a01", "-1", "٣")] == ["12", "0", "0", "a01", "-1", "٣"]


def test_segments(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"segIndices": [3, 3, 5]}))
    assert segments(tmp_path / "s.json").tolist() == [3, 3, 5]
    for wrong in ([1.5], [True], ["1"], [2**70]):
        (tmp_path / "s.json").write_text(json.dumps({"segIndices": wrong}))
        with pytest.raises(UserError, match="to be a list of whole numbers, one a vertex"):
            segments(tmp_path / "s.json")


def test_sizes_of_images() -> None:
    assert image_size(48, 64.0, "x") == (48, 64)
    for height, width in ((48, 0), (-1, 64), (48.5, 64), ("48", 64), (True, 64), (48, float("inf")), (48, 10**4000)):
        with pytest.raises(UserError, match=r"here: (height|width) must be a whole number of 1 or more"):
            image_size(height, width, "here")
    with pytest.raises(UserError, match="here is 100000 x 100000 = 10,000,000,000 pixels, more than the limit"):
        image_size(100_000, 100_000, "here")


def test_assignments(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a = 1 2\n\nnothing\n b=x = y\n")
    assert assignments(tmp_path / "a.txt") == {"a": "1 2", "b": "x = y"}
    (tmp_path / "a.txt").write_text("a = 1\na = 2\n")
    with pytest.raises(UserError, match="'a' stands twice"):
        assignments(tmp_path / "a.txt")


def test_matrices_that_turn_and_move() -> None:
    turned = [[0, 1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]]  # it mirrors, too
    assert rigid_matrix(turned, "x").tolist() == turned
    for wrong in (2 * np.eye(4), np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1, 1, 1, 2.0])):
        with pytest.raises(UserError, match="here: expected a rotation with a translation"):
            rigid_matrix(wrong.tolist(), "here")


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("7.png", "007.jpg"):
        (tmp_path / "d" / name).touch()
    with pytest.raises(UserError, match="d has two files for 7: "):
        files(tmp_path, "d", (".png", ".jpg"))
    assert list(files(tmp_path, "d", (".png",))) == ["7"]


def test_the_one_file_that_fits(tmp_path: Path) -> None:
    assert only(tmp_path, "*.ply") is None
    (tmp_path / "a.ply").touch()
    assert only(tmp_path, "*.ply") == tmp_path / "a.ply"
    (tmp_path / "b.ply").touch()
    with pytest.raises(UserError, match=r"expected one file \*\.ply, found 2"):
        only(tmp_path, "*.ply")


def test_files_that_exist(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert existing(tmp_path, "a") == tmp_path / "a"
    assert existing(tmp_path, "b") is existing(tmp_path, ".") is existing(tmp_path, "x" * 300) is None
    with pytest.raises(UserError, match="leaves its root"):
        existing(tmp_path, "../a")
