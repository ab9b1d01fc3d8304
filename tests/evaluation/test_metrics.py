from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Interval, Masklets, ParseFailure, Tube, UserError
from grounding.core.rle import encode
from grounding.evaluation.bootstrap import shown
from grounding.evaluation.metrics import (
    CEILINGS,
    Score,
    ceiling_scores,
    gains,
    intervals,
    score,
    summarise,
    summarise_ceilings,
)

LEFT, HALF_LEFT, RIGHT = (0, 0, 10, 10), (0, 0, 10, 5), (20, 0, 30, 10)
FAILURE = ParseFailure("no tags")
KEYS = ["m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5", "vIoU@0.7", "id_accuracy", "parse_rate", "count"]


def masklets(places, frames=10):
    """One object a place, standing there in all frames, 1 frame a second."""
    tracks = {}
    for object_id, (x1, y1, x2, y2) in places.items():
        dense = np.zeros((10, 40), bool)
        dense[y1:y2, x1:x2] = True
        tracks[object_id] = (encode(dense),) * frames
    return Masklets((10, 40), 1.0, np.arange(frames, dtype=float), tracks)


def ceilings(answers, truths, videos):
    return summarise_ceilings([ceiling_scores(*sample) for sample in zip(answers, truths, videos, strict=True)])


def still(first, last, box):
    return Tube(first, np.tile(np.array(box, float), (last - first, 1)))


TRUTH = Answer(Interval(2.0, 6.0), 1, still(2, 6, LEFT))


# One sample


def test_the_truth_scores_everything():
    assert score(TRUTH, TRUTH) == Score(1.0, 1.0, True, True)


def test_hand_worked():
    # 4..8 against 2..6 s: tIoU 2 / 6. Frames 4, 5 shared of 2..7, each with box IoU 50 / 100: vIoU 2 x 0.5 / 6.
    answer = Answer(Interval(4.0, 8.0), 2, still(4, 8, HALF_LEFT))
    result = score(answer, TRUTH)
    assert (result.tiou, result.viou) == pytest.approx((2 / 6, 1 / 6))
    assert not result.id_correct and result.parsed


def test_a_failure_scores_nothing():
    assert score(FAILURE, TRUTH) == Score(0.0, 0.0, False, False)


def test_an_answer_of_parts_scores_its_parts():
    assert score(Answer(object_id=1), TRUTH) == Score(0.0, 0.0, True, True)
    assert score(Answer(Interval(2.0, 6.0)), TRUTH) == Score(1.0, 0.0, False, True)


def test_a_truth_that_no_masklet_holds_cannot_be_named():
    truth = Answer(TRUTH.interval, None, TRUTH.tube)
    assert score(Answer(Interval(2.0, 6.0)), truth).id_correct is False
    assert score(TRUTH, truth) == Score(1.0, 1.0, False, True)


@pytest.mark.parametrize("truth", [Answer(), Answer(TRUTH.interval, 1), Answer(None, 1, TRUTH.tube)])
@pytest.mark.parametrize("answer", [FAILURE, TRUTH])
def test_an_incomplete_truth_is_an_error_and_not_a_score(answer, truth):
    with pytest.raises(UserError, match="truth with interval and tube"):
        score(answer, truth)


# All samples


def test_summary_by_hand():
    scores = [
        Score(1.0, 0.9, True, True),
        Score(0.5, 0.5, True, True),  # exactly 0.5 is not above 0.5
        Score(0.5, 0.2, False, True),
        Score(0.0, 0.0, False, False),  # stays in the denominator
    ]
    assert summarise(scores) == pytest.approx(
        {
            "m_tIoU": 0.5,  # 2.0 / 4
            "m_vIoU": 0.4,  # 1.6 / 4
            "vIoU@0.3": 0.5,
            "vIoU@0.5": 0.25,
            "vIoU@0.7": 0.25,
            "id_accuracy": 0.5,
            "parse_rate": 0.75,
            "count": 4.0,
        }
    )


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_thresholds_are_strict(threshold):
    name = f"vIoU@{threshold}"
    assert summarise([Score(1.0, threshold, True, True)])[name] == 0.0
    assert summarise([Score(1.0, float(np.nextafter(threshold, 1)), True, True)])[name] == 1.0


def test_no_scores_are_an_error():
    with pytest.raises(UserError, match="no scores"):
        summarise([])


unit = st.floats(0, 1)
some_scores = st.lists(st.builds(Score, unit, unit, st.booleans(), st.booleans()), min_size=1, max_size=20)


@given(some_scores)
def test_shares_are_in_range_and_fall_with_the_threshold(scores):
    summary = summarise(scores)
    assert list(summary) == KEYS
    assert all(type(value) is float for value in summary.values())
    assert summary.pop("count") == len(scores)
    assert all(0.0 <= value <= 1.0 + 1e-12 for value in summary.values())
    assert summary["vIoU@0.3"] >= summary["vIoU@0.5"] >= summary["vIoU@0.7"]


