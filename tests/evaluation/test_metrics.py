"""From the figures of each answer to those of a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, ParseFailure, UserError
from grounding.evaluation.bootstrap import shown
from grounding.evaluation.metrics import gains, intervals, score, summarise
from grounding.tasks.vtg import VTG

KEYS = ["m_tIoU", "m_vIoU", "parse_rate"]
FAILED = dict.fromkeys(KEYS, 0.0)


def test_a_score_is_the_tasks_figures_and_whether_there_was_an_answer():
    truth = Answer(Interval(0.0, 4.0))
    half = {"mIoU": 0.5, "R1@0.3": 1.0, "R1@0.5": 1.0, "R1@0.7": 0.0, "parse_rate": 1.0}
    assert score(VTG, Answer(Interval(2.0, 4.0)), truth) == half
    assert score(VTG, ParseFailure("no tags"), truth) == dict.fromkeys(half, 0.0)


def test_summary_by_hand():
    scores = [
        {"m_tIoU": 1.0, "m_vIoU": 0.9, "parse_rate": 1.0},
        {"m_tIoU": 0.5, "m_vIoU": 0.5, "parse_rate": 1.0},
        {"m_tIoU": 0.5, "m_vIoU": 0.2, "parse_rate": 1.0},
        FAILED,  # stays in the denominator
    ]
    # 2.0 / 4, 1.6 / 4, 3 / 4
    assert summarise(scores) == pytest.approx({"m_tIoU": 0.5, "m_vIoU": 0.4, "parse_rate": 0.75, "count": 4.0})


def test_a_figure_is_the_mean_over_the_samples_that_have_it():
    scores = [{"mIoU": 1.0}, {"mIoU": 0.0, "F1@0.5": 0.5}, {"mIoU": 0.5, "F1@0.5": 1.0}]
    assert summarise(scores) == {"mIoU": 0.5, "F1@0.5": 0.75, "count": 3.0}
    assert intervals(scores)["F1@0.5"].value == 0.75
    assert gains(scores, scores)["F1@0.5"].value == 0.0


def test_no_scores_are_an_error():
    with pytest.raises(UserError, match="no scores"):
        summarise([])


unit = st.floats(0, 1)
some_scores = st.lists(st.fixed_dictionaries(dict.fromkeys(KEYS, unit)), min_size=1, max_size=20)


@given(some_scores)
def test_means_are_in_range(scores):
    summary = summarise(scores)
    assert list(summary) == [*scores[0], "count"]
    assert all(type(value) is float for value in summary.values())
    assert summary.pop("count") == len(scores)
    assert all(0.0 <= value <= 1.0 + 1e-12 for value in summary.values())


@given(some_scores)
def test_one_failure_more_lowers_every_mean_by_its_share(scores):
    before, after = summarise(scores), summarise([*scores, FAILED])
    n = len(scores)
    assert after.pop("count") == before.pop("count") + 1
    assert after == pytest.approx({name: value * n / (n + 1) for name, value in before.items()})


# Intervals


def halves(count, right):
    """Of `count` samples the first `right` are all right and the others failures."""
    return [dict.fromkeys(KEYS, 1.0)] * right + [FAILED] * (count - right)


def test_the_interval_of_a_share_is_the_binomial_one():
    # 50 of 100: the share of a resample is Binomial(100, 1/2) / 100, deviation 0.05; 2.5 % lie below 0.40, above 0.60.
    found = intervals(halves(100, 50))
    assert list(found) == KEYS
    for one in found.values():
        assert one.value == 0.5 and one.p is None
        assert (one.low, one.high) == (pytest.approx(0.40, abs=0.02), pytest.approx(0.60, abs=0.02))


@given(some_scores)
def test_intervals_are_of_the_means_and_hold_nothing_impossible(scores):
    means = summarise(scores)
    for name, one in intervals(scores).items():
        assert one.value == pytest.approx(means[name])
        assert -1e-12 <= one.low <= one.high <= 1 + 1e-12


def test_all_alike_leave_no_doubt():
    assert {(one.low, one.high) for one in intervals(halves(10, 10)).values()} == {(1.0, 1.0)}


def test_gains_are_paired():
    # The same 50 right before, and 10 more after: of 100 pairs 10 differ, by 1. The gain is Binomial(100, 0.1) / 100
    # with deviation 0.03, however uncertain before (0.05) and after (0.049) are: 0.05 to 0.16.
    found = gains(halves(100, 50), halves(100, 60))
    for one in found.values():
        assert one.value == pytest.approx(0.1)
        assert (one.low, one.high) == (pytest.approx(0.05, abs=0.015), pytest.approx(0.16, abs=0.015))
        assert one.p is not None and one.p < 0.01


def test_gains_need_both_sides_of_every_sample():
    assert gains([], halves(10, 5)) == gains(halves(9, 5), halves(10, 5)) == {}
    assert intervals([]) == {}


def test_figures_in_tables():
    # Ten alike of ten: no width. From 0 of 4 to 4 of 4: a gain of 1.
    assert shown(1.0, intervals(halves(10, 10))["m_vIoU"]) == "1.000 [1.00, 1.00]"
    assert shown(1.0, gains(halves(4, 0), halves(4, 4))["m_vIoU"], signed=True) == "+1.000 [1.00, 1.00]"
    assert (shown(0.25, None), shown(-0.25, None, signed=True)) == ("0.250", "-0.250")
