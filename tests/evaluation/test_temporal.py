from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Interval
from grounding.evaluation.temporal import (
    AP_THRESHOLDS,
    best_iop,
    best_iou,
    interval_iou,
    padded,
    union_iou,
    window_ap,
)

NAN = np.nan
seconds = st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 2))
intervals = st.tuples(seconds, seconds).map(sorted)


def iou(a, b):
    return float(interval_iou(np.array(a, float), np.array(b, float)))


def covered(rows):
    return np.array(rows, float).reshape(-1, 2)


# Intervals


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 10), (5, 15), 5 / 15),
        ((0, 10), (2, 4), 2 / 10),
        ((0, 10), (10, 20), 0.0),
        ((0, 10), (30, 40), 0.0),
        ((3, 3), (3, 3), 0.0),  # nothing shared of nothing
        ((38, 13), (10, 40), 0.0),  # reversed, as four rows of Charades-STA are
        ((38, 13), (38, 13), 0.0),
        ((NAN, NAN), (0, 10), 0.0),
        ((-5, 5), (0, 10), 5 / 15),
    ],
)
def test_iou_by_hand(a, b, expected):
    assert iou(a, b) == pytest.approx(expected)
    assert iou(b, a) == pytest.approx(expected)


@given(intervals, intervals)
def test_iou_is_that_of_the_vocabulary_within_bounds_and_symmetric(a, b):
    value = iou(a, b)
    assert value == pytest.approx(Interval(*a).iou(Interval(*b)))
    assert 0 <= value <= 1
    assert value == iou(b, a)


@given(intervals.filter(lambda one: one[1] > one[0]))
def test_an_interval_is_itself(a):
    assert iou(a, a) == 1.0


@given(st.floats(0, 50), st.floats(0, 50))
def test_more_overlap_is_no_worse(one, other):
    # A window of 10 s that slides away from the gold one.
    near, far = sorted((one, other))
    assert iou((far, far + 10), (0, 10)) <= iou((near, near + 10), (0, 10)) + 1e-12


def test_the_gold_interval_that_fits_best_counts():
    # 0..10 against 8..12 (2/12) and 0..5 (5/10); the second row has one gold interval only.
    gold = padded([[[8, 12], [0, 5]], [[0, 20]]])
    assert gold.shape == (2, 2, 2)
    assert best_iou(np.array([[0.0, 10.0], [0.0, 10.0]]), gold).tolist() == [0.5, 0.5]


def test_nothing_predicted_scores_nothing():
    gold = padded([[[0, 5]]])
    assert best_iou(np.array([[NAN, NAN]]), gold).tolist() == [0.0]
    assert best_iop(np.array([[NAN, NAN]]), gold).tolist() == [0.0]


def test_padding_holds_rows_of_no_length():
    assert np.isnan(padded([[], []])).all()
    assert padded([[], [[1, 2]]])[1].tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ((0, 10), 4 / 10),  # of 10 s, 4 lie within 2..6; the other span shares 0
        ((3, 5), 1.0),
        ((2, 6), 1.0),
        ((4, 4), 1.0),  # without length but within: NExT-GQA's special case
        ((6, 6), 1.0),
        ((9, 9), 0.0),
        ((22, 26), 2 / 4),  # the other gold span, 20..24
    ],
)
def test_intersection_over_prediction_by_hand(prediction, expected):
    gold = padded([[[2, 6], [20, 24]]])
    assert best_iop(np.array([prediction], float), gold)[0] == pytest.approx(expected)


def test_iou_without_length_is_nothing_even_within():
    assert best_iou(np.array([[4.0, 4.0]]), padded([[[2, 6]]]))[0] == 0.0


