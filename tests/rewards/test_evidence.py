from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, ParseFailure, UserError
from rewards import CitingAnswer, Evidence, Meta, evidence_format, evidence_iou

META = Meta("")
LEFT, RIGHT, HALF = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0), (0.0, 0.0, 10.0, 5.0)
TRUTH = CitingAnswer(evidence=(Evidence(2.0, LEFT), Evidence(2.0, RIGHT), Evidence(5.0, HALF)))


def said(*claims):
    return CitingAnswer(evidence=tuple(Evidence(time, box) for time, box in claims))


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ([(2.0, LEFT)], 1.0),
        ([(2.0, RIGHT)], 1.0),  # any object of the moment
        ([(2.0, HALF)], 0.5),  # 50 / 100 of LEFT; the true HALF is of another moment
        ([(2.9, LEFT)], 1.0),  # within a second, before and after
        ([(1.1, LEFT)], 1.0),
        ([(3.0, LEFT)], 0.0),  # a second is no longer near
        ([(9.0, HALF)], 0.0),  # too late: Open-o3-Video's code, which looks at one side only, gives 1
        ([(4.2, HALF)], 1.0),  # 5 s is nearest
        ([(4.2, RIGHT)], 0.0),
        ([(2.0, LEFT), (5.0, LEFT), (9.0, LEFT)], (1 + 0.5 + 0) / 3),
        ([(2.0, LEFT), (2.0, (40.0, 0.0, 50.0, 10.0))], 0.5),  # a second box in a claim costs what it misses
        ([], 0.0),
    ],
)
def test_by_hand(claims, expected):
    assert evidence_iou(said(*claims), TRUTH, META) == pytest.approx(expected)


def test_of_two_moments_at_one_distance_the_better_counts():
    truth = CitingAnswer(evidence=(Evidence(2.0, LEFT), Evidence(3.0, RIGHT)))
    assert evidence_iou(said((2.5, LEFT)), truth, META) == evidence_iou(said((2.5, RIGHT)), truth, META) == 1.0


@pytest.mark.parametrize("truth", [Answer(text="a dog"), CitingAnswer(text="a dog")])
def test_a_truth_without_evidence_is_not_scored(truth):
    assert evidence_iou(said((2.0, LEFT)), truth, META) is None


@pytest.mark.parametrize("answer", [ParseFailure("no tags"), Answer(text="a dog"), CitingAnswer(text="a dog")])
def test_who_cites_nothing_gets_nothing(answer):
    assert evidence_iou(answer, TRUTH, META) == 0.0


numbers = st.floats(0, 1000)
boxes = st.tuples(numbers, numbers, numbers, numbers).map(
    lambda box: (min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3]))
)
claims = st.lists(st.builds(Evidence, numbers, boxes), min_size=1, max_size=6).map(tuple)


@given(claims, claims)
def test_it_stays_in_range(mine, theirs):
    value = evidence_iou(CitingAnswer(evidence=mine), CitingAnswer(evidence=theirs), META)
    assert value is not None and 0.0 <= value <= 1.0


@given(claims.filter(lambda found: all(one.box[0] + 1 < one.box[2] and one.box[1] + 1 < one.box[3] for one in found)))
def test_the_truth_gets_all_of_it(found):
    truth = CitingAnswer(evidence=found)
    assert evidence_iou(truth, truth, META) == pytest.approx(1.0)


FORMED, BROKEN = "<think>a</think><answer>b</answer>", "<answer>b</answer>"


@pytest.mark.parametrize(
    ("text", "answer", "truth", "expected"),
    [
        (FORMED, said((2.0, LEFT)), TRUTH, 1.0),
        (FORMED, said(), TRUTH, 0.5),
        (FORMED, Answer(text="b"), TRUTH, 0.5),
        (FORMED, ParseFailure("no"), TRUTH, 0.5),
        (FORMED, Answer(text="b"), Answer(text="b"), 1.0),  # none is asked for
        (BROKEN, said((2.0, LEFT)), TRUTH, 0.0),
    ],
)
def test_the_form_with_evidence_is_worth_twice_the_form_alone(text, answer, truth, expected):
    assert evidence_format(answer, truth, Meta(text)) == expected


@pytest.mark.parametrize(
    ("time", "box"),
    [
        (float("nan"), LEFT),
        (1.0, (0.0, 0.0, float("inf"), 1.0)),
        (1.0, (5.0, 0.0, 1.0, 1.0)),
        (1.0, (0.0, 5.0, 1.0, 1.0)),
    ],
)
def test_evidence_that_is_none_is_refused(time, box):
    with pytest.raises(UserError, match="evidence must be a finite time"):
        Evidence(time, box)
