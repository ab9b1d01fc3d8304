from __future__ import annotations

import json

import pytest

from grounding.core import UserError

SPANS = {"77": {"duration": 30, "fps": 30.0, "location": {"0": [[2, 6], [20, 24]], "3": [[0, 10]]}}}
CSV = (
    "video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"
    "77,900,640,480,why,to eat,0,CW,to sleep,to eat,to run,to sit,to go\n"
    "77,900,640,480,how,4,3,CH,by car,by bus,by foot,by bike,by train\n"  # as an index
)


@pytest.fixture
def truth(tmp_path):
    (tmp_path / "val.csv").write_text(CSV)
    path = tmp_path / "gsub_val.json"
    path.write_text(json.dumps(SPANS))
    return path


def test_the_truth_scores_everything(score, truth):
    gold = {"77_0": {"span": [2, 6], "prediction": 1}, "77_3": {"span": [0, 10], "prediction": "E"}}
    result = score("nextgqa", truth, gold, strict=True)
    assert {result[name] for name in ("mIoP", "mIoU", "IoU@0.5", "IoP@0.5", "Acc@QA", "Acc@GQA")} == {100.0}


def test_by_hand(score, truth):
    # 77_0: 4..8 shares 2 s with 2..6: IoP 2 / 4, IoU 2 / 6. Right, and IoP reaches 0.5.
    # 77_3: 5..25 shares 5 s with 0..10: IoP 5 / 20, IoU 5 / 25. Right, but not grounded.
    rows = [
        {"id": "77_0", "span": [4, 8], "prediction": "to eat"},
        {"video_id": "77", "qid": "3", "span": [5, 25], "prediction": "(E)"},
    ]
    result = score("nextgqa", truth, rows, ("unused.json", "preds.jsonl"), strict=True)
    assert result["mIoP"] == pytest.approx(100 * (2 / 4 + 5 / 20) / 2)
    assert result["mIoU"] == pytest.approx(100 * (2 / 6 + 5 / 25) / 2)
    assert (result["Acc@QA"], result["Acc@GQA"]) == (100.0, 50.0)


def test_several_spans(score, truth):
    # Both gold spans: the first counts officially (IoU 1), all of them in the union (1), which a single one halves.
    both = {"77_0": [[2, 6], [20, 24]], "77_3": [0, 10]}
    result = score("nextgqa", truth, both)
    assert (result["mIoU"], result["mIoU_union"]) == (100.0, 100.0)
    assert "Acc@QA" not in result  # nobody answered anything
    result = score("nextgqa", truth, {"77_0": [2, 6], "77_3": [0, 10]})
    assert (result["mIoU"], result["mIoU_union"]) == (100.0, 75.0)


def test_of_several_spans_the_first_counts(score, truth):
    # 2..6 is right, 7..9 is not: officially all is well; of the union 2..6 with 7..9, 6 s, and 2..6 with 20..24, 8 s,
    # 4 s are shared of 10.
    result = score("nextgqa", truth, {"77_0": [[2, 6], [7, 9]]}, skip_missing=True)
    assert (result["mIoU"], result["mIoP"]) == (100.0, 100.0)
    assert result["mIoU_union"] == pytest.approx(40.0)


def test_the_official_folder(score, truth, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "val_ground_gs.json").write_text(json.dumps({"77_0": [2, 6], "77_3": [0, 10]}))
    said = {"77_0": {"answer": 0, "prediction": 0}, "77_3": {"answer": 4, "prediction": 4}}
    (folder / "val-res.json").write_text(json.dumps(said))
    # The file claims that 0 is the right answer to 77_0; the truth says 1.
    result = score("nextgqa", truth, folder, strict=True)
    assert (result["Acc@QA"], result["Acc@GQA"], result["mIoP"]) == (50.0, 50.0, 100.0)
    (folder / "val-res.json").write_text(json.dumps(said)[:-1] + ', "77_0": {"prediction": 1}}')
    result = score("nextgqa", truth, folder)
    assert (result["Acc@QA"], result["counts"]["duplicate"]) == (50.0, 1)
    (folder / "val_ground_ada.json").write_text("{}")
    with pytest.raises(UserError, match=r"must hold one \*_ground_\*.json"):
        score("nextgqa", truth, folder)


