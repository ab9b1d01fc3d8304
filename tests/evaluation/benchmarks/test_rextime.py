from __future__ import annotations

import pytest

from grounding.core import UserError

NAMES = ("truth.jsonl", "preds.jsonl")
TRUTH = [
    {"qid": "anet_val1", "query": "why?", "duration": 60, "relevant_windows": [[0, 10]], "ans": "A"},
    {"qid": "qvh_val2", "query": "what?", "duration": 150, "relevant_windows": [[20, 40]], "ans": "C"},
]


def row(qid, window, ans):
    return {"qid": qid, "pred_relevant_windows": [window], "ans": ans}


def test_the_truth_scores_everything(score):
    result = score(
        "rextime", TRUTH, [row("anet_val1", [0, 10], "A"), row("qvh_val2", [20, 40], "C")], NAMES, strict=True
    )
    assert result["MR-full-mIoU"] == result["MR-full-R1@0.5"] == 100.0
    assert result["vqa_acc"] == result["GQA@0.5"] == 1.0


def test_by_hand(score):
    # IoU 6 / 10 and right; IoU 8 / 20 and right, but 0.4 is below 0.5.
    result = score("rextime", TRUTH, [row("anet_val1", [0, 6], "A"), row("qvh_val2", [20, 28], "C")], NAMES)
    assert result["MR-full-mIoU"] == 50.0
    assert (result["MR-full-R1@0.3"], result["MR-full-R1@0.5"]) == (100.0, 50.0)
    assert (result["vqa_acc"], result["GQA@0.5"]) == (1.0, 0.5)


def test_two_decimals_as_the_evaluator_prints(score):
    result = score("rextime", [*TRUTH, {**TRUTH[0], "qid": "x"}], [row("x", [0, 10], "B")], NAMES)
    assert result["MR-full-mIoU"] == 33.33
    assert result["figures"]["MR-full-mIoU"]["value"] == pytest.approx(100 / 3)


def test_the_first_window_counts(score):
    rows = [{"qid": one["qid"], "pred_relevant_windows": [*one["relevant_windows"], [50, 60]]} for one in TRUTH]
    assert score("rextime", TRUTH, rows, NAMES, strict=True)["MR-full-mIoU"] == 100.0


def test_one_part_only(score):
    answers = [{"qid": one["qid"], "ans": one["ans"]} for one in TRUTH]
    assert "MR-full-mIoU" not in score("rextime", TRUTH, answers, NAMES, strict=True)
    windows = [{"qid": one["qid"], "pred_relevant_windows": one["relevant_windows"]} for one in TRUTH]
    assert "vqa_acc" not in score("rextime", TRUTH, windows, NAMES, strict=True)


def test_the_answer_of_a_row_that_holds_the_truth_too(score):
    said = [{**one, "pred_relevant_windows": one["relevant_windows"], "pred_ans": "A"} for one in TRUTH]
    assert score("rextime", TRUTH, said, NAMES, strict=True)["vqa_acc"] == 0.5
    said = [{"qid": one["qid"], "ans": one["ans"], "pred": "A"} for one in TRUTH]
    assert score("rextime", TRUTH, said, NAMES, strict=True)["vqa_acc"] == 0.5


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (
            {**row("anet_val1", [0, 10], "A"), "relevant_windows": [[0, 10]]},
            '"ans" may be the truth, for the row has "relevant_windows" too',
        ),
        ({"qid": "anet_val1", "ans": 1}, "must be a letter, got 1"),
        ({"qid": "anet_val1"}, '"pred_relevant_windows" and "ans" are missing'),
        (row("anet_val1", [9, 2], "A"), "reversed"),
    ],
)
def test_a_wrong_row_is_named(score, one, message):
    result = score("rextime", TRUTH, [row("qvh_val2", [20, 40], "C"), one], NAMES)
    assert "preds.jsonl, row 2 (anet_val1): " in result["problems"][0] and message in result["problems"][0]


def test_a_test_split_has_no_truth(score):
    with pytest.raises(UserError, match=r'row 1 \(a\): "ans" is missing'):
        score("rextime", [{"qid": "a", "span": [0, 5]}], [], NAMES)
