from __future__ import annotations

import json

import pytest

from grounding.core import UserError

NAMES = ("truth.jsonl", "preds.jsonl")


def truth(qid, windows, clips=(), duration=20):
    """10 clips; a clip in `clips` is worth 4 to the first annotator and 2 to the others."""
    return {
        "qid": qid,
        "query": "a dog",
        "duration": duration,
        "relevant_windows": windows,
        "relevant_clip_ids": list(clips),
        "saliency_scores": [[4, 2, 2]] * len(clips),
    }


def prediction(qid, windows=None, scores=None):
    row = {"qid": qid, "query": "a dog", "pred_relevant_windows": windows, "pred_saliency_scores": scores}
    return {key: value for key, value in row.items() if value is not None}


def test_moments_by_hand(score):
    # 1: both windows found with a false one between: (1 + 2/3) / 2; the top one is right.
    # 2: listed first 0..4, IoU 4 / 8, but surest is 0..8: R1 takes the first, AP the surest.
    truths = [truth(1, [[0, 8], [10, 20]]), truth(2, [[0, 8]])]
    rows = [
        prediction(1, [[0, 8, 0.9], [8, 10, 0.5], [10, 20, 0.3]]),
        prediction(2, [[0, 4, 0.2], [0, 8, 0.9]]),
    ]
    result = score("qvhighlights", truths, rows, NAMES, strict=True)
    assert result["MR-full-mAP@0.5"] == 91.67  # (5/6 + 1) / 2 = 0.91666...
    assert result["MR-full-R1@0.5"] == 100.0
    assert result["MR-full-R1@0.7"] == 50.0
    assert not any(name.startswith("HL") for name in result)


def test_lengths_by_hand(score):
    # Windows of 10 s are short, of 30 s middle, of 31 s long: the upper bound belongs to the range.
    truths = [truth(1, [[0, 10]], duration=150), truth(2, [[0, 30], [40, 71]], duration=150)]
    rows = [prediction(1, [[0, 10, 0.9]]), prediction(2, [[0, 30, 0.9]])]
    result = score("qvhighlights", truths, rows, NAMES)
    assert (result["MR-short-mAP"], result["MR-middle-mAP"], result["MR-long-mAP"]) == (100.0, 100.0, 0.0)
    assert result["MR-full-mAP"] == 75.0  # of the second only one of two windows
    assert result["figures"]["MR-long-mAP"]["samples"] == 1


def test_a_range_without_windows_has_no_figure(score):
    result = score("qvhighlights", [truth(1, [[0, 8]])], [prediction(1, [[0, 8, 1.0]])], NAMES)
    assert result["MR-long-mAP"] is None


def test_only_ten_windows_count(score):
    false = [[18, 20, 0.5]] * 10
    result = score("qvhighlights", [truth(1, [[0, 8]])], [prediction(1, [*false, [0, 8, 0.9]])], NAMES)
    assert result["MR-full-mAP"] == 0.0


def test_windows_without_scores_are_in_order(score):
    result = score("qvhighlights", [truth(1, [[0, 8]])], [prediction(1, [[10, 12], [0, 8]])], NAMES)
    assert (result["MR-full-mAP"], result["MR-full-R1@0.5"]) == (50.0, 0.0)


def test_highlights_by_hand(score):
    # Clips 0 and 1 are relevant; scores put clip 0 first, clip 5 second, clip 1 third: AP (1 + 2/3) / 2. Fair (2): all
    # three annotators agree. VeryGood (4): only the first finds anything, the others' AP is 0.
    scores = [0.9, 0.7, 0, 0, 0, 0.8, 0, 0, 0, 0]
    result = score("qvhighlights", [truth(1, [[0, 4]], (0, 1))], [prediction(1, None, scores)], NAMES)
    assert result["HL-min-Fair-mAP"] == 83.33
    assert result["HL-min-VeryGood-mAP"] == 27.78  # 5 / 6 / 3
    assert result["HL-min-VeryGood-Hit1"] == 100.0
    assert not any(name.startswith("MR") for name in result)


def test_scores_of_too_many_or_too_few_clips(score):
    # Too many: the eleventh is the top one and hits nothing, and is cut off for the AP. Too few: the rest is 0.
    truths = [truth(1, [[0, 4]], (0,)), truth(2, [[0, 4]], (0,))]
    rows = [prediction(1, None, [0.5] + [0.0] * 9 + [0.9]), prediction(2, None, [0.5])]
    result = score("qvhighlights", truths, rows, NAMES, strict=True)
    assert (result["HL-min-Fair-mAP"], result["HL-min-Fair-Hit1"]) == (100.0, 50.0)