@pytest.mark.parametrize(
    ("prediction", "gold", "expected"),
    [
        ([(0, 4), (6, 8)], [(2, 7)], 3 / 8),  # lengths 6 and 5, together 0..8: shared 6 + 5 - 8 = 3
        ([(0, 4), (2, 6)], [(0, 6)], 1.0),  # overlapping ones are not counted twice
        ([(0, 2)], [(5, 6)], 0.0),
        ([], [(5, 6)], 0.0),
        ([], [], 0.0),
    ],
)
def test_union_iou_by_hand(prediction, gold, expected):
    assert union_iou(covered(prediction), covered(gold)) == pytest.approx(expected)


@given(intervals, intervals)
def test_the_union_of_one_is_the_interval(a, b):
    assert union_iou(covered([a]), covered([b])) == pytest.approx(iou(a, b), abs=1e-9)


@given(st.lists(intervals, max_size=5), st.lists(intervals, max_size=5))
def test_union_iou_is_bounded_and_symmetric(one, other):
    value = union_iou(covered(one), covered(other))
    assert 0 <= value <= 1
    assert value == pytest.approx(union_iou(covered(other), covered(one)), abs=1e-9)


# Average precision


def ap(windows, gold, level=0.5):
    return float(window_ap(padded([windows]), padded([gold]), [level])[0, 0])


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([(0, 10), (20, 30)], 1.0),
        ([(0, 10), (50, 60), (20, 30)], (1 + 2 / 3) / 2),
        ([(50, 60), (0, 10), (20, 30)], 2 / 3),  # precisions 1/2 and 2/3, interpolated to 2/3 for both
        ([(50, 60), (0, 10)], (1 / 2) / 2),
        ([(0, 10), (0, 10), (20, 30)], (1 + 2 / 3) / 2),  # the second of two equal ones is false
        ([(50, 60)], 0.0),
        ([], 0.0),
    ],
)
def test_ap_by_hand(windows, expected):
    assert ap(windows, [(0, 10), (20, 30)]) == pytest.approx(expected)


def test_a_level_counts_when_it_is_reached():
    # IoU 8 / 10: reached at 0.50, 0.55, ..., 0.80, that is 7 levels of 10.
    result = window_ap(padded([[(0, 8)]]), padded([[(0, 10)]]))
    assert result.tolist() == [[1.0] * 7 + [0.0] * 3]
    assert AP_THRESHOLDS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def test_a_window_takes_the_next_best_when_its_best_is_taken():
    # 0..10 twice on 0..10 and 0..9: the second has IoU 0.9 with what is left.
    windows, gold = [(0, 10), (0, 10)], [(0, 10), (0, 9)]
    assert ap(windows, gold, 0.9) == 1.0
    assert ap(windows, gold, 0.95) == pytest.approx(1 / 2)


def slow_ap(windows, gold, level):
    """The same as loops: rank by rank, then precision at each hit, the best from there on."""
    taken, hits = set(), []
    for window in windows:
        ious = [iou(window, one) for one in gold]
        free = [place for place in range(len(gold)) if place not in taken and ious[place] >= level]
        best = max(free, key=lambda place: (ious[place], place), default=None)
        taken |= {best} - {None}
        hits.append(best is not None)
    precisions = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(len(hits))]
    return sum(max(precisions[rank:]) for rank in range(len(hits)) if hits[rank]) / len(gold)


long = intervals.filter(lambda one: one[1] - one[0] > 0.1)


@given(st.lists(long, max_size=6), st.lists(long, min_size=1, max_size=4), st.sampled_from(AP_THRESHOLDS))
def test_ap_is_that_of_plain_loops(windows, gold, level):
    assert ap(windows, gold, level) == pytest.approx(slow_ap(windows, gold, level))


@given(st.lists(st.tuples(st.lists(long, max_size=4), st.lists(long, min_size=1, max_size=3)), min_size=1, max_size=5))
def test_queries_do_not_disturb_each_other(queries):
    together = window_ap(padded([windows for windows, _ in queries]), padded([gold for _, gold in queries]), [0.5])
    assert together[:, 0].tolist() == pytest.approx([ap(windows, gold) for windows, gold in queries])