@given(some_scores)
def test_one_failure_more_lowers_every_mean_by_its_share(scores):
    before, after = summarise(scores), summarise([*scores, score(FAILURE, TRUTH)])
    n = len(scores)
    assert after.pop("count") == before.pop("count") + 1
    assert after == pytest.approx({name: value * n / (n + 1) for name, value in before.items()})


# Intervals


def halves(count, right):
    """Of `count` samples the first `right` are all right and the others failures."""
    return [Score(1.0, 1.0, True, True)] * right + [Score(0.0, 0.0, False, False)] * (count - right)


def test_the_interval_of_a_share_is_the_binomial_one():
    # 50 of 100: the share of a resample is Binomial(100, 1/2) / 100, deviation 0.05; 2.5 % lie below 0.40, above 0.60.
    found = intervals(halves(100, 50))
    assert list(found) == KEYS[:-1]
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


# Ceilings


def test_ceilings_by_hand():
    # The truth's boxes are LEFT; the mask of id 1 covers only its upper half, so perfect answers reach vIoU 0.5.
    video = masklets({1: HALF_LEFT, 2: RIGHT})
    right_time = Answer(Interval(2.0, 6.0), 2)  # wrong id
    right_id = Answer(Interval(4.0, 8.0), 1)  # tIoU 2 / 6; vIoU 2 x 0.5 / 6
    got = ceilings([right_time, right_id], [TRUTH, TRUTH], [video, video])
    assert list(got) == list(CEILINGS)

    both = got["oracle_id_oracle_time"]
    assert (both["m_tIoU"], both["m_vIoU"], both["id_accuracy"], both["parse_rate"]) == (1.0, 0.5, 1.0, 1.0)
    assert (both["vIoU@0.3"], both["vIoU@0.5"]) == (1.0, 0.0)

    oracle_id = got["oracle_id_predicted_time"]
    assert oracle_id["m_tIoU"] == pytest.approx((1 + 1 / 3) / 2)
    assert oracle_id["m_vIoU"] == pytest.approx((0.5 + 1 / 6) / 2)
    assert oracle_id["id_accuracy"] == 1.0

    oracle_time = got["predicted_id_oracle_time"]
    assert oracle_time["m_tIoU"] == 1.0
    assert oracle_time["m_vIoU"] == 0.25  # (0 + 0.5) / 2
    assert oracle_time["id_accuracy"] == 0.5


def test_a_failure_fails_wherever_its_part_is_needed():
    got = ceilings([FAILURE], [TRUTH], [masklets({1: LEFT})])
    nothing = {**dict.fromkeys(KEYS, 0.0), "count": 1.0}
    assert got["oracle_id_oracle_time"] == dict.fromkeys(KEYS, 1.0)
    assert got["oracle_id_predicted_time"] == nothing
    assert got["predicted_id_oracle_time"] == nothing


def test_a_target_that_was_never_tracked_lowers_the_ceiling():
    truth = Answer(TRUTH.interval, None, TRUTH.tube)
    both = ceilings([Answer(TRUTH.interval, 2)], [truth], [masklets({2: LEFT})])["oracle_id_oracle_time"]
    # Id 2 stands in the right place, but an oracle without an id has nothing to name: no box is borrowed.
    assert (both["m_tIoU"], both["m_vIoU"], both["id_accuracy"]) == (1.0, 0.0, 0.0)


@given(st.lists(st.none() | st.tuples(st.integers(1, 3), st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=6))
def test_no_prediction_beats_its_ceilings_where_masks_are_exact(drawn):
    video = masklets({1: LEFT, 2: RIGHT})
    answers = []
    for made in drawn:
        if made is None:
            answers.append(FAILURE)
        else:
            object_id, first, length = made
            interval = Interval(float(first), float(first + length))
            tube = video.tube(object_id, interval) if object_id in video.tracks else None
            answers.append(Answer(interval, object_id, tube))
    truths, videos = [TRUTH] * len(answers), [video] * len(answers)
    plain = summarise([score(a, t) for a, t in zip(answers, truths, strict=True)])
    got = ceilings(answers, truths, videos)
    for name in CEILINGS:
        for key in ("m_tIoU", "m_vIoU", "id_accuracy", "parse_rate"):
            assert got[name][key] >= plain[key] - 1e-12
    assert got["oracle_id_oracle_time"]["m_vIoU"] == 1.0


def test_ceilings_of_nothing_are_an_error():
    with pytest.raises(UserError, match="no scores"):
        summarise_ceilings([])


def test_an_incomplete_truth_has_no_ceilings():
    with pytest.raises(UserError, match="truth with interval and tube"):
        ceiling_scores(FAILURE, Answer(TRUTH.interval, 1), masklets({1: LEFT}))
