from __future__ import annotations

import json

import numpy as np
import pytest

from grounding.core import Answer, Interval, Tube, UserError
from grounding.evaluation.metrics import summarise
from grounding.tasks.stvg import measure

BOX = [0, 0, 10, 10]
NAMES = ("truth.jsonl", "preds.jsonl")


def row(name, interval, frames, **more):
    return {"id": name, "interval": interval, "boxes": {str(frame): BOX for frame in frames}, **more}


TRUTH = [row("a", [1.0, 3.0], [10, 20, 30], query="a dog", video="a.mp4"), row("b", [0.0, 1.0], [0, 10])]


@pytest.mark.parametrize("name", ["stvg", "st_align"])
def test_the_truth_scores_everything(score, name):
    result = score(name, TRUTH, TRUTH, NAMES, strict=True)
    assert (result["m_tIoU"], result["m_vIoU"], result["vIoU>=0.7"], result["tIoU>=0.5"]) == (1.0, 1.0, 1.0, 1.0)


def test_by_hand(score):
    # a: 1..3 s against 2..4 s, 1 / 3. Frames 10, 20, 30 against 20, 30, 40: 2 of 4. b as it is.
    result = score("stvg", TRUTH, [row("a", [2.0, 4.0], [20, 30, 40]), TRUTH[1]], NAMES)
    assert result["m_tIoU"] == pytest.approx((1 / 3 + 1) / 2)
    assert result["m_vIoU"] == pytest.approx((2 / 4 + 1) / 2)
    assert result["vIoU@0.5"] == 0.5 and result["vIoU>=0.5"] == 1.0


def test_rows_that_hold_the_truth_too_are_scored_by_the_prediction(score):
    boxes = {str(frame): BOX for frame in (20, 30, 40)}
    said = [{**TRUTH[0], "pred_interval": [2.0, 4.0], "pred_boxes": boxes}]
    result = score("stvg", TRUTH, said, NAMES, skip_missing=True)
    assert (result["m_tIoU"], result["m_vIoU"]) == (pytest.approx(1 / 3), pytest.approx(2 / 4))
    said = [{**TRUTH[0], "prediction": {"interval": [2.0, 4.0], "boxes": boxes}}]
    assert score("stvg", TRUTH, said, NAMES, skip_missing=True)["m_tIoU"] == pytest.approx(1 / 3)
    nothing = [{**TRUTH[0], "pred_interval": [None, None], "pred_boxes": boxes}]
    assert score("stvg", TRUTH, nothing, NAMES, skip_missing=True)["counts"]["unanswered"] == 1


def test_truths_with_few_boxes_are_told_and_compared_where_they_have_some(score):
    # 30 frames a second for 4 s, true boxes on frames 0 to 2.
    truth = [row("a", [0.0, 4.0], range(3)), row("b", [0.0, 1.0], range(30))]
    result = score("stvg", truth, [row("a", [0.0, 4.0], range(120)), row("b", [0.0, 1.0], range(30))], NAMES)
    assert result["m_vIoU"] == 1.0
    assert result["gaps"] == [
        "1 of 2 tubes have boxes on fewer than 5 frames a second; vIoU compares them on the frames that have boxes"
    ]
    assert score("stvg", truth[1:], truth[1:], NAMES)["gaps"] == []


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        ({**TRUTH[0], "pred_interval": [7.0, 9.0]}, '"boxes" may be the truth, for the row has "interval" too'),
        ({**TRUTH[0], "pred_boxes": {"1": BOX}}, '"interval" may be the truth, for the row has "boxes" too'),
        ({**TRUTH[0], "pred": [1, 2]}, '"boxes" may be the truth, for the row has "pred" too'),
        ({**TRUTH[0], "gt": [1, 2]}, 'the row has "gt" too'),
        ({"id": "a", "interval": [3.0, 1.0], "boxes": {"1": BOX}}, "interval is reversed: it starts at 3.0"),
        ({"id": "a", "interval": [3.0], "boxes": {"1": BOX}}, "lists of 2 finite numbers"),
        ({"id": "a", "boxes": {"1": BOX}}, '"interval" is missing'),
        ({"id": "a", "interval": [1.0, 3.0], "boxes": [BOX]}, "boxes must be a JSON object"),
    ],
)
def test_a_wrong_row_is_named(score, prediction, message):
    result = score("stvg", TRUTH, [TRUTH[1], prediction], NAMES)
    assert "preds.jsonl, row 2 (a): " in result["problems"][0] and message in result["problems"][0]
    assert result["m_vIoU"] == 0.5


def test_an_id_of_two_truths(score):
    with pytest.raises(UserError, match=r"truth.jsonl, row 2 \(a\): the id is taken"):
        score("stvg", [TRUTH[0], TRUTH[0]], TRUTH, NAMES)


def test_it_is_what_training_reports(score):
    """The same tubes through `grounding.tasks.stvg.measure`: frames 2..5 against 4..7 a second, half the box."""
    half = [0, 0, 10, 5]
    truths, answers = [], []
    for first in (2, 4, 9):
        tube = Tube(first, np.array([BOX] * 4, float))
        truths.append(Answer(Interval(first, first + 4), 1, tube))
    for first in (4, 4, 30):
        answers.append(Answer(Interval(first, first + 4), 1, Tube(first, np.array([half] * 4, float))))
    expected = summarise([measure(answer, truth) for answer, truth in zip(answers, truths, strict=True)])
    files = []
    for side in (truths, answers):
        files.append(
            [
                {
                    "id": number,
                    "interval": [one.interval.start, one.interval.end],
                    "boxes": {
                        str(frame): list(box) for frame, box in zip(one.tube.frames, one.tube.boxes, strict=True)
                    },
                }
                for number, one in enumerate(side)
            ]
        )
    result = score("stvg", *files, NAMES, strict=True)
    for name in ("m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5", "vIoU@0.7"):
        assert result[name] == pytest.approx(expected[name])
    # tIoU 2/6, 1, 0; vIoU 2 x 0.5 / 6, 4 x 0.5 / 4, 0
    assert result["m_vIoU"] == pytest.approx((1 / 6 + 1 / 2) / 3)


@pytest.mark.shared_data
def test_real_queries_score_everything(score, shared_data):
    queries = json.loads((shared_data / "stvg" / "schoolgirls" / "queries.json").read_text())["queries"]
    rows = []
    for one in queries:
        frames = range(one["start_frame"], one["end_frame_exclusive"])
        boxes = {str(frame): box for frame, box in zip(frames, one["boxes_xyxy"], strict=True)}
        rows.append({"id": one["query_id"], "interval": [one["start_s"], one["end_s"]], "boxes": boxes})
    result = score("stvg", rows, rows, NAMES, strict=True)
    assert result["counts"]["samples"] == 11
    assert (result["m_tIoU"], result["m_vIoU"]) == (1.0, 1.0)
