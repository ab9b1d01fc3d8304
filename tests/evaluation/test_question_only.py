"""The rule that sees questions and options alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grounding.core import Answer, Sample, UserError
from grounding.evaluation.question_only import fitted_rule, read_rule


def asked(query: str, options: list[str], right: str) -> Sample:
    return Sample("a", "v", query, Answer(choices=frozenset(right)), {"options": options})


def said(training: list[Sample], query: str, options: list[str]) -> str:
    rule = fitted_rule(training)
    assert rule is not None
    return "".join(sorted(rule(asked(query, options, "A"))))


def test_the_option_that_was_right_before_is_taken_wherever_it_stands() -> None:
    training = [asked("what is it?", ["a cup", "a dog"], "A"), asked("what is it?", ["A dog.", "a cup"], "B")] * 5
    assert said(training, "what is this?", ["a dog", "a cup"]) == "B"
    assert said(training, "what is this?", ["a cup", "a dog"]) == "A"


def test_words_of_the_question_matter() -> None:
    options = ["yes", "no"]
    training = [asked("is it there at first?", options, "B"), asked("is it there at last?", options, "A")] * 5
    assert said(training, "is he here at last?", options) == "A"
    assert said(training, "is he here at first?", options) == "B"


def test_questions_of_many_words_are_answered() -> None:
    long, options = " ".join(f"w{number}" for number in range(1500)), ["yes", "no"]
    assert said([asked(long, options, "B")] * 100, long, options) == "B"  # 0.56 to the power of 1500 is no float


def test_a_letter_that_is_right_more_often_than_by_chance_is_taken_at_last() -> None:
    # B is right in 6 of 10 questions with 2 options, C in 6 of 8 with 4: 1.2 and 3 times as often as by chance.
    two = [asked("q", ["x", "y"], "B")] * 6 + [asked("q", ["x", "y"], "A")] * 4
    four = [asked("q", ["x", "y", "z", "w"], "C")] * 6 + [asked("q", ["x", "y", "z", "w"], "A")] * 2
    assert said(two + four, "other", ["k", "l", "m", "n"]) == "C"


def test_as_many_options_are_taken_as_are_mostly_right() -> None:
    training = [asked("which?", ["x", "y", "z"], "AC")] * 4 + [asked("which?", ["x", "y", "z"], "A")]
    assert said(training, "which?", ["z", "y", "x"]) == "AC"


def test_without_options_there_is_no_rule() -> None:
    assert fitted_rule([]) is None
    assert fitted_rule([Sample("a", "v", "how many?", Answer(number=2.0))]) is None


def test_what_was_rarely_shown_is_forgotten() -> None:
    rule = fitted_rule([asked("q", ["x", "y"], "A")] * 2 + [asked("r", ["k", "y"], "A")])
    assert rule is not None
    assert rule.counts == {"A": (3.0, 1.5), "B": (0.0, 1.5), "y\n": (0.0, 1.5)}


def test_it_comes_back_from_a_file() -> None:
    rule = fitted_rule([asked("is it a cup?", ["yes", "no"], "A")] * 9)
    assert rule is not None
    assert read_rule(json.loads(json.dumps(rule.to_json()))) == rule
    assert read_rule(None) is None


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"many": 1},
        {"many": 0, "counts": {}},
        {"many": 1, "counts": []},
        {"many": 1, "counts": {"A": 1}},
        {"many": 1, "counts": {"A": [1]}},
        {"many": 1, "counts": {"A": [1, "2"]}},
        {"many": 1, "counts": {"A": [-1, 2]}},
    ],
)
def test_what_is_no_rule_is_one_line(value: Any) -> None:
    with pytest.raises(UserError, match=r"question_only|many must be"):
        read_rule(value)
