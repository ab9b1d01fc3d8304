from __future__ import annotations

import json
import shutil

import pytest

from grounding.core import UserError

BOX = {"xmin": 0, "ymin": 0, "xmax": 10, "ymax": 10}


def entry(**more):
    return {
        "vid": "77",
        "fps": 10.0,
        "frame_count": 100,
        "used_segment": {"begin_fid": 0, "end_fid": 40},
        "temporal_gt": {"begin_fid": 10, "end_fid": 20},
        "captions": [{"description": "a dog runs", "type": "object", "target_id": 1}],
        "questions": [{"description": "what runs?", "type": "object", "target_id": 1}],
        **more,
    }


@pytest.fixture
def truth(tmp_path):
    """The official list with VidOR's boxes: object 1 on frames 0 to 29."""
    folder = tmp_path / "vidor" / "0001"
    folder.mkdir(parents=True)
    frames = [[{"tid": 1, "bbox": BOX}] if frame < 30 else [] for frame in range(100)]
    (folder / "77.json").write_text(json.dumps({"video_id": "77", "trajectories": frames}))
    path = tmp_path / "test_annotations.json"
    path.write_text(json.dumps([entry()]))
    return path


def tube(first, end, box=(0, 0, 10, 10)):
    return {"sted": [first, end], "boxes": {str(frame): list(box) for frame in range(first, end)}}


def test_the_truth_scores_everything(score, truth):
    for compat in ("definition", "tubedetr", "tubedetr_2022"):
        result = score("vidstg", truth, {"0_c0": tube(10, 20), "0_q0": tube(10, 20)}, compat=compat, strict=True)
        assert [result[prefix + "m_vIoU"] for prefix in ("", "declarative_", "interrogative_")] == [1.0, 1.0, 1.0]


def test_sentences_of_both_kinds_by_hand(score, truth):
    # The caption: frames 10..19 against 15..24, 5 of 15. The question: nothing.
    result = score("vidstg", truth, {"0_c0": tube(15, 25), "0_q0": None})
    assert result["declarative_m_vIoU"] == pytest.approx(5 / 15)
    assert result["interrogative_m_vIoU"] == 0.0
    assert result["m_vIoU"] == pytest.approx(5 / 15 / 2)
    assert result["figures"]["declarative_m_vIoU"]["samples"] == 1


def test_tubedetr_by_hand(score, truth):
    # Every second frame of 0..39. Truth 10, ..., 18 (5), predicted 10, ..., 28 (10), all 5 shared: 5 / 10, and 5 / 5
    # with the union that ends with the truth.
    late = {"0_c0": tube(10, 30), "0_q0": tube(10, 30)}
    assert score("vidstg", truth, late, compat="tubedetr")["m_vIoU"] == pytest.approx(5 / 10)
    assert score("vidstg", truth, late, compat="tubedetr_2022")["m_vIoU"] == 1.0


def test_tubedetrs_processed_file(score):
    video = {
        "video_id": 3, "original_video_id": "77", "target_id": 1, "fps": 10.0, "start_frame": 0, "end_frame": 40,
        "tube_start_frame": 10, "tube_end_frame": 12, "qtype": "declarative",
    }  # fmt: skip
    boxes = {str(frame): {"bbox": [1, 2, 3, 4]} for frame in range(10, 12)}  # x, y, width, height
    result = score(
        "vidstg", {"videos": [video], "trajectories": {"77": {"1": boxes}}}, {"3": tube(10, 12, (1, 2, 4, 6))}
    )
    assert result["declarative_m_vIoU"] == 1.0
    padded = {frame.zfill(4): box for frame, box in boxes.items()}
    truth = {"videos": [video], "trajectories": {"77": {"1": padded}}}
    assert score("vidstg", truth, {"3": tube(10, 12, (1, 2, 4, 6))})["m_vIoU"] == 1.0
    truth["trajectories"]["77"]["1"] = boxes | padded
    with pytest.raises(UserError, match="boxes name a frame twice"):
        score("vidstg", truth, {"3": tube(10, 12)})
    twice = {"videos": [video, video], "trajectories": {"77": {"1": boxes}}}
    with pytest.raises(UserError, match="the id 3 stands twice"):
        score("vidstg", twice, {"3": tube(10, 12)})


def test_no_questions_at_all(score, truth):
    truth.write_text(json.dumps([entry(questions=None)]))
    assert score("vidstg", truth, {"0_c0": tube(10, 20)}, strict=True)["m_vIoU"] == 1.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"vid": "78"}, "entry 0: no boxes of video 78"),
        ({"temporal_gt": {"begin_fid": 50, "end_fid": 60}}, "the target has no box on frames 50 to 59"),
        ({"temporal_gt": {"begin_fid": 20, "end_fid": 10}}, "must begin before it ends"),
        ({"fps": "10"}, "fps must be a finite number"),
    ],
)
def test_a_truth_that_is_none(score, truth, changed, message):
    truth.write_text(json.dumps([entry(**changed)]))
    with pytest.raises(UserError, match=f"test_annotations.json: .*{message}"):
        score("vidstg", truth, {})


@pytest.mark.shared_data
def test_real_sentences_with_real_boxes(score, shared_data, tmp_path):
    # The two videos whose boxes are there: 5 entries, 11 sentences, a box in every frame of each range.
    rows = json.loads((shared_data / "stvg" / "vidstg" / "test_annotations.json").read_text())
    rows = [row for row in rows if row["vid"] in ("11566930393", "2793806282")]
    shutil.copytree(shared_data / "stvg" / "vidor", tmp_path / "vidor")
    boxes = {}
    for path in (tmp_path / "vidor").glob("*.json"):
        for frame, objects in enumerate(json.loads(path.read_text())["trajectories"]):
            for one in objects:
                sides = [one["bbox"][key] for key in ("xmin", "ymin", "xmax", "ymax")]
                boxes.setdefault((path.stem, one["tid"]), {})[frame] = sides
    gold = {}
    for place, row in enumerate(rows):
        first, end = row["temporal_gt"]["begin_fid"], row["temporal_gt"]["end_fid"]
        for letter, key in (("c", "captions"), ("q", "questions")):
            for index, sentence in enumerate(row[key]):
                track = boxes[row["vid"], sentence["target_id"]]
                named = {str(frame): track[frame] for frame in range(first, end)}
                gold[f"{place}_{letter}{index}"] = {"sted": [first, end], "boxes": named}
    assert len(gold) == 11
    result = score("vidstg", rows, gold, strict=True)
    assert (result["m_tIoU"], result["m_vIoU"]) == (1.0, 1.0)
