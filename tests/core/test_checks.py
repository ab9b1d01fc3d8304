"""Single values: what is taken, what is refused, and that the message can be shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.core.checks import file_name, number, printable, shown, whole, whole_text, within


def test_numbers_that_are_taken() -> None:
    assert whole(0, "n") == 0 and whole(7, "n", 1) == 7
    assert number(-2, "n") == -2.0 and number(1.5, "n") == 1.5
    assert whole_text("0012", "n") == 12


@pytest.mark.parametrize("value", [True, 1.0, "1", None, -1, 10**12, pytest.param(10**5000, id="huge"), [1]])
def test_what_is_no_whole_number(value: object) -> None:
    with pytest.raises(UserError, match=r"^n must be a whole number of 0 or more, got .{1,60}$"):
        whole(value, "n")


@pytest.mark.parametrize("value", [True, "1", None, math.nan, math.inf, -1e12, pytest.param(10**5000, id="huge")])
def test_what_is_no_finite_number(value: object) -> None:
    with pytest.raises(UserError, match=r"^n must be a finite number, got .{1,60}$"):
        number(value, "n")


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1_0", "1.0", "\u0663", "9" * 5000, "9" * 13])
def test_texts_that_are_no_whole_number(text: str) -> None:
    with pytest.raises(UserError, match="must be a whole number"):
        whole_text(text, "n")


def test_the_place_stands_in_front() -> None:
    with pytest.raises(UserError, match=r"^a\.json: row 3: n must be"), within("a.json"), within("row 3"):
        whole(None, "n")


def test_names_of_files() -> None:
    for name in ("a", "a.b", "frame-000001", ".hidden", "\u00e4", "x" * 240):
        assert file_name(name, "the name") == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/", "a\\b", "a\0", "a\nb", "\x1b[31m", "x" * 241, "\xe4" * 121, 3]
)
def test_names_that_no_file_can_have(name: object) -> None:
    with pytest.raises(UserError, match="the name must") as caught:
        file_name(name, "the name")
    assert printable(str(caught.value)) == str(caught.value)


@given(st.text())
def test_what_is_printed_has_no_control_characters(text: str) -> None:
    out = printable(text)
    assert all(char.isprintable() or char in "\n\t" for char in out)
    out.encode("utf-8")
    assert printable(out) == out


def test_printable() -> None:
    assert printable("a\x1b[2Jb\udcff\r\n") == "a\\x1b[2Jb\\udcff\\r\n"


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists))
def test_anything_can_be_shown(value: object) -> None:
    assert len(shown(value)) <= 200


def test_a_value_of_many_parts_is_shown_in_part() -> None:
    text = shown([[-1.5] * 6] * 6)  # six lists of 6 x 4 + 5 x 2 + 2 characters, and what joins them
    assert text == ("[" + ", ".join(["[" + ", ".join(["-1.5"] * 6) + "]"] * 6))[:197] + "..."


def test_huge_numbers_are_shown() -> None:
    for value in (10**5000, [10**5000], {"a": -(10**5000)}):
        assert shown(value)
    assert [shown(value) for value in (True, None, 12, 1.5, "12")] == ["True", "None", "12", "1.5", "'12'"]
