from __future__ import annotations

import numpy as np
import pytest

from grounding.evaluation.grounded_qa import nextgqa_figures, rextime_figures


def now(figures):
    return {name: float(figure.at(np.ones((1, len(figure.values))))[0]) for name, figure in figures.items()}


IOPS, IOUS = np.array([1.0, 0.5, 0.4, 0.0]), np.array([0.6, 0.3, 0.2, 0.0])


def test_nextgqa_by_hand():
    figures = now(nextgqa_figures(IOPS, IOUS, IOUS / 2, np.array([True, True, True, False])))
    assert figures["mIoP"] == pytest.approx(100 * 1.9 / 4)
    assert figures["IoP@0.3"] == pytest.approx(75.0)
    assert figures["IoP@0.5"] == pytest.approx(50.0)  # 0.5 itself counts
    assert figures["mIoU"] == pytest.approx(100 * 1.1 / 4)
    assert figures["IoU@0.3"] == pytest.approx(50.0)
    assert figures["IoU@0.5"] == pytest.approx(25.0)
    assert figures["mIoU_union"] == pytest.approx(100 * 0.55 / 4)
    assert figures["Acc@QA"] == pytest.approx(75.0)
    assert figures["Acc@GQA"] == pytest.approx(50.0)  # right three times, but once with an IoP of 0.4


def test_without_answers_there_is_no_accuracy():
    assert not any(name.startswith("Acc") for name in nextgqa_figures(IOPS, IOUS, IOUS, None))


def test_rextime_by_hand():
    figures = now(rextime_figures(IOUS, np.array([True, True, False, True])))
    assert figures["MR-full-mIoU"] == pytest.approx(27.5)
    assert figures["MR-full-R1@0.3"] == pytest.approx(50.0)
    assert figures["MR-full-R1@0.5"] == pytest.approx(25.0)
    assert figures["vqa_acc"] == pytest.approx(0.75)
    assert figures["GQA@0.5"] == pytest.approx(0.25)  # the first one only is right with IoU 0.5 or more


def test_rextime_of_one_part():
    assert list(rextime_figures(IOUS, None)) == ["MR-full-mIoU", "MR-full-R1@0.3", "MR-full-R1@0.5"]
    assert list(rextime_figures(None, np.array([True]))) == ["vqa_acc"]
