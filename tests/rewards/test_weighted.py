from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, ParseFailure, Tube, UserError
from rewards import PRESETS, REWARDS, Meta, WeightedSum
from rewards.base import Reward

BOX = [0.0, 0.0, 10.0, 10.0]
TRUTH = Answer(Interval(2.0, 6.0), 3, Tube(2, np.array([BOX] * 4)))  # 1 frame a second
FORMED = "<think>a</think> <answer>b</answer>"


def test_the_papers_sum():
    # Right id, 4..6 of 2..6: tIoU 2 / 4; well formed: 0.5 + 1 + 1.
    total = WeightedSum(PRESETS["stvg_r1"])
    parts = total.parts(Answer(Interval(4.0, 6.0), 3), TRUTH, FORMED)
    assert parts == {"temporal_iou": 0.5, "id_match": 1.0, "think_answer_format": 1.0}
    assert total.total(parts) == 2.5


def test_our_default_adds_the_tube():
    # As above with the tube of frames 4, 5: 2 of 4 frames. 0.5 + 1 + 0.5 + 0.5 x 1.
    answer = Answer(Interval(4.0, 6.0), 3, Tube(4, np.array([BOX] * 2)))
    total = WeightedSum(PRESETS["tubelet"])
    parts = total.parts(answer, TRUTH, FORMED)
    assert parts == {"temporal_iou": 0.5, "id_match": 1.0, "tube_viou": 0.5, "think_answer_format": 1.0}
    assert total.total(parts) == 2.5


@pytest.mark.parametrize(("preset", "most"), [("stvg_r1", 3.0), ("tubelet", 3.5)])
def test_the_truth_gets_the_most_and_a_failure_nothing(preset, most):
    total = WeightedSum(PRESETS[preset])
    assert total.total(total.parts(TRUTH, TRUTH, FORMED)) == most
    assert total.total(total.parts(ParseFailure("empty"), TRUTH, "")) == 0.0


def test_what_is_not_scored_is_none_and_takes_no_part():
    total = WeightedSum({"temporal_iou": 2.0, "id_match": 1.0})
    parts = total.parts(Answer(Interval(2.0, 6.0), 3), Answer(Interval(2.0, 6.0)), "")
    assert parts == {"temporal_iou": 1.0, "id_match": None}
    assert total.total(parts) == 2.0
    assert total.total({"temporal_iou": None, "id_match": 0.0}) == 0.0
    assert total.total({"temporal_iou": None, "id_match": None}) is None  # which is not the same as 0


def test_a_missing_part_is_not_taken_for_unscored():
    with pytest.raises(KeyError):
        WeightedSum({"id_match": 1.0}).total({})


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        UserError,
        match=r"no reward 'iou'; known rewards: answer_accuracy, .*tube_viou; or give path/to/file.py:function",
    ):
        WeightedSum({"iou": 1.0})


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), "1", None, True])
def test_a_weight_is_a_finite_number(weight):
    with pytest.raises(UserError, match="weight of reward id_match must be a finite number"):
        WeightedSum({"id_match": weight})


def test_meta_reaches_the_parts():
    # 4..6 of 2..6 in a video of 20 s: 0.5 * (1 - 2 / 20) * 1; repetition sees the text.
    total = WeightedSum({"boundary_iou": 2.0, "repetition": 1.0})
    parts = total.parts(Answer(Interval(4.0, 6.0)), TRUTH, Meta("a b c a b c", duration=20.0))
    assert parts == {"boundary_iou": pytest.approx(0.45), "repetition": pytest.approx(3 / 4 - 1)}
    assert total.total(parts) == pytest.approx(0.9 - 0.25)


def test_no_reward_at_all_is_refused():
    with pytest.raises(UserError, match="at least one reward"):
        WeightedSum({})


def test_parts_are_checked_against_their_range(monkeypatch):
    monkeypatch.setitem(REWARDS, "broken", Reward("broken", lambda answer, truth, meta: 1.5, 0.0, 1.0))
    with pytest.raises(UserError, match=r"broken returned 1\.5"):
        WeightedSum({"broken": 1.0}).parts(TRUTH, TRUTH, "")


def test_it_does_not_follow_later_changes_of_the_mapping_and_travels_to_workers():
    weights = {"id_match": 1.0}
    total = WeightedSum(weights)
    weights["temporal_iou"] = 5.0
    assert total.weights == {"id_match": 1.0}
    assert copy.deepcopy(total) == pickle.loads(pickle.dumps(total)) == total


values = st.none() | st.floats(0, 1)


@given(values, values, st.floats(-3, 3), st.floats(-3, 3))
def test_the_total_is_linear_in_the_parts(a, b, w, v):
    total = WeightedSum({"temporal_iou": w, "id_match": v}).total({"temporal_iou": a, "id_match": b})
    if a is None and b is None:
        assert total is None
    else:
        assert total == pytest.approx(w * (a or 0.0) + v * (b or 0.0))
