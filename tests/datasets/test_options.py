"""Tests of grounding.datasets.options."""

from __future__ import annotations

import pytest

from grounding.core import UserError
from grounding.datasets.options import checked_option, letter, lettered, options_of


def test_letters_of_places() -> None:
    assert (letter(0), letter(25)) == ("A", "Z")
    for wrong in (-1, 26):
        with pytest.raises(UserError, match="an option's place must be 0 to 25"):
            letter(wrong)


def test_letters_of_options() -> None:
    for said in ("C", "c", "(C)", "C.", " (c) "):
        assert lettered(said, 4) == {"choices": frozenset("C")}
    for wrong in ("E", "", "AB", "the cat", 2, None, "ß"):
        with pytest.raises(UserError, match="the answer must be the letter of one of 4 options"):
            lettered(wrong, 4)


def test_letters_in_front_of_options_go() -> None:
    said = {"(A) share": "share", "B. sit down": "sit down", "C) x": "x", "A dog": "A dog", "U.S. flag": "U.S. flag"}
    assert {one: checked_option(one) for one in said} == said
    for wrong in ("", "  ", None, 7):
        with pytest.raises(UserError, match="an option must be a text"):
            checked_option(wrong)


def test_lists_of_options() -> None:
    assert options_of(["(A) share", "B. sit", "run"]) == ["share", "sit", "run"] and options_of([]) == []
    for wrong, message in (("(A) share", '"options" must be a list'), (["a", ""], "an option must be a text")):
        with pytest.raises(UserError, match=message):
            options_of(wrong)
