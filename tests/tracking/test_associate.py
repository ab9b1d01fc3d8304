"""Matching, duplicates, parts and returns as functions of arrays."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grounding.tracking.associate import Region, Verdict, drifted, judge, match_boxes, pairs, unrepeated


def region(x1: int, y1: int, x2: int, y2: int, label: str = "") -> Region:
    mask = np.zeros((40, 60), bool)
    mask[y1:y2, x1:x2] = True
    return Region(mask, label)


def test_regions_share_pixels() -> None:
    a, b = region(0, 0, 10, 10), region(5, 0, 15, 10)
    assert (a.shared(b), a.iou(b)) == (50, pytest.approx(50 / 150))
    assert a.shared(region(10, 0, 20, 10)) == 0  # they only touch
    ring = np.ones((40, 60), bool)
    ring[1:-1, 1:-1] = False
    assert Region(ring, "").shared(region(5, 5, 9, 9)) == 0  # boxes overlap, masks do not


def test_the_surest_of_repeated_boxes_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [30, 0, 40, 10]], float)  # IoU 90 / 110 = 0.82
    scores = np.array([0.5, 0.9, 0.7, 0.1])
    assert unrepeated(boxes, scores, ["a", "a", "b", "a"], 0.6) == [1, 2, 3]
    assert unrepeated(boxes, scores, ["a", "a", "a", "a"], 0.9) == [1, 0, 3]  # the twin of 1 is gone, 0 is not


def test_equal_scores_keep_their_order() -> None:
    boxes = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]], float)
    assert unrepeated(boxes, np.ones(3), ["", "", ""], 0.5) == [0, 1, 2]


@given(arrays(float, st.tuples(st.integers(0, 4), st.integers(0, 4)), elements=st.floats(0, 1)), st.floats(0.05, 1))
def test_pairs_are_one_to_one_and_best(score: np.ndarray, least: float) -> None:
    found = pairs(score, least)
    assert len(set(found.values())) == len(found)
    assert all(score[r, c] >= least for r, c in found.items())
    counted = np.where(score >= least, score, 0.0)
    rows, columns = score.shape
    wide = counted if rows <= columns else counted.T
    best = max(
        (
            sum(wide[r, c] for r, c in enumerate(order))
            for order in itertools.permutations(range(max(rows, columns)), min(rows, columns))
        ),
        default=0.0,
    )
    assert sum(score[r, c] for r, c in found.items()) == pytest.approx(best)


def test_a_weak_pair_does_not_push_a_strong_one_aside() -> None:
    """0.9 alone is right; 0.45 + 0.6 would be the greater sum if 0.45 counted."""
    assert pairs(np.array([[0.9, 0.45], [0.6, 0.0]]), 0.5) == {0: 0}


def test_match_boxes() -> None:
    tracked = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], float)
    detected = np.array([[21, 0, 31, 10], [50, 50, 60, 60], [0, 0, 10, 9]], float)
    assert match_boxes(detected, tracked, 0.5) == {0: 1, 2: 0}
    assert match_boxes(detected, np.zeros((0, 4)), 0.5) == {}


@pytest.mark.parametrize(
    ("new", "verdict"),
    [
        (region(40, 0, 50, 10), Verdict("new")),
        (region(1, 0, 11, 10), Verdict("duplicate", 1)),  # IoU 90 / 110
        (region(0, 0, 5, 10), Verdict("duplicate", 1)),  # all of it lies in 1
        (region(0, 0, 10, 30), Verdict("grown", 1)),  # holds all of 1, IoU 100 / 300
        (region(0, 0, 30, 20), Verdict("duplicate", 1)),  # holds 1 and 2: a group
        (region(0, 0, 5, 10, "wheel"), Verdict("new")),  # inside, but another thing
        (region(0, 0, 10, 10, "wheel"), Verdict("duplicate", 1)),  # the same pixels are the same thing
        (region(0, 0, 10, 30, "tree"), Verdict("new")),
    ],
)
def test_judge(new: Region, verdict: Verdict) -> None:
    known = {1: region(0, 0, 10, 10), 2: region(20, 0, 30, 10)}
    assert judge(new, known, 0.6, 0.8) == verdict


def test_a_duplicate_wins_over_growing() -> None:
    """Holds a small track, but is another one: nothing may happen to the small one (the peer erases it)."""
    known = {1: region(0, 0, 4, 4), 2: region(0, 0, 10, 10)}
    assert judge(region(0, 0, 10, 11), known, 0.6, 0.8) == Verdict("duplicate", 2)


def test_drifted_ends_the_younger() -> None:
    same, other = region(0, 0, 10, 10), region(20, 0, 30, 10)
    assert drifted({1: same, 2: other, 3: region(0, 0, 10, 9), 4: same}, 0.6) == [3, 4]
    assert drifted({1: same, 2: other}, 0.6) == []
