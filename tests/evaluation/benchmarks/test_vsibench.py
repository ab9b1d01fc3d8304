from __future__ import annotations

import pytest

from grounding.core import UserError


def row(number, kind, right):
    return {"id": number, "question_type": kind, "ground_truth": right, "question": "?", "options": None}


TRUTH = [
    row(0, "object_counting", "4"),
    row(1, "object_abs_distance", "2.0"),
    row(2, "object_rel_direction_easy", "A"),
    row(3, "object_rel_direction_hard", "B"),
    row(4, "object_rel_direction_hard", "C"),
    row(5, "route_planning", "D"),
]


def test_the_truth_scores_everything(score):
    result = score("vsibench", TRUTH, {str(one["id"]): one["ground_truth"] for one in TRUTH}, strict=True)
    assert result["overall"] == 1.0
    assert set(result["figures"]) == {
        "overall",
        "object_counting_MRA:.5:.95:.05",
        "object_abs_distance_MRA:.5:.95:.05",
        "object_rel_direction_accuracy",
        "route_planning_accuracy",
    }


def test_by_hand(score):
    # Counting 3 of 4: off by 0.25: below 0.50, 0.45, 0.40, 0.35, 0.30: 5 of 10.
    # Distance 2.24 of 2: off by 0.12: 8 of 10. Direction: easy 1, hard 1 of 2: (1 + 0.5) / 2. Route: nothing said.
    rows = [
        {"id": 0, "prediction": "3 chairs"},
        {"id": 1, "prediction": 2.24},
        {"id": 2, "prediction": "a."},
        {"id": 3, "prediction": "B. to the left"},
        {"id": 4, "prediction": "A"},
        {"id": 5, "prediction": None},
    ]
    result = score("vsibench", TRUTH, rows, strict=True)
    assert result["object_counting_MRA:.5:.95:.05"] == pytest.approx(0.5)
    assert result["object_abs_distance_MRA:.5:.95:.05"] == pytest.approx(0.8)
    assert result["object_rel_direction_accuracy"] == pytest.approx(0.75)
    assert result["route_planning_accuracy"] == 0.0
    assert result["overall"] == pytest.approx((0.5 + 0.8 + 0.75 + 0) / 4)


@pytest.mark.parametrize("said", ["about four", "", "nan", "inf"])
def test_a_number_that_is_none_scores_0(score, said):
    result = score("vsibench", TRUTH[:1], [{"id": 0, "prediction": said}])
    assert result["overall"] == 0.0


def test_a_wrong_row_is_named(score):
    result = score("vsibench", TRUTH, [{"id": 2, "prediction": "A"}, {"id": 0, "prediction": [4]}, {"id": 1}])
    assert 'row 2 (0): "prediction" must be a text or a finite number, got [4]' in result["problems"][0]
    assert '"prediction" is missing' in result["problems"][1]


@pytest.mark.parametrize("said", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_not_finite_is_named(score, said):
    result = score("vsibench", TRUTH, f'[{{"id": 2, "prediction": "A"}}, {{"id": 0, "prediction": {said}}}]')
    assert "row 2 (0)" in result["problems"][0] and "finite number" in result["problems"][0]


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (row(9, "object_colour", "4"), "unknown question_type 'object_colour'"),
        (row(9, "object_counting", "four"), "must be a finite number, got 'four'"),
    ],
)
def test_a_truth_that_is_none(score, one, message):
    with pytest.raises(UserError, match=message):
        score("vsibench", [one], [])
