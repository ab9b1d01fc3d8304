"""STVG's figures of an answer, and what it would have got with its parts right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, ParseFailure, Sample, Tube, UserError
from grounding.core.rle import encode
from grounding.tasks.stvg import STVG, measure, oracles

LEFT, HALF_LEFT, RIGHT = (0, 0, 10, 10), (0, 0, 10, 5), (20, 0, 30, 10)
FAILURE = ParseFailure("no tags")
KEYS = ["m_tIoU", "m_vIoU", "vIoU@0.3", "vIoU@0.5", "vIoU@0.7", "id_accuracy"]
BOTH, RIGHT_ID, RIGHT_TIME = "oracle_id_oracle_time", "oracle_id_predicted_time", "predicted_id_oracle_time"


def masklets(places, frames=10):
    """One object a place, standing there in all frames, 1 frame a second."""
    tracks = {}
    for object_id, (x1, y1, x2, y2) in places.items():
        dense = np.zeros((10, 40), bool)
        dense[y1:y2, x1:x2] = True
        tracks[object_id] = (encode(dense),) * frames
    return Masklets((10, 40), 1.0, np.arange(frames, dtype=float), tracks)


def ceilings(answer, truth, video):
    clip = Clip(np.zeros((1, 10, 40, 3), np.uint8), np.zeros(1), 1.0, (10, 40), 10.0)
    best = oracles(answer, LoadedSample(Sample("a", "a.mp4", "a dog", truth), clip, video))
    return {name: measure(said, truth) for name, said in best.items()}


def still(first, last, box):
    return Tube(first, np.tile(np.array(box, float), (last - first, 1)))


TRUTH = Answer(Interval(2.0, 6.0), 1, still(2, 6, LEFT))


def test_the_truth_scores_everything():
    assert measure(TRUTH, TRUTH) == dict.fromkeys(KEYS, 1.0)


def test_hand_worked():
    # 4..8 against 2..6 s: tIoU 2 / 6. Frames 4, 5 shared of 2..7, each with box IoU 50 / 100: vIoU 2 x 0.5 / 6.
    result = measure(Answer(Interval(4.0, 8.0), 2, still(4, 8, HALF_LEFT)), TRUTH)
    assert result == pytest.approx({**dict.fromkeys(KEYS, 0.0), "m_tIoU": 2 / 6, "m_vIoU": 1 / 6})


def test_a_failure_scores_nothing():
    assert measure(FAILURE, TRUTH) == dict.fromkeys(KEYS, 0.0)


def test_an_answer_of_parts_scores_its_parts():
    assert measure(Answer(object_id=1), TRUTH) == {**dict.fromkeys(KEYS, 0.0), "id_accuracy": 1.0}
    assert measure(Answer(Interval(2.0, 6.0)), TRUTH) == {**dict.fromkeys(KEYS, 0.0), "m_tIoU": 1.0}


def test_a_truth_that_no_masklet_holds_cannot_be_named():
    truth = Answer(TRUTH.interval, None, TRUTH.tube)
    assert measure(Answer(Interval(2.0, 6.0)), truth)["id_accuracy"] == 0.0
    assert measure(TRUTH, truth) == {**dict.fromkeys(KEYS, 1.0), "id_accuracy": 0.0}


@pytest.mark.parametrize("truth", [Answer(), Answer(TRUTH.interval, 1), Answer(None, 1, TRUTH.tube)])
@pytest.mark.parametrize("answer", [FAILURE, TRUTH])
def test_an_incomplete_truth_is_an_error_and_not_a_score(answer, truth):
    with pytest.raises(UserError, match="truth with interval and tube"):
        measure(answer, truth)


@pytest.mark.parametrize(("height", "above"), [(5, 0.0), (6, 1.0)])
def test_thresholds_are_strict(height, above):
    # A box of `height` rows of the true 10: vIoU 0.5 is not above 0.5.
    answer = Answer(TRUTH.interval, 1, still(2, 6, (0, 0, 10, height)))
    assert measure(answer, TRUTH)["vIoU@0.5"] == above


def test_an_answer_as_a_whole_is_the_right_object_at_the_right_time():
    answer = Answer(TRUTH.interval, 2, still(2, 6, (0, 0, 10, 6)))
    assert STVG.graded(answer, TRUTH) == measure(answer, TRUTH)["m_vIoU"] == pytest.approx(0.6)


# Ceilings


def test_ceilings_by_hand():
    # The truth's boxes are LEFT; the mask of id 1 covers only its upper half, so perfect answers reach vIoU 0.5.
    video = masklets({1: HALF_LEFT, 2: RIGHT})
    wrong_id = ceilings(Answer(Interval(2.0, 6.0), 2), TRUTH, video)
    wrong_time = ceilings(Answer(Interval(4.0, 8.0), 1), TRUTH, video)  # tIoU 2 / 6; vIoU 2 x 0.5 / 6
    assert list(wrong_id) == list(wrong_time) == [BOTH, RIGHT_ID, RIGHT_TIME]
    half = {"m_tIoU": 1.0, "m_vIoU": 0.5, "vIoU@0.3": 1.0, "vIoU@0.5": 0.0, "vIoU@0.7": 0.0, "id_accuracy": 1.0}
    assert wrong_id[BOTH] == wrong_id[RIGHT_ID] == wrong_time[BOTH] == wrong_time[RIGHT_TIME] == pytest.approx(half)
    assert wrong_id[RIGHT_TIME] == {**dict.fromkeys(KEYS, 0.0), "m_tIoU": 1.0}
    late = {**dict.fromkeys(KEYS, 0.0), "m_tIoU": 2 / 6, "m_vIoU": 1 / 6, "id_accuracy": 1.0}
    assert wrong_time[RIGHT_ID] == pytest.approx(late)


def test_a_failure_fails_wherever_its_part_is_needed():
    got = ceilings(FAILURE, TRUTH, masklets({1: LEFT}))
    assert got[BOTH] == dict.fromkeys(KEYS, 1.0)
    assert got[RIGHT_ID] == got[RIGHT_TIME] == dict.fromkeys(KEYS, 0.0)


def test_a_target_that_was_never_tracked_lowers_the_ceiling():
    truth = Answer(TRUTH.interval, None, TRUTH.tube)
    both = ceilings(Answer(TRUTH.interval, 2), truth, masklets({2: LEFT}))[BOTH]
    # Id 2 stands in the right place, but an oracle without an id has nothing to name: no box is borrowed.
    assert (both["m_tIoU"], both["m_vIoU"], both["id_accuracy"]) == (1.0, 0.0, 0.0)


@given(st.none() | st.tuples(st.integers(1, 3), st.integers(0, 9), st.integers(1, 9)))
def test_no_prediction_beats_its_ceilings_where_masks_are_exact(made):
    video, answer = masklets({1: LEFT, 2: RIGHT}), FAILURE
    if made is not None:
        object_id, first, length = made
        interval = Interval(float(first), float(first + length))
        tube = video.tube(object_id, interval) if object_id in video.tracks else None
        answer = Answer(interval, object_id, tube)
    plain, got = measure(answer, TRUTH), ceilings(answer, TRUTH, video)
    for best in got.values():
        assert all(best[key] >= plain[key] - 1e-12 for key in ("m_tIoU", "m_vIoU", "id_accuracy"))
    assert got[BOTH]["m_vIoU"] == 1.0
