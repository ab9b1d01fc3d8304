from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.evaluation.highlights import highlight_ap, hit_at_1


def ap(scores, relevant):
    return float(highlight_ap(np.array([scores], float), np.array([relevant], bool))[0])


@pytest.mark.parametrize(
    ("scores", "relevant", "expected"),
    [
        ([3, 2, 1], [1, 0, 1], (1 + 2 / 3) / 2),
        ([1, 2, 3], [1, 0, 1], (1 + 2 / 3) / 2),  # the order of the clips does not matter
        ([3, 2, 1], [0, 1, 1], 2 / 3),  # 1/2 and 2/3, interpolated to 2/3 for both
        ([3, 2, 1], [0, 0, 1], 1 / 3),
        ([1, 1], [1, 0], 1 / 2),  # found together, whichever comes first
        ([1, 1], [0, 1], 1 / 2),
        ([2, 2, 1, 0], [1, 1, 0, 1], (1 + 3 / 4) / 2),  # two at one score are one step, not two
        ([3, 2, 1], [0, 0, 0], 0.0),
        ([3, 2, 1], [1, 1, 1], 1.0),
        ([0, 0, 0], [1, 1, 1], 1.0),
    ],
)
def test_ap_by_hand(scores, relevant, expected):
    assert ap(scores, relevant) == pytest.approx(expected)


def test_a_shorter_video_is_not_changed_by_the_longer_one_beside_it():
    scores = np.array([[3.0, 2.0, 1.0, -np.inf, -np.inf], [5.0, 4.0, 3.0, 2.0, 1.0]])
    relevant = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 0, 1]], bool)
    assert highlight_ap(scores, relevant).tolist() == pytest.approx([5 / 6, 1 / 5])


def slow_ap(scores, relevant):
    """By the levels of the scores, from the highest: precision when all clips of that score and above are taken."""
    steps = []
    for level in sorted(set(scores), reverse=True):
        taken = [hit for score, hit in zip(scores, relevant, strict=True) if score >= level]
        new = any(hit for score, hit in zip(scores, relevant, strict=True) if score == level)
        steps.append((sum(taken) / len(taken), new))
    precisions = [max(p for p, _ in steps[place:]) for place, (_, new) in enumerate(steps) if new]
    return sum(precisions) / len(precisions) if precisions else 0.0


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=12))
def test_ap_is_that_of_plain_loops(clips):
    scores, relevant = zip(*clips, strict=True)
    assert ap(scores, relevant) == pytest.approx(slow_ap(scores, relevant))


def test_a_hit_counts_when_any_annotator_agrees():
    relevant = np.zeros((4, 3, 3), bool)
    relevant[0, 2, 1] = relevant[1, 2, 1] = relevant[2, 0] = relevant[3, 0] = True
    # Top clip 2 (one annotator likes it), 0 (nobody), -1 (no prediction), 7 (past the end).
    assert hit_at_1(np.array([2, 0, -1, 7]), relevant).tolist() == [1.0, 0.0, 0.0, 0.0]
