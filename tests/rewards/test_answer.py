from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, ParseFailure
from rewards import (
    Meta,
    answer_accuracy,
    choice_f1,
    choice_jaccard,
    choice_match,
    choice_soft,
    exact_match,
    mean_relative_accuracy,
    progress_direction,
    progress_nearness,
    relative_accuracy,
    rouge,
    rouge_l,
)
from rewards.answer import _common_length

META = Meta()
FAILED = ParseFailure("no tags")
letters = st.frozensets(st.sampled_from("ABCDE"), min_size=1)


def options(said):
    return Answer(choices=frozenset(said))


def number(value):
    return Answer(number=float(value))


def said(text):
    return Answer(text=text)


# Options


@pytest.mark.parametrize(
    ("said", "true", "match", "soft", "jaccard", "f1"),
    [
        ("B", "B", 1, 1, 1, 1),
        ("A", "B", 0, 0, 0, 0),
        ("AC", "AC", 1, 1, 1, 1),
        ("A", "AC", 0, 1 / 2, 1 / 2, 2 / 3),  # one of two, none wrong
        ("AB", "AC", 0, 0, 1 / 3, 1 / 2),  # one right, one wrong: shared 1 of 3; 2 * 1 / 4
        ("ABCDE", "AC", 0, 0, 2 / 5, 4 / 7),  # all of them
        ("ABCDE", "B", 0, 0, 1 / 5, 2 / 6),
    ],
)
def test_options_hand_worked(said, true, match, soft, jaccard, f1):
    said, true = options(said), options(true)
    assert choice_match(said, true, META) == match
    assert choice_soft(said, true, META) == pytest.approx(soft)
    assert choice_jaccard(said, true, META) == pytest.approx(jaccard)
    assert choice_f1(said, true, META) == pytest.approx(f1)


@given(letters, letters)
def test_options_in_range_and_ordered(a, b):
    values = [score(options(a), options(b), META) for score in (choice_match, choice_jaccard, choice_f1)]
    assert 0.0 <= values[0] <= values[1] <= values[2] <= 1.0
    assert (values[0] == 1.0) == (values[1] == 1.0) == (a == b)
    assert choice_soft(options(a), options(b), META) <= choice_f1(options(a), options(b), META)


# Words


@pytest.mark.parametrize(
    ("text", "truth", "expected"),
    [
        ("a red chair", "A red chair.", 1.0),
        (" RED\nchair", "red chair", 1.0),
        ("chair", "red chair", 0.0),
        ("3.5", "35", 0.0),
        ("\u5317\u4eac", "\u4e0a\u6d77", 0.0),  # two words without a Latin letter are not the same nothing
        ("", "red", 0.0),
    ],
)
def test_exact_match(text, truth, expected):
    assert exact_match(said(text), said(truth), META) == expected


@pytest.mark.parametrize(
    ("text", "truth", "expected"),
    [
        ("the cat sat", "the cat sat", 1.0),
        # One word of three: R1 = 2 * 1 / (1 + 3) = 1/2; no pairs said: 0 of 2 pairs = 0; RL = 1/2.
        ("cat", "the cat sat", (1 / 2 + 0 + 1 / 2) / 3),
        # R1: 3 of 3 = 1; pairs (sat cat), (cat the) against (the cat), (cat sat): 0; longest in order 1: 2/6.
        ("sat cat the", "the cat sat", (1 + 0 + 1 / 3) / 3),
        # R1 = 2 * 3 / (5 + 3); pairs: 4 said, 2 meant, 1 shared: 2/6; in order 'the cat sat': 6/8.
        ("the cat is now sat", "the cat sat", (6 / 8 + 2 / 6 + 6 / 8) / 3),
        ("red", "red", 1.0),  # one word has no pairs: they are left out
        ("blue", "red", 0.0),
        ("red car", "red", 2 / 3),  # R1 = RL = 2 * 1 / (2 + 1)
        ("", "red", 0.0),
        ("red", "", 0.0),
        ("x y z", "the cat sat", 0.0),
    ],
)
def test_rouge_hand_worked(text, truth, expected):
    assert rouge(said(text), said(truth), META) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat", 2 * 1 / 4),
        ("sat cat the", 2 * 1 / 6),
        ("The cat is now sat.", 2 * 3 / 8),
        ("", 0.0),
        ("the cat sat", 1.0),
    ],
)
def test_the_longest_sequence_alone(text, expected):
    assert rouge_l(said(text), said("the cat sat"), META) == pytest.approx(expected)


def test_of_several_right_answers_the_best_fitting_counts():
    truth = Answer(text="brown", also=("dark brown", "wood"))
    assert [exact_match(said(one), truth, META) for one in ("Brown.", "wood", "dark", "brown wood")] == [1, 1, 0, 0]
    assert rouge(said("dark brown"), truth, META) == 1.0
    assert rouge_l(said("light brown"), truth, META) == pytest.approx(2 / 3)  # with brown; with dark brown 2 / 4
    assert exact_match(truth, said("wood"), META) == 0.0  # what is said is one answer
    assert exact_match(FAILED, truth, META) == 0.0


