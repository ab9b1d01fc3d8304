"""Tests of grounding.datasets.gold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Interval, Sample, Tube
from grounding.datasets.gold import gold_answers, gold_failures


def failures(duration: float | None = 20.0, **truth: Any) -> list[str]:
    return gold_failures(Sample("a", "v.mp4", "q", Answer(**truth), {"duration": duration} if duration else {}))


TUBE = Tube(3, np.array([[0, 0, 4, 4], [1, 0, 5, 4]]))


@pytest.mark.parametrize(
    "truth",
    [
        {"interval": Interval(2, 9)},
        {"interval": Interval(2, 9), "object_id": 4, "tube": TUBE},
        {"intervals": (Interval(2, 4), Interval(6, 9))},
        {"intervals": (Interval(6, 9), Interval(2, 7))},  # they overlap
        {"intervals": (Interval(2, 4),), "choices": frozenset("C")},
        {"object_ids": frozenset({1, 3})},
        {"choices": frozenset("AB")},
        {"text": "a brown table"},
        {"text": "2"},
        {"number": 4.0},
        {"number": 0.0},
        {"box": (1.0, 2.0, 3.0, 4.0)},
        {},
    ],
)
def test_a_good_truth_gets_the_most_of_everything(truth: dict[str, Any]) -> None:
    assert failures(**truth) == []


def test_without_a_duration_nothing_is_missed() -> None:
    assert failures(None, interval=Interval(2, 9)) == []


@pytest.mark.parametrize(
    ("truth", "named"),
    [
        ({"interval": Interval(3, 3)}, "temporal_iou gives 0.000 of 1.000"),
        ({"intervals": (Interval(3, 3),)}, "segments_iou gives 0.000 of 1.000"),
        ({"tube": Tube(0, np.array([[5, 5, 5, 9]]))}, "tube_viou gives 0.000 of 1.000"),
        # One box of two has no area: half of the frames score.
        ({"tube": Tube(0, np.array([[5, 5, 5, 9], [0, 0, 2, 2]]))}, "tube_viou gives 0.500 of 1.000"),
        ({"box": (1.0, 1.0, 1.0, 2.0)}, "box_iou gives 0.000 of 1.000"),
    ],
)
def test_a_truth_that_nobody_can_answer_is_told(truth: dict[str, Any], named: str) -> None:
    assert named in failures(**truth)


def test_several_spans_are_tried_together_and_the_first_alone() -> None:
    both = (Interval(2, 4), Interval(6, 9))
    answers = list(gold_answers(Answer(intervals=both)))
    assert [answer.intervals for answer in answers] == [both, both[:1]]
    assert len(list(gold_answers(Answer(interval=both[0])))) == 1
