from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.evaluation.answers import letter


@pytest.mark.parametrize("text", ["B", "b", " B ", "(B)", "B.", "(b).", "(B"])
def test_letters(text):
    assert letter(text) == "B"


@pytest.mark.parametrize(
    "text", ["", "A person", "AB", "B, the dog", "1", "()", "B or C", "\N{CYRILLIC CAPITAL LETTER EN}"]
)
def test_what_is_no_letter(text):
    assert letter(text) is None


@given(st.text(max_size=50))
def test_any_text_gives_a_letter_or_nothing(text):
    found = letter(text)
    assert found is None or (len(found) == 1 and found in text.upper())
