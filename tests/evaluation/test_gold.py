"""Tests of grounding.evaluation.gold; every dataset's rows go through it in tests/scripts/test_bench_datasets.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Interval, Sample, Tube
from grounding.evaluation.gold import metric_failures

TUBE = Tube(3, np.array([[0, 0, 4, 4], [1, 0, 5, 4]]))


def failures(meta: dict[str, Any] | None = None, **truth: Any) -> list[str]:
    return metric_failures(Sample("a", "v.mp4", "q", Answer(**truth), meta or {}))


@pytest.mark.parametrize(
    "truth",
    [
        {"interval": Interval(2, 9)},
        {"interval": Interval(2, 9), "object_id": 4, "tube": TUBE},
        {"intervals": (Interval(6, 9), Interval(2, 7))},  # they overlap
        {"number": 4.0},
        {"number": 0.0},
        {"choices": frozenset("C")},
        {"choices": frozenset("AB")},
        {"text": "a brown table"},
        {"intervals": ()},
        {},
    ],
)
def test_a_good_truth_gets_the_most(truth: dict[str, Any]) -> None:
    assert failures(**truth) == []


@pytest.mark.parametrize(
    ("truth", "named"),
    [
        # A moment in itself: IoU 0, but NExT-GQA's IoP is 1 then.
        ({"interval": Interval(3, 3)}, ["mIoU", "mIoU_union", "mAP"]),
        # The first of two golds has no length; with the other alone, half of the golds can be found.
        ({"intervals": (Interval(3, 3), Interval(5, 9))}, ["mIoU", "mAP"]),
        ({"interval": Interval(0, 1), "tube": Tube(0, np.array([[5, 5, 5, 9]]))}, ["vIoU", "vIoU (HC-STVG)"]),
    ],
)
def test_a_truth_that_nobody_can_answer_is_told(truth: dict[str, Any], named: list[str]) -> None:
    assert [line.rpartition(" is ")[0] for line in failures(**truth)] == named


def test_highlights() -> None:
    assert failures({"saliency_scores": np.array([[1, 2, 4], [0, 0, 1]])}) == []
    assert failures({"saliency_scores": np.array([[1, 2, 3]])}) == []  # no clip counts


def test_what_a_truth_gets_is_said() -> None:
    half = Tube(0, np.array([[5, 5, 5, 9], [0, 0, 2, 2]]))  # one box of two has no area
    assert failures(interval=Interval(0, 1), tube=half)[0] == "vIoU is 0.500 of 1"
