from __future__ import annotations

import json

import pytest

from grounding.core import UserError

BOX, HALF = [0, 0, 10, 10], [0, 0, 10, 5]
# As the official annotation: boxes are x, y, width, height; st_frame counts from 1; 600 frames in 20 s.
TRUTH = {
    "a.mp4": {"bbox": [BOX] * 4, "st_frame": 5, "img_num": 600, "st_time": 0.1, "ed_time": 0.2, "caption": "a man"},
    "b.mp4": {"bbox": [[2, 3, 4, 5]] * 10, "st_frame": 1, "img_num": 600, "English": "a woman"},
}
GOLD = {
    "a.mp4": {"st_frame": 5, "ed_frame": 8, "bbox": {str(frame): BOX for frame in range(5, 9)}},
    "b.mp4": {"st_frame": 1, "ed_frame": 10, "bbox": {str(frame): [2, 3, 6, 8] for frame in range(1, 11)}},
}


def test_the_truth_scores_everything(score):
    for truth in (TRUTH, GOLD):  # the challenge's form is a truth as well
        for compat in ("definition", "hcstvg"):
            result = score("hcstvg", truth, GOLD, compat=compat, strict=True)
            assert (result["m_tIoU"], result["m_vIoU"], result["vIoU@0.7"]) == (1.0, 1.0, 1.0)


def test_by_hand(score):
    # a: frames 5..8 against 7..10 with box IoU 50 / 100 on 7 and 8: tIoU 2 / 6, vIoU 2 x 0.5 / 6. b: nothing.
    prediction = {"a.mp4": {"st_frame": 7, "ed_frame": 10, "bbox": {str(frame): HALF for frame in range(7, 11)}}}
    result = score("hcstvg", TRUTH, prediction)
    assert result["m_tIoU"] == pytest.approx((2 / 6 + 0) / 2)
    assert result["m_vIoU"] == pytest.approx((1 / 6 + 0) / 2)
    assert result["missing"] == ["b.mp4"]


def test_the_challenge_script_by_hand(score):
    # Frames 5..8 in both, one box left out. Definition: tIoU 4 / 4, vIoU 3 / 4. Script: 3 / 4 both.
    prediction = {"a.mp4": {"st_frame": 5, "ed_frame": 8, "bbox": {str(frame): BOX for frame in (5, 6, 8)}}}
    result = score("hcstvg", TRUTH, prediction, skip_missing=True)
    assert (result["m_tIoU"], result["m_vIoU"]) == (1.0, 0.75)
    result = score("hcstvg", TRUTH, prediction, skip_missing=True, compat="hcstvg")
    assert (result["m_tIoU"], result["m_vIoU"]) == (0.75, 0.75)


def test_tubedetr_by_hand(score):
    # 600 frames: the sampled ones are 0, 6, 12, ... Truth 1..60 (sampled 6, ..., 60: 10), predicted 1..120 (20).
    truth = {"a": {"bbox": [BOX] * 60, "st_frame": 1, "img_num": 600}}
    late = {"a": {"st_frame": 1, "ed_frame": 120, "bbox": {str(frame): BOX for frame in range(1, 121)}}}
    assert score("hcstvg", truth, late)["m_vIoU"] == pytest.approx(60 / 120)
    assert score("hcstvg", truth, late, compat="tubedetr")["m_vIoU"] == pytest.approx(10 / 20)
    assert score("hcstvg", truth, late, compat="tubedetr_2022")["m_vIoU"] == pytest.approx(10 / 10)
    assert score("hcstvg", truth, late, compat="tubedetr")["m_tIoU"] == pytest.approx(60 / 120)


def test_sampled_frames_need_the_number_of_frames(score):
    with pytest.raises(UserError, match="needs the frame count of the videos"):
        score("hcstvg", GOLD, GOLD, compat="tubedetr")


def test_rows_that_hold_the_truth_too_are_scored_by_the_prediction(score):
    late = {"st_frame": 7, "ed_frame": 10, "bbox": {str(frame): BOX for frame in range(7, 11)}}
    named = {f"pred_{name}": value for name, value in late.items()}
    for said in (GOLD["a.mp4"] | {"pred": late}, GOLD["a.mp4"] | named):
        result = score("hcstvg", TRUTH, {"a.mp4": said}, skip_missing=True)
        assert (result["m_tIoU"], result["m_vIoU"]) == (pytest.approx(2 / 6), pytest.approx(2 / 6))
    result = score("hcstvg", TRUTH, {"a.mp4": GOLD["a.mp4"] | {"pred_st_frame": 7}, "b.mp4": GOLD["b.mp4"]})
    assert '"bbox" may be the truth, for the row has "st_frame" too' in result["problems"][0]


def test_frames_decide_where_the_seconds_disagree(score):
    # Its seconds are those of the frames 374 to 448 of 500 in 20 s, but the boxes are on 66 frames from 372 on.
    truth = {"a.mp4": {"bbox": [BOX] * 66, "st_frame": 372, "img_num": 500, "st_time": 14.92, "ed_time": 17.92}}
    said = {"a.mp4": {"st_frame": 373, "ed_frame": 448, "bbox": {str(frame): BOX for frame in range(373, 449)}}}
    assert score("hcstvg", truth, said)["m_tIoU"] == pytest.approx(65 / 77)  # 373 to 437 of 372 to 448


