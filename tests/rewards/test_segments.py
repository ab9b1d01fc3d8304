from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, ParseFailure
from rewards import Meta, best_segment_iou, segments_f1, segments_in_order, segments_iou, temporal_iou
from rewards.segments import merged

META = Meta()
ALL = (segments_iou, segments_f1, segments_in_order, best_segment_iou)


def said(*pairs):
    return Answer(intervals=tuple(Interval(start, end) for start, end in pairs))


TRUTH = said((2, 6), (10, 14))  # 8 s in two segments
seconds = st.floats(0, 1e4, allow_nan=False)
intervals = st.tuples(seconds, seconds).map(lambda pair: Interval(min(pair), max(pair)))
answers = st.lists(intervals, max_size=6).map(lambda found: Answer(intervals=tuple(found)))


@pytest.mark.parametrize(
    ("answer", "iou", "f1", "in_order"),
    [
        (said((2, 6), (10, 14)), 1.0, 1.0, 1.0),
        # Only the first: 4 of 8 s; 2 * 4 / (4 + 8); one pair of two is right.
        (said((2, 6)), 0.5, 2 / 3, 0.5),
        # The wrong way round: the same seconds; each pair is 4 s and 4 s in a hull of 12 s: (1 + 0 - 4/12) / 2 = 1/3.
        (said((10, 14), (2, 6)), 1.0, 1.0, 1 / 3),
        # The whole 20 s: 8 of 20; 2 * 8 / (20 + 8); the pair (0, 20) with (2, 6): IoU 0.2, GIoU 0.2: 0.6, of two.
        (said((0, 20)), 0.4, 16 / 28, 0.3),
        # Twice the first: once in the union, 4 of 8; in order: 1 and (10, 14) with (2, 6), 1/3.
        (said((2, 6), (2, 6)), 0.5, 2 / 3, (1 + 1 / 3) / 2),
        # Halves: 2 + 2 shared, 8 said and meant: 4 / 8; 2 * 4 / (4 + 8); each GIoU 0.5.
        (said((4, 6), (10, 12)), 0.5, 2 / 3, 0.75),
        # Three said: shared 8, together 9; 2 * 8 / (9 + 8); two right pairs of three.
        (said((2, 6), (10, 14), (18, 19)), 8 / 9, 16 / 17, 2 / 3),
        (said((6, 10)), 0.0, 0.0, 0.25),  # touching: hull 2..10 = 8 is all covered, GIoU 0: (1 + 0) / 2 of two
        (said(), 0.0, 0.0, 0.0),
        (ParseFailure("no tags"), 0.0, 0.0, 0.0),
        (Answer(object_id=1), 0.0, 0.0, 0.0),
    ],
)
def test_hand_worked(answer, iou, f1, in_order):
    assert segments_iou(answer, TRUTH, META) == pytest.approx(iou)
    assert segments_f1(answer, TRUTH, META) == pytest.approx(f1)
    assert segments_in_order(answer, TRUTH, META) == pytest.approx(in_order)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (said((2, 6)), 1.0),
        (said((11, 14)), 0.75),  # the second fits best: 3 / 4
        (said((0, 20)), 0.2),  # not 8 / 20: each gold by itself
        (said((2, 6), (10, 14)), 0.0),  # one is asked for
        (said(), 0.0),
        (Answer(Interval(2, 6)), 1.0),
    ],
)
def test_best_over_gold_hand_worked(answer, expected):
    assert best_segment_iou(answer, TRUTH, META) == pytest.approx(expected)


def test_never_is_an_answer():
    for score in (segments_iou, segments_f1, segments_in_order):
        assert score(said(), said(), META) == 1.0
        assert score(said((1, 2)), said(), META) == score(said(), said((1, 2)), META) == 0.0
        assert score(ParseFailure("no tags"), said(), META) == 0.0
    assert best_segment_iou(said((1, 2)), said(), META) == 0.0


def test_without_a_truth_they_are_not_scored():
    for score in ALL:
        assert score(TRUTH, Answer(object_id=1), META) is None
        assert score(ParseFailure("no tags"), Answer(), META) is None


def test_empty_segments_are_no_division_by_0():
    point = said((3, 3))
    for score in ALL:
        assert score(point, point, META) == 0.0
        assert 0.0 <= score(point, TRUTH, META) <= 1.0


def test_merged_hand_worked():
    pieces = [Interval(5, 7), Interval(1, 2), Interval(2, 3), Interval(6, 6.5), Interval(9, 9)]
    assert merged(pieces) == [Interval(1, 3), Interval(5, 7), Interval(9, 9)]


@given(st.lists(intervals, max_size=8))
def test_merged_is_apart_in_order_and_covers_the_same(pieces):
    found = merged(pieces)
    assert all(a.end < b.start for a, b in pairwise(found))
    assert merged(found) == found
    for piece in pieces:
        assert any(one.start <= piece.start and piece.end <= one.end for one in found)


@given(answers, answers)
def test_in_range_and_the_sets_are_symmetric(a, b):
    for score in ALL:
        assert 0.0 <= score(a, b, META) <= 1.0
    assert segments_iou(a, b, META) == pytest.approx(segments_iou(b, a, META), abs=1e-9)
    assert segments_f1(a, b, META) == pytest.approx(segments_f1(b, a, META), abs=1e-9)


@given(answers, answers)
def test_f1_is_the_dice_of_the_iou(a, b):
    iou = segments_iou(a, b, META)
    assert segments_f1(a, b, META) == pytest.approx(2 * iou / (1 + iou), abs=1e-6)


@given(intervals, intervals)
def test_one_segment_is_the_plain_iou(a, b):
    plain = temporal_iou(Answer(a), Answer(b), META)
    assert segments_iou(Answer(a), Answer(b), META) == pytest.approx(plain, abs=1e-9)
    assert best_segment_iou(Answer(a), Answer(b), META) == plain


@given(answers)
def test_the_truth_gets_the_most(truth):
    if all(one.duration > 1e-3 for one in truth.intervals):
        for score in (segments_iou, segments_f1, segments_in_order):
            assert score(truth, truth, META) == pytest.approx(1.0)