def test_missing_queries_score_0_in_every_figure(score):
    truths = [truth(1, [[0, 8]], (0,)), truth(2, [[0, 8]], (0,))]
    rows = [prediction(1, [[0, 8, 0.9]], [0.5] + [0.0] * 9)]
    result = score("qvhighlights", truths, rows, NAMES)
    named = ("MR-full-mAP", "MR-full-R1@0.5", "MR-short-mAP", "HL-min-Fair-mAP", "HL-min-Fair-Hit1")
    assert {result[name] for name in named} == {50.0}
    left_out = score("qvhighlights", truths, rows, NAMES, skip_missing=True)
    assert {left_out[name] for name in named} == {100.0}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (prediction(1, [[8, 0, 0.9]]), "a window is reversed"),
        (prediction(1, [[0, 8, float("nan")]]), "finite numbers, got [0, 8, nan]"),
        (prediction(1, [[0, 8, 0.9], [0, 8]]), "lists of different lengths"),
        (prediction(1, None, [0.1, float("inf")]), "finite"),
        (prediction(1, None, "high"), "finite"),
        ({"qid": 1}, '"pred_relevant_windows" or "pred_saliency_scores" is missing'),
    ],
)
def test_a_wrong_row_is_named_and_scores_0(score, row, message):
    truths = [truth(1, [[0, 8]], (0,)), truth(2, [[0, 8]], (0,))]
    result = score("qvhighlights", truths, [prediction(2, [[0, 8, 1.0]]), row], NAMES)
    assert result["MR-full-mAP"] == 50.0
    assert "preds.jsonl, row 2 (1): " in result["problems"][0] and message in result["problems"][0]


def test_a_test_split_has_no_truth(score):
    with pytest.raises(UserError, match=r'truth.jsonl, row 1 \(5\): "relevant_windows" is missing'):
        score("qvhighlights", [{"qid": 5, "query": "a", "duration": 20}], [], NAMES)


def test_a_clip_past_the_end_of_the_truth(score):
    with pytest.raises(UserError, match="each below 10"):
        score("qvhighlights", [truth(1, [[0, 4]], (10,))], [prediction(1, [])], NAMES)


@pytest.mark.parametrize("duration", [-1, 0, 1e8, 1e300, float("nan"), "20"])
def test_a_duration_that_is_none(score, duration):
    with pytest.raises(UserError, match=r"truth.jsonl, row 1 \(1\): duration must be"):
        score("qvhighlights", [truth(1, [[0, 4]], (0,), duration)], [prediction(1, [])], NAMES)


@pytest.mark.parametrize("windows", [[], [[None, None]]])
def test_ways_to_say_nothing(score, windows):
    result = score("qvhighlights", [truth(1, [[0, 4]])], [prediction(1, windows)], NAMES, strict=True)
    assert result["counts"]["unanswered"] == 1


def test_more_windows_than_anybody_annotates(score):
    with pytest.raises(UserError, match=r"row 1 \(1\): relevant_windows must be at most 1000 windows, got 1001"):
        score("qvhighlights", [truth(1, [[0, 4]] * 1001)], [prediction(1, [])], NAMES)


def test_videos_of_very_different_lengths(score):
    # A day of clips beside a thousand short ones: in one array they would take 1 GB.
    truths = [truth(0, [[0, 4]], (0, 1), 86_400), *(truth(n, [[0, 4]], (0, 1)) for n in range(1, 1000))]
    rows = [prediction(n, None, [0.9, 0.7, 0.8]) for n in range(1000)]
    result = score("qvhighlights", truths, rows, NAMES, strict=True)
    assert result["HL-min-Fair-mAP"] == 83.33  # (1 + 2 / 3) / 2 in each


def test_without_saliency_the_windows_are_scored(score):
    truths = [{"qid": n, "query": "a dog", "duration": 30.96, "vid": "x", "relevant_windows": [[0, 8]]} for n in (1, 2)]
    rows = [prediction(1, [[0, 8, 0.9]], [0.5]), prediction(2, [[8, 16, 0.9]], [0.5])]
    result = score("qvhighlights", truths, rows, NAMES, strict=True)
    assert result["MR-full-R1@0.5"] == 50.0
    assert not any(name.startswith("HL") for name in result)
    assert result["gaps"] == ["highlights are not in the file; windows are scored"]


def test_highlights_of_the_queries_that_have_saliency(score):
    truths = [truth(1, [[0, 4]], (0,)), {"qid": 2, "duration": 20, "relevant_windows": [[0, 4]]}]
    rows = [prediction(1, None, [0.5]), prediction(2, None, [0.5])]
    result = score("qvhighlights", truths, rows, NAMES, strict=True)
    assert (result["HL-min-Fair-Hit1"], result["figures"]["HL-min-Fair-Hit1"]["samples"]) == (100.0, 1)
    assert result["gaps"] == ["highlights are not in the file for 1 of 2 queries; windows are scored"]


@pytest.mark.shared_data
def test_the_published_figures_to_the_last_digit(score, shared_data):
    folder = shared_data / "vtg" / "qvhighlights"
    result = score(
        "qvhighlights", folder / "highlight_val_release.jsonl", folder / "sample_val_preds.jsonl", strict=True
    )
    published = json.loads((folder / "sample_val_preds_metrics_raw.json").read_text())
    assert {name: result[name] for name in published["brief"]} == published["brief"]
    for length in ("full", "short", "middle", "long"):
        for part in ("mAP", "R1"):
            for level, value in published[length][f"MR-{part}"].items():
                name = f"MR-{length}-{part}" + ("" if level == "average" else f"@{level}")
                assert (name, result[name]) == (name, value)
    assert published["brief"]["MR-full-R1@0.5"] == 53.94  # the file is the one that is meant