def test_without_the_csv_only_spans_are_scored(score):
    gold = {"77_0": {"span": [2, 6], "prediction": 1}, "77_3": [0, 10]}
    result = score("nextgqa", SPANS, gold, strict=True)
    assert result["mIoU"] == 100.0 and "Acc@GQA" not in result


@pytest.mark.parametrize("said", ["I cannot tell", "9", "F", "", -1])
def test_what_is_no_option_is_wrong_but_no_mistake(score, truth, said):
    gold = {"77_0": {"span": [2, 6], "prediction": said}, "77_3": {"span": [0, 10], "prediction": 4}}
    result = score("nextgqa", truth, gold, strict=True)
    assert (result["Acc@QA"], result["mIoU"]) == (50.0, 100.0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([6, 2], "a span is reversed"),
        ({"span": [2, 6], "gt": [2, 6]}, '"span" may be the truth, for the row has "gt" too'),
        ([2], "finite"),
        ({"answer": 1}, '"span" and "prediction" are missing'),
        ({"span": [2, 6], "prediction": [1]}, "must be an index, a letter or a text"),
    ],
)
def test_a_wrong_row_is_named(score, truth, value, message):
    result = score("nextgqa", truth, {"77_0": value, "77_3": [0, 10]})
    assert "preds.json, row 1 (77_0): " in result["problems"][0] and message in result["problems"][0]
    assert result["mIoU"] == 50.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (CSV.replace("to eat,0", "to fly,0"), r"val.csv, row 2: the answer 'to fly' is none of a0 to a4"),
        (CSV.replace("a4", "b4"), r'val.csv, row 2: "a4" is missing'),
        (CSV + CSV.splitlines()[1] + "\n", "val.csv, row 4: the question 77_0 stands twice"),
        (CSV.rpartition("77,")[0], r"gsub_val.json, row 1 \(77\): .*val.csv has no question 77_3"),
    ],
)
def test_a_csv_that_does_not_fit(score, truth, changed, message):
    truth.with_name("val.csv").write_text(changed)
    with pytest.raises(UserError, match=message):
        score("nextgqa", truth, {"77_0": [2, 6]})


def test_a_question_of_two_videos_of_one_name(score, tmp_path):
    truth = tmp_path / "gsub_val.json"
    truth.write_text(json.dumps(SPANS)[:-1] + ', "77": {"location": {"3": [[1, 2]]}}}')
    with pytest.raises(UserError, match=r"gsub_val.json, row 2 \(77\): .*twice"):
        score("nextgqa", truth, {"77_0": [2, 6]})


@pytest.mark.parametrize("name", ["glue", "pred", "pred_span"])
def test_rows_that_hold_the_truth_too_are_scored_by_the_prediction(score, truth, name):
    result = score("nextgqa", truth, {"77_0": {"span": [2, 6], name: [4, 8]}}, skip_missing=True)
    assert result["mIoU"] == pytest.approx(100 * 2 / 6)


@pytest.mark.parametrize("value", [[None, None], {"span": [None, None]}, {"span": [], "prediction": None}])
def test_ways_to_say_nothing(score, truth, value):
    result = score("nextgqa", truth, {"77_0": value, "77_3": [0, 10]}, strict=True)
    assert (result["mIoU"], result["counts"]["unanswered"]) == (50.0, 1)


@pytest.mark.shared_data
def test_the_real_truth_scores_everything(score, shared_data):
    truth = shared_data / "vtg" / "nextgqa" / "gsub_val.json"
    spans = json.loads(truth.read_text())
    gold = {f"{video}_{qid}": one for video, entry in spans.items() for qid, one in entry["location"].items()}
    result = score("nextgqa", truth, gold, strict=True)
    assert result["counts"]["samples"] == 3358
    assert result["mIoU"] == result["mIoU_union"] == result["mIoP"] == 100.0


def test_a_mark_of_byte_order_is_no_part_of_a_column(score, truth):
    truth.with_name("val.csv").write_text("\ufeff" + CSV, encoding="utf-8")
    assert "Acc@QA" in score("nextgqa", truth, {"77_0": {"span": [0, 1], "prediction": 0}})["figures"]