def test_stuffing_words_does_not_pay():
    # 100 more words: R1 = 2 * 3 / 106, pairs 2 * 2 / (102 + 2), in order 6 / 106.
    value = rouge(said("the cat sat" + " dog" * 100), said("the cat sat"), META)
    assert value == pytest.approx((6 / 106 + 4 / 104 + 6 / 106) / 3) and value < 0.1


def common_by_table(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        new = [0]
        for j, y in enumerate(b):
            new.append(row[j] + 1 if x == y else max(row[j + 1], new[j]))
        row = new
    return row[-1]


small = st.lists(st.sampled_from("abc"), max_size=12)


@given(small, small)
def test_the_longest_common_subsequence_is_that_of_the_textbook(a, b):
    assert _common_length(a, b) == common_by_table(a, b)


@given(st.text(), st.text())
def test_rouge_is_in_range_and_most_for_the_truth(a, b):
    assert 0.0 <= rouge(said(a), said(b), META) <= 1.0
    assert rouge(said(a), said(a), META) == pytest.approx(1.0)


# Numbers


@pytest.mark.parametrize(
    ("value", "truth", "relative", "mra"),
    [
        (10, 10, 1.0, 1.0),
        (11, 10, 0.9, 0.8),  # error 0.10: below .50, .45, ... .15, eight of ten; not below .10
        (9.6, 10, 0.96, 1.0),  # error 0.04 is below 0.05, the last one
        (9.5, 10, 0.95, 0.9),  # error 0.05 is not below 0.05
        (5, 10, 0.5, 0.0),  # not below 0.5
        (6, 10, 0.6, 0.2),  # error 0.4: below .50 and .45
        (25, 10, 0.0, 0.0),
        (-10, -10, 1.0, 1.0),
        (-11, -10, 0.9, 0.8),
        (0, 0, 1.0, 1.0),  # where the relative error has no meaning
        (0.001, 0, 0.0, 0.0),
        (1e300, -1e308, 0.0, 0.0),
    ],
)
def test_numbers_hand_worked(value, truth, relative, mra):
    assert relative_accuracy(number(value), number(truth), META) == pytest.approx(relative, abs=1e-12)
    assert mean_relative_accuracy(number(value), number(truth), META) == pytest.approx(mra)


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite)
def test_numbers_in_range(a, b):
    for score in (relative_accuracy, mean_relative_accuracy, progress_nearness):
        assert 0.0 <= score(number(a), number(b), META) <= 1.0
        assert score(number(a), number(a), META) == 1.0


# Progress


@pytest.mark.parametrize(
    ("value", "truth", "expected"),
    [(45, 45, 1.0), (30, 45, 0.85), (-10, 45, 0.45), (0.45, 45, 0.5545), (150, 45, 0.0), (100, 0, 0.0)],
)
def test_progress_nearness_hand_worked(value, truth, expected):
    assert progress_nearness(number(value), number(truth), META) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "truth", "expected"),
    [(50, 60, 1.0), (41, 60, 1.0), (40, 60, 0.0), (30, 60, 0.0), (40, 40, 1.0), (30, 20, 1.0), (50, 20, 0.0)],
)
def test_progress_direction_hand_worked(value, truth, expected):
    assert progress_direction(number(value), number(truth), Meta(previous=40.0)) == expected


def test_progress_direction_is_not_scored_where_nothing_was_said_before():
    assert progress_direction(number(1), number(2), META) is None
    assert progress_direction(FAILED, number(2), META) is None
    assert progress_direction(FAILED, number(2), Meta(previous=40.0)) == 0.0


# By kind


def test_answer_accuracy_takes_the_kind_of_the_truth():
    both = Answer(choices=frozenset("A"), text="the cat sat")
    assert answer_accuracy(options("A"), both, META) == 1.0
    assert answer_accuracy(number(11), number(10), META) == pytest.approx(0.9)
    assert answer_accuracy(said("cat"), said("the cat sat"), META) == pytest.approx(1 / 3)
    assert answer_accuracy(said("A"), options("A"), META) == answer_accuracy(FAILED, options("A"), META) == 0.0
    assert answer_accuracy(options("A"), Answer(object_id=1), META) is None


@pytest.mark.parametrize(
    ("score", "truth"),
    [
        *((score, options("A")) for score in (choice_match, choice_soft, choice_jaccard, choice_f1)),
        *((score, said("red")) for score in (exact_match, rouge, rouge_l)),
        *((score, number(3)) for score in (relative_accuracy, mean_relative_accuracy, progress_nearness)),
    ],
)
def test_unscored_differs_from_wrong(score, truth):
    assert score(FAILED, truth, META) == score(Answer(), truth, META) == 0.0
    assert score(truth, Answer(), META) is score(FAILED, Answer(), META) is None
