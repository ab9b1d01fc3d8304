from __future__ import annotations

import json

import pytest

from grounding.core import UserError

TRUTH = {
    "AAAAA": {"duration": 30.0, "timestamps": [[0.0, 10.0], [20.0, 24.0]], "sentences": ["one", "two"]},
    "BBBBB": {"duration": 12.27, "timestamps": [[38.0, 13.0]], "sentences": ["reversed by the annotator"]},
}
TEXT = "AAAAA 0.0 10.0##one\nBBBBB 38.0 13.0##reversed by the annotator\n\nAAAAA 20.0 24.0##two\n"


def test_by_hand(score):
    # IoUs 5 / 10 and 2 / 4, and 0 for a reversed truth, whatever is said of it: raw truth is what the field scores.
    predictions = {"AAAAA_0": [0.0, 5.0], "AAAAA_1": [22.0, 24.0], "BBBBB_0": [13.0, 38.0]}
    result = score("charades", TRUTH, predictions, strict=True)
    assert result["mIoU"] == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert result["R1@0.5"] == pytest.approx(2 / 3)  # 0.5 itself counts
    assert result["R1@0.7"] == 0.0


def test_the_official_text_has_the_same_ids_as_the_json(score):
    predictions = {"AAAAA_0": [0.0, 5.0], "AAAAA_1": [22.0, 24.0], "BBBBB_0": [13.0, 38.0]}
    result = score("charades", TEXT, predictions, ("charades_sta_test.txt", "preds.json"), strict=True)
    assert result["mIoU"] == pytest.approx(1 / 3)


def test_the_truth_scores_everything_but_the_reversed_row(score):
    # Its own row is reversed, which a prediction may not be: two of three.
    result = score("activitynet", TRUTH, TRUTH)
    assert result["mIoU"] == pytest.approx(2 / 3)
    assert result["problems"][0].endswith(
        "row 2 (BBBBB_0): the interval is reversed: it starts at 38.0 and ends at 13.0"
    )


@pytest.mark.parametrize(
    "value",
    [
        [0.0, 10.0],
        {"interval": [0, 10]},
        {"timestamp": [0, 10]},
        {"span": [0.0, 10]},
        {"pred_relevant_windows": [[0.0, 10.0, 0.9], [3.0, 4.0, 0.1]]},
        {"pred_relevant_windows": [[0.0, 10.0]]},
        {"timestamp": [[0.0, 10.0], [3.0, 4.0]], "query": "a dog", "vid": "x.mp4"},  # TimeChat's and VTG-LLM's results
        {"timestamp": [1.0, 4.0], "pred": [0.0, 10.0]},  # Time-R1's, with the truth
        {"interval": [1.0, 4.0], "pred_interval": [0.0, 10.0]},
        {"target": [1.0, 4.0], "pred": [0.0, 10.0]},
        {"relevant_windows": [[1, 4]], "pred_relevant_windows": [[0.0, 10.0]]},
        {"interval": [0, 10], "timestamp": [0, 10]},
    ],
)
def test_ways_to_say_an_interval(score, value):
    assert score("vtg", {"a": {"interval": [0.0, 10.0]}}, {"a": value}, strict=True)["mIoU"] == 1.0


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [None, None],
        [[None, None]],
        {"interval": None},
        {"pred_relevant_windows": []},
        {"timestamp": []},
        {"timestamp": [1.0, 4.0], "pred": [None, None]},
        {"timestamp": [1.0, 4.0], "pred": None},
    ],
)
def test_ways_to_say_nothing(score, value):
    result = score("vtg", {"a": {"interval": [0.0, 10.0]}}, {"a": value}, strict=True)
    assert result["mIoU"] == 0.0 and result["counts"]["unanswered"] == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([5.0, 3.0], "reversed"),
        ([0.0, float("nan")], "finite"),
        ([0.0, float("inf")], "finite"),
        ([0.0, 1e300], "finite"),
        (["0", "10"], "finite"),
        ([True, False], "finite"),
        ([0.0, 1.0, 2.0], "finite"),
        ("0 to 10", "finite"),
        ({"start": 0, "end": 10}, '"interval" is missing'),
        ({"pred_relevant_windows": [[3]]}, "finite"),
        ({"pred": [3.0, None]}, "finite"),
        ({"timestamp": [0, 10], "ans": [3, 4]}, 'the row has "ans" too'),
        ({"timestamp": [0, 10], "target": [3, 4]}, 'the row has "target" too'),
        ({"interval": [0, 10], "gt": [3, 4]}, 'the row has "gt" too'),
        ({"span": [0, 10], "solution": [3, 4]}, 'the row has "solution" too'),
        ({"span": [0, 10], "gt_span": [3, 4]}, 'the row has "gt_span" too'),
        ({"interval": [0, 10], "timestamp": [3, 4]}, "which differ"),
        ({"timestamp": [0, 10], "pred_start": 3, "pred_end": 4}, 'the row has "pred_start" too'),
        ({"timestamp": [0, 10], "output": "<answer>3 to 4</answer>"}, 'the row has "output" too'),
        ({"timestamp": [0, 10], "generated_text": "3 to 4"}, 'the row has "generated_text" too'),
    ],
)
def test_a_wrong_row_is_named_and_scores_0(score, value, message):
    result = score("vtg", {"a": [0.0, 10.0], "b": [0.0, 10.0]}, {"b": [0.0, 10.0], "a": value})
    assert result["mIoU"] == 0.5
    assert "preds.json, row 2 (a): " in result["problems"][0] and message in result["problems"][0]


