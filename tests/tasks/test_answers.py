from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, ParseFailure
from grounding.tasks.answers import (
    parse_choices,
    parse_grounded,
    parse_number,
    parse_progress,
    parse_trace,
    parse_words,
)
from grounding.tasks.tags import MAX_BLOCK


def answered(block):
    return f"<think>B or 7</think> <answer>{block}</answer>"


# Options


@pytest.mark.parametrize(
    ("block", "letters"),
    [("B", "B"), ("(B)", "B"), ("B.", "B"), ("B)", "B"), (" B \n", "B"), ("A, C", "AC"), ("A and C", "AC"),
     ("(A), (C)", "AC"), ("[A, C]", "AC"), ("A;C;A", "AC"), ("D", "D")],
)  # fmt: skip
def test_letters(block, letters):
    assert parse_choices(answered(block), 4) == Answer(choices=frozenset(letters))


@pytest.mark.parametrize(
    "block",
    ["", "b", "E", "A person walks", "B. a red car", "Answer: B", "BC", "B or C", "option B", "(B", "\uff22", "A, E",
     "\u0412", "1", "B\u0301", "[]", "\\boxed{B}"],
)  # fmt: skip
def test_what_is_no_letter_of_four(block):
    failure = parse_choices(answered(block), 4)
    assert isinstance(failure, ParseFailure) and "letter of one of 4 options" in failure.reason


@given(st.frozensets(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), min_size=1))
def test_letters_are_read_back(letters):
    assert parse_choices(answered(", ".join(sorted(letters))), 26) == Answer(choices=letters)


# Numbers and progress


@pytest.mark.parametrize(("block", "value"), [("12", 12.0), ("-3.5", -3.5), ("+4", 4.0), ("0.25.", 0.25), ("007", 7.0)])
def test_numbers(block, value):
    assert parse_number(answered(block)) == parse_progress(answered(block)) == Answer(number=value)


def test_a_progress_is_the_same_with_and_without_its_sign():
    for block in ("45%", "45", "45 %", "45%."):
        assert parse_progress(answered(block)) == Answer(number=45.0)  # not 0.45
    assert parse_progress(answered("8.5%")) == Answer(number=8.5)
    assert isinstance(parse_number(answered("45%")), ParseFailure)


@pytest.mark.parametrize(
    "block",
    ["", "twelve", "12 m", "1,000", "1 2", "nan", "inf", "1e309", "1e3", "--3", ".5", "5.", "\u0663", "9" * 400, "%",
     "12 to 15", "0x10", "1_000"],
)  # fmt: skip
def test_what_is_no_number(block):
    found = parse_number(answered(block))
    if block == "5.":  # its final period is the sentence's
        assert found == Answer(number=5.0)
    else:
        assert isinstance(found, ParseFailure)


@given(st.integers(-(10**12) + 1, 10**12 - 1))
def test_numbers_are_read_back(n):
    assert parse_number(answered(str(n))) == Answer(number=float(n))


# Words


def test_words():
    assert parse_words(answered(" a  red\nchair. ")) == Answer(text="a red chair.")
    assert parse_words(answered(" ")) == ParseFailure("the answer is empty")
    assert isinstance(parse_words("a red chair"), ParseFailure)
    assert isinstance(parse_words(answered("a" * (MAX_BLOCK + 1))), ParseFailure)


# Grounded answers

GLUED = "<think>t</think><answer>(B)</answer><glue>[(2.0, 6.5), (11.0, 14.2)]</glue>"
TIMES = (Interval(2.0, 6.5), Interval(11.0, 14.2))


def test_an_answer_with_its_times():
    assert parse_grounded(GLUED, 4) == Answer(choices=frozenset("B"), intervals=TIMES)


@pytest.mark.parametrize(
    "glue", ["", "[(6.5, 2.0)]", "[2.0, 6.5, 11.0]", "2.0", "[(2.0, 6.5), 9]", "<glue>[(2.0, 6.5)]"]
)
def test_broken_glue_leaves_the_letter_and_no_stale_times(glue):
    text = f"<answer>B</answer><glue>{glue}</glue>"
    expected = (Interval(2.0, 6.5),) if glue.startswith("<glue>") else None  # the innermost block is whole
    assert parse_grounded(text, 4) == Answer(choices=frozenset("B"), intervals=expected)


def test_a_broken_letter_leaves_the_times_and_nothing_is_a_failure():
    assert parse_grounded(GLUED.replace("(B)", "Bee"), 4) == Answer(intervals=TIMES)
    assert isinstance(parse_grounded("B [(2.0, 6.5)]", 4), ParseFailure)
    inside = "<think><answer>B</answer><glue>[(2, 6)]</glue></think>"
    assert isinstance(parse_grounded(inside, 4), ParseFailure)


# Traces

TRIPLE = "<time>{}</time> <caption>c</caption> <think>t</think> "


@pytest.mark.parametrize(
    ("times", "intervals"),
    [
        (["3-7"], (Interval(3, 7),)),
        (["0:03-0:07", "12 to\n15 s"], (Interval(3, 7), Interval(12, 15))),
        (["3-7", "9-8"], None),  # one of them reversed
        (["3-7", "later"], None),
        ([], None),
        (["1-2"] * 64, (Interval(1, 2),) * 64),
        (["1-2"] * 65, None),
        (["1" * 65], None),  # no time is that long
    ],
)
def test_traces(times, intervals):
    text = "".join(TRIPLE.format(time) for time in times) + "so <answer>B</answer>"
    assert parse_trace(text, 4) == Answer(choices=frozenset("B"), intervals=intervals)


def test_a_trace_without_letter():
    assert parse_trace(TRIPLE.format("3-7"), 4) == Answer(intervals=(Interval(3, 7),))
    assert isinstance(parse_trace("no idea", 4), ParseFailure)
