"""Options in prompts."""

from __future__ import annotations

from grounding.core import Answer, Sample
from grounding.tasks.options import options_of, shown_options


def test_every_option_has_its_letter() -> None:
    sample = Sample("1", "v", "what colour?", Answer(), {"options": ["red", "dark  blue\n"]})
    assert shown_options(sample) == "\n(A) red\n(B) dark blue"
    assert "what colour?" + shown_options(sample, " ") == "what colour? (A) red (B) dark blue"


def test_a_question_without_options_shows_none() -> None:
    for meta in ({}, {"options": None}, {"options": []}, {"options": 3}, {"options": ["a", 1]}, {"options": "ab"}):
        sample = Sample("1", "v", "how many?", Answer(), meta)
        assert not options_of(sample)
        assert shown_options(sample) == ""