def test_other_forms_of_a_tube(score):
    rows = [
        {"id": "a.mp4", "sted": [5, 9], "boxes": [BOX] * 4},
        {"id": "b.mp4", "st_frame": 1, "ed_frame": 10, "bbox": [[2, 3, 6, 8]] * 10},
    ]
    assert score("hcstvg", TRUTH, rows, ("truth.json", "preds.jsonl"), strict=True)["m_vIoU"] == 1.0


def test_no_answer_is_no_mistake(score):
    result = score("hcstvg", TRUTH, {"a.mp4": None, "b.mp4": {"st_frame": 1, "ed_frame": 2, "bbox": {}}}, strict=True)
    assert result["m_vIoU"] == 0.0
    assert result["counts"]["unanswered"] == 2


WRONG = [
    (
        {"st_frame": 8, "ed_frame": 5, "bbox": {"5": BOX}},
        "st_frame to ed_frame is reversed: it starts at 8 and ends at 5",
    ),
    ({"st_frame": 5, "ed_frame": 6, "bbox": [BOX] * 3}, "3 boxes for 2 frames"),
    ({"st_frame": 5, "ed_frame": 6, "bbox": {"5": BOX, "6": BOX, "7": BOX}}, "3 boxes for 2 frames: frame 7 is not"),
    ({"st_frame": 5, "ed_frame": 7, "bbox": [BOX] * 2}, "2 boxes for 3 frames; give one a frame"),
    ({"st_frame": 599, "ed_frame": 601, "bbox": [BOX] * 3}, "goes to frame 601, but the video has 600 frames"),
    ({"st_frame": 5, "ed_frame": 5, "bbox": {"5": [0, 0, float("nan"), 1]}}, "finite numbers, got [0, 0, nan, 1]"),
    ({"st_frame": 5, "ed_frame": 5, "bbox": {"5": [10, 0, 0, 10]}}, "must be [x1, y1, x2, y2]"),
    ({"st_frame": 5, "ed_frame": 5, "bbox": {"5": [1, 2, 3]}}, "lists of 4 finite numbers"),
    ({"st_frame": 5, "ed_frame": 5, "bbox": {"x": BOX}}, "named by frames"),
    ({"st_frame": 5, "ed_frame": 5, "bbox": {"5": BOX, "05": BOX}}, "name a frame twice"),
    ({"st_frame": 0, "ed_frame": 10**12, "bbox": {"5": BOX}}, "at most 1000000 frames"),
    ({"st_frame": 10**30, "ed_frame": 10**30, "bbox": [BOX]}, "must begin at 0 or later"),
    ({"st_frame": 5.5, "ed_frame": 6, "bbox": {}, "sted": None}, None),
    ({"st_frame": "5", "ed_frame": 6, "bbox": {"5": BOX}}, "two whole frame numbers"),
    ({"ed_frame": 6, "bbox": {"5": BOX}}, '"st_frame" is missing'),
    ({"st_frame": 5, "ed_frame": 6}, '"bbox" is missing'),
    ([1, 2], "must be a JSON object"),
]


@pytest.mark.parametrize(("prediction", "message"), WRONG)
def test_a_wrong_row_is_named_and_scores_0(score, prediction, message):
    result = score("hcstvg", TRUTH, {"a.mp4": prediction, "b.mp4": GOLD["b.mp4"]})
    assert result["m_vIoU"] == 0.5
    if message is None:  # boxes that are empty are no answer, whatever else stands there
        assert result["counts"]["unanswered"] == 1
        return
    assert result["counts"]["invalid"] == 1
    (problem,) = result["problems"]
    assert "preds.json, row 1 (a.mp4): " in problem
    assert message in problem


def test_one_frame_named_twice_in_the_same_way(score):
    rows = json.dumps(GOLD).replace('"6": [0', '"5": [0')
    result = score("hcstvg", TRUTH, rows)
    assert "names '5' twice" in result["problems"][0]


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ({"a.mp4": "The man stands up."}, r"truth.json, row 1 \(a.mp4\): a sample must be a JSON object"),
        ({"a.mp4": {"bbox": [BOX]}}, '"st_frame" is missing'),
        ({"a.mp4": {"bbox": [BOX], "st_frame": "1"}}, "whole numbers"),
        ({"a.mp4": {"bbox": [BOX], "st_frame": 1, "img_num": 0}}, "whole numbers"),
    ],
)
def test_a_truth_that_is_none(score, truth, message):
    with pytest.raises(UserError, match=message):
        score("hcstvg", truth, GOLD)


@pytest.mark.shared_data
def test_the_real_query_file_holds_no_truth(score, shared_data):
    with pytest.raises(UserError, match=r"hcstvg_query_v2.json, row 1"):
        score("hcstvg", shared_data / "stvg" / "hcstvg_query_v2.json", GOLD)
