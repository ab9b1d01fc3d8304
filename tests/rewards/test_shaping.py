from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, ParseFailure, UserError
from rewards import Meta, length_bonus, overlong, repetition

NOTHING = Answer()
RIGHT, WRONG = Answer(choices=frozenset("A")), Answer(choices=frozenset("B"))


@pytest.mark.parametrize(
    ("answer", "tokens", "expected"),
    [
        (RIGHT, 320, 0.2),
        (RIGHT, 512, 0.2),
        (RIGHT, 319, 0.0),
        (RIGHT, 513, 0.0),
        (WRONG, 400, 0.0),  # length alone is worth nothing
        (ParseFailure("no tags"), 400, 0.0),
    ],
)
def test_length_bonus(answer, tokens, expected):
    assert length_bonus(answer, RIGHT, Meta(tokens=tokens)) == expected


def test_length_bonus_follows_the_accuracy_of_the_kind():
    # |9 - 100| / 100: accuracy 0.09, not above 0.1; 11 is.
    assert length_bonus(Answer(number=9.0), Answer(number=100.0), Meta(tokens=400)) == 0.0
    assert length_bonus(Answer(number=11.0), Answer(number=100.0), Meta(tokens=400)) == 0.2
    assert length_bonus(RIGHT, Answer(object_id=1), Meta(tokens=400)) is None
    with pytest.raises(UserError, match=r"meta\.tokens"):
        length_bonus(RIGHT, RIGHT, Meta())


# Of 1000 tokens the last 200 are soft.
@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(0, 0.0), (800, 0.0), (850, -0.25), (900, -0.5), (1000, -1.0), (5000, -1.0)],
)
def test_overlong_hand_worked(tokens, expected):
    assert overlong(NOTHING, NOTHING, Meta(tokens=tokens, max_tokens=1000)) == pytest.approx(expected)


def test_overlong_needs_both_numbers():
    for known in ({"tokens": 5}, {"max_tokens": 5}):
        with pytest.raises(UserError, match="needs meta"):
            overlong(NOTHING, NOTHING, Meta(**known))


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**5))
def test_overlong_falls_with_the_length(a, b, limit):
    short, long = (overlong(NOTHING, NOTHING, Meta(tokens=n, max_tokens=limit)) for n in sorted((a, b)))
    assert -1.0 <= long <= short <= 0.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0.0),
        ("one two", 0.0),
        ("one two three four", 0.0),
        ("a b c a b c", 3 / 4 - 1),  # abc bca cab abc: three of four are new
        ("A, b. C! a b c", 3 / 4 - 1),
        ("no " * 100, 1 / 98 - 1),
    ],
)
def test_repetition_hand_worked(text, expected):
    assert repetition(NOTHING, NOTHING, Meta(text)) == pytest.approx(expected)


@given(st.lists(st.sampled_from(["a", "b", "cd"]), max_size=50).map(" ".join))
def test_saying_it_all_again_never_pays(text):
    once, twice = repetition(NOTHING, NOTHING, Meta(text)), repetition(NOTHING, NOTHING, Meta(f"{text} {text}"))
    assert -1.0 <= once <= 0.0
    if len(text.split()) > 2:
        assert twice < once or once < -0.5