def test_rows_that_hold_the_truth_too_are_scored_by_the_prediction(score):
    # Time-R1's rows as truth and as predictions: 0..10 against 0..5, and 20..30 against nothing.
    rows = [
        {"qid": "0", "timestamp": [0.0, 10.0], "pred": [0.0, 5.0]},
        {"qid": "1", "timestamp": [20.0, 30.0], "pred": [None, None]},
    ]
    result = score("vtg", rows, rows, strict=True)
    assert result["mIoU"] == pytest.approx((0.5 + 0) / 2)
    assert (result["counts"]["answered"], result["counts"]["unanswered"]) == (1, 1)
    video = {"AAAAA": {"timestamps": [[0.0, 10.0]], "pred_timestamps": [[0.0, 5.0]]}}
    assert score("charades", video, video, strict=True)["mIoU"] == 0.5
    video = {"AAAAA": {"timestamps": [[0.0, 10.0]], "pred": [[0.0, 5.0]]}}
    assert score("charades", video, video, strict=True)["mIoU"] == 0.5
    result = score("charades", TRUTH, {"AAAAA": TRUTH["AAAAA"] | {"gt": []}, "BBBBB_0": [1, 2]})
    assert '"timestamps" may be the truth, for the row has "gt" too' in result["problems"][0]


def test_a_truth_with_two_intervals_is_refused(score):
    row = {"id": "a", "timestamp": [0.0, 10.0], "ans": [5.0, 15.0]}
    with pytest.raises(UserError, match=r'row 1 \(a\): the row has a second interval under "ans"'):
        score("vtg", [row], {"a": [0.0, 10.0]})
    assert score("vtg", [row | {"ans": "A"}], {"a": [0.0, 10.0]}, strict=True)["mIoU"] == 1.0  # a letter is no interval


def test_truths_in_qvhighlights_form(score):
    row = {"qid": 7, "query": "a dog", "duration": 30.0, "vid": "x", "relevant_windows": [[0.0, 10.0]]}
    assert score("vtg", [row], {"7": [0.0, 5.0]}, strict=True)["mIoU"] == 0.5
    with pytest.raises(UserError, match="one window is scored here"):
        score("vtg", [row | {"relevant_windows": [[0, 1], [2, 3]]}], {"7": [0.0, 5.0]})


def test_timechats_truth(score):
    rows = {"annotations": [{"image_id": "x.mp4", "caption": "a dog", "timestamp": [0.0, 10.0], "id": 7}]}
    assert score("vtg", rows, {"7": {"timestamp": [[0.0, 5.0]]}}, strict=True)["mIoU"] == 0.5


def test_truths_that_nobody_can_answer_are_told(score):
    truth = {"a": [0.0, 10.0], "b": [5.0, 5.0], "c": [7.0, 2.0]}
    result = score("vtg", truth, {"a": [0.0, 10.0], "b": [5.0, 5.0], "c": [2.0, 7.0]})
    assert result["mIoU"] == pytest.approx(1 / 3) and result["hopeless"] == ["b", "c"]
    assert score("vtg", truth, {"a": [0.0, 10.0]}, skip_missing=True)["hopeless"] == []


def test_tvgbench(score):
    rows = [{"path": "x.mp4", "question": "who?", "answer": "13.4-28.1"}, {"question": "a", "answer": "1.0-7.5"}]
    assert score("tvgbench", rows, {"0": [13.4, 28.1], "1": [1.0, 7.5]}, strict=True)["mIoU"] == 1.0
    with pytest.raises(UserError, match=r'truth.json, row 2 \(1\): "answer" must be "start-end"'):
        score("tvgbench", [rows[0], {"question": "a", "answer": "later"}], {"0": [0, 1]})


@pytest.mark.parametrize("line", ["AAAAA 0.0##one", "AAAAA zero ten##one", "##one"])
def test_a_line_that_is_none(score, line):
    with pytest.raises(UserError, match=r"charades.txt, row 2: expected '<video> <start> <end>##<sentence>'"):
        score("charades", f"AAAAA 0 1##a\n{line}\n", {}, ("charades.txt", "preds.json"))


def test_a_mark_of_byte_order_is_no_part_of_a_video(score):
    text = "\ufeffAAAAA 0.0 10.0##one\r\nAAAAA 2.0 4.0##two\r\n"
    result = score("charades", text, {"AAAAA_0": [0, 10], "AAAAA_1": [2, 4]}, ("charades.txt", "preds.json"))
    assert result["mIoU"] == 1.0 and result["counts"]["answered"] == 2


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "file", "samples", "empty"),
    [
        ("charades", "charades/charades_test.json", 3720, 0),
        ("activitynet", "activitynet/val_2.json", 17031, 0),
        ("tvgbench", "tvgbench/tvgbench.json", 800, 11),  # truths like 5.0-5.0, which no interval overlaps
    ],
)
def test_real_truths_score_everything_that_has_a_length(score, shared_data, name, file, samples, empty):
    path = shared_data / "vtg" / file
    gold = path
    if name == "tvgbench":
        rows = json.loads(path.read_text())
        gold = {str(place): [float(word) for word in row["answer"].split("-")] for place, row in enumerate(rows)}
        assert sum(start == end for start, end in gold.values()) == empty
    result = score(name, path, gold, strict=True)
    assert result["counts"]["samples"] == samples
    assert result["mIoU"] == result["R1@0.7"] == (samples - empty) / samples
    assert len(result["hopeless"]) == empty
