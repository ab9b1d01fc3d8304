"""Questions: what is asked for and read by the kind of truth, and the figures, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Clip, LoadedSample, Masklets, ParseFailure, Sample, UserError
from grounding.tasks.qa import QA, measure

LETTERS = Answer(choices=frozenset("B"))


def loaded(truth: Answer, **meta: Any) -> LoadedSample:
    masklets = Masklets((4, 4), 1.0, np.arange(9.0), {})
    clip = Clip(np.zeros((1, 4, 4, 3), np.uint8), np.zeros(1), 1.0, (4, 4), 9.0)
    return LoadedSample(Sample("a", "a.mp4", "What is  it?", truth, meta), clip, masklets)


def test_options_stand_below_the_question_or_in_its_line() -> None:
    sample = loaded(LETTERS, options=["a red cup", "A dog"]).sample
    assert QA.prompt(sample, "full").startswith('Question: "what is it?"\n(A) a red cup\n(B) A dog\nAnswer')
    assert QA.prompt(sample, "short") == "(A) a red cup (B) A dog what is it?"


def test_what_is_asked_for_is_a_letter_a_number_or_words() -> None:
    asked = [loaded(LETTERS, options=["x", "y"]), loaded(Answer(number=2.0)), loaded(Answer(text="a cup"))]
    prompts = [QA.prompt(one.sample, "full") for one in asked]
    for prompt, form in zip(prompts, ("the letter of the right option", "one number", "a few words"), strict=True):
        assert form in prompt and prompt.count("<answer>") == 1
    several = loaded(Answer(choices=frozenset("AB")), options=["x", "y"]).sample
    assert QA.prompt(several, "full") == prompts[0]  # how many are right is not told


def test_where_somebody_stands_comes_before_the_question() -> None:
    sample = loaded(Answer(text="piano"), situation="I stand by the door.").sample
    assert QA.prompt(sample, "short") == "I stand by the door.\nwhat is it?"


def test_options_are_shown_only_where_one_is_asked_for() -> None:
    sample = loaded(Answer(text="piano"), options=["x", "y"]).sample
    assert QA.prompt(sample, "short") == "what is it?"
    with pytest.raises(UserError, match="sample a asks for an option but has none"):
        QA.prompt(loaded(LETTERS).sample, "short")


@pytest.mark.parametrize(
    ("truth", "block"),
    [
        (LETTERS, "B"),
        (Answer(choices=frozenset("CA")), "A, C"),
        (Answer(number=3.0), "3"),
        (Answer(number=-0.25), "-0.25"),
        (Answer(number=1e11), "100000000000"),
        (Answer(text="a red\ncup"), "a red cup"),
    ],
)
def test_what_is_said_is_read_back(truth: Answer, block: str) -> None:
    text = QA.say(truth, "so")
    assert text == f"<think>so</think> <answer>{block}</answer>"
    said = QA.read(text, loaded(truth, options=["x", "y", "z"]))
    assert said == Answer(choices=truth.choices, number=truth.number, text=truth.text and block)
    assert set(measure(said, truth).values()) == {1.0}


@pytest.mark.parametrize(
    ("truth", "block"),
    [(LETTERS, "D"), (LETTERS, "b"), (LETTERS, "the dog"), (Answer(number=1.0), "two"), (Answer(text="x"), "")],
)
def test_what_does_not_fit_the_question_is_a_failure(truth: Answer, block: str) -> None:
    said = QA.read(f"<answer>{block}</answer>", loaded(truth, options=["x", "y", "z"]))
    assert isinstance(said, ParseFailure)
    assert set(measure(said, truth).values()) == {0.0}


def test_all_right_options_and_no_other_are_accurate() -> None:
    truth = Answer(choices=frozenset("AC"))
    taken = {"A": 0.0, "AC": 1.0, "ABC": 0.0, "B": 0.0}
    assert {one: measure(Answer(choices=frozenset(one)), truth)["accuracy"] for one in taken} == taken


def test_figures_of_numbers_and_words() -> None:
    # 3 of 4 is off by 0.25: below 0.50, 0.45, 0.40, 0.35, 0.30, not below 0.25 and less: 5 of 10 levels.
    assert measure(Answer(number=3.0), Answer(number=4.0)) == pytest.approx({"MRA": 0.5})
    # One word of two in common: 2 * 1 / (2 + 2).
    assert measure(Answer(text="A dog."), Answer(text="a cup")) == {"exact_match": 0.0, "ROUGE-L": 0.5}
    assert measure(Answer(text="Cup"), Answer(text="a cup", also=("cup",))) == {"exact_match": 1.0, "ROUGE-L": 1.0}


def test_a_truth_that_answers_no_question_is_an_error() -> None:
    for act in (lambda: measure(LETTERS, Answer()), lambda: QA.say(Answer(), "")):
        with pytest.raises(UserError, match="must have choices, a number or a text"):
            act()
