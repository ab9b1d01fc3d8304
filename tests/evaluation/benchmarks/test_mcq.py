from __future__ import annotations

import pytest

from grounding.core import UserError

TRUTH = [
    {"id": "a", "answer": "B", "group": "L1"},
    {"id": "b", "answer": "c", "group": "L2"},
    {"id": "c", "answer": "(D)", "group": "L2"},
]


def test_by_hand(score):
    # Right, right, and a text that begins with the right letter but is none.
    result = score("mcq", TRUTH, {"a": "(b)", "b": {"answer": "C."}, "c": "D is what I think"}, strict=True)
    assert result["accuracy"] == pytest.approx(2 / 3)
    assert (result["accuracy L1"], result["accuracy L2"]) == (1.0, 0.5)
    assert result["counts"]["unanswered"] == 1


def test_a_wrong_letter_is_wrong(score):
    assert score("mcq", TRUTH, {"a": "A", "b": "C", "c": "A"}, strict=True)["accuracy"] == pytest.approx(1 / 3)


def test_questions_without_groups(score):
    result = score("mcq", [{"id": 1, "answer": "A"}], [{"id": 1, "prediction": "A"}], strict=True)
    assert list(result["figures"]) == ["accuracy"] and result["accuracy"] == 1.0


def test_rows_that_hold_the_truth_too_are_scored_by_the_prediction(score):
    rows = [{"id": "a", "answer": "B", "prediction": "A", "pred": "A"}, {"id": "b", "answer": "C", "pred_answer": "C"}]
    assert score("mcq", TRUTH, rows, skip_missing=True)["accuracy"] == 0.5
    for key in ("gt", "target", "ans", "solution", "ground_truth", "correct_answer", "response", "model_output"):
        result = score("mcq", TRUTH, {"a": {"answer": "B", key: "B"}, "b": "C"})
        assert f'"answer" may be the truth, for the row has "{key}" too' in result["problems"][0]


def test_mistakes(score):
    result = score("mcq", TRUTH, {"a": "B", "b": 2})
    assert "row 2 (b): an answer must be a letter, got 2" in result["problems"][0]
    with pytest.raises(UserError, match=r"row 1 \(a\): \"answer\" must be a letter"):
        score("mcq", [{"id": "a", "answer": "the dog"}], {})
