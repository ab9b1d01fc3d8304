from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.evaluation.benchmarks.st_align import SampledClip, clip_truth, read_prediction, read_text
from grounding.evaluation.stvg import tiou, viou

NAMES = ("truth.json", "preds.json")
CLIP = SampledClip("a.mp4", 10, 208, (100, 200))  # 198 frames after the first: token k is frame 10 + 2 k


def annotation(first, last, boxes, name="a.mp4", clip=(10, 208), size=(200, 100)):
    meta = {"width": size[0], "height": size[1], "split": list(clip), "time_token": {"<s>": first, "<e>": last}}
    meta["spatial_token"] = {"<bboxes>": {str(frame): box for frame, box in boxes.items()}}
    return {"video_path": f"videos/{name}", "meta": meta, "conversations": []}


def place(token, *sides):
    return f"<TEMP-{token:03d}>:[<WIDTH-{sides[0]}><HEIGHT-{sides[1]}><WIDTH-{sides[2]}><HEIGHT-{sides[3]}>]"


# The whole picture on frames 30, 32, 34 (tokens 10 to 12), and a box on 35, which is not sampled. Time: frames 30 to
# 34, (30 - 10) / 198 = 0.101 and 24 / 198 = 0.121.
TRUTH = [annotation(30, 34, {30: [0, 0, 200, 100], 32: [0, 0, 200, 100], 34: [0, 0, 200, 100], 35: [0, 0, 1, 1]})]
WHOLE = (0, 0, 99, 99)
RIGHT = f"{{<TEMP-010><TEMP-012>}} {place(10, *WHOLE)} {place(11, *WHOLE)} {place(12, *WHOLE)}"


def test_a_text_by_hand(score):
    # Tokens 10 to 14: 0.10101 to 0.14141 against 0.101 to 0.121: 0.01999 / 0.04041 = 0.49468.
    # Boxes on tokens 11, 12, 13; half the picture on 11: (0.5 + 1) / 4 frames = 0.375.
    # 49 / 99 of 100 rows are 49.49, 49 rows: 0.49 of the picture; so (0.49 + 1) / 4 = 0.3725.
    text = f"{{<TEMP-010><TEMP-014>}} {place(11, 0, 0, 99, 49)}, {place(12, *WHOLE)}, {place(13, *WHOLE)}"
    result = score("st_align", TRUTH, [{"outputs": text}], NAMES, strict=True)
    assert result["m_tIoU"] == pytest.approx((0.121 - 0.10101) / (0.14141 - 0.101))
    assert result["m_vIoU"] == pytest.approx(1.49 / 4)
    assert (result["vIoU>=0.3"], result["vIoU>=0.5"], result["tIoU>=0.5"]) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "predictions",
    [
        [{"outputs": RIGHT}],
        [{"id": 0, "outputs": RIGHT}],
        {"0": {"outputs": RIGHT}},
        {"0": RIGHT},
        [{"outputs": RIGHT, "converted_outputs": "", "video_path": "elsewhere/a.mp4", "split": [10, 208], "gt": {}}],
        {"0": {"sted": [30, 35], "boxes": {str(frame): [0, 0, 200, 100] for frame in range(30, 35)}}},
        {"0": {"st_frame": 30, "ed_frame": 34, "bbox": {str(frame): [0, 0, 200, 100] for frame in (30, 32, 34)}}},
    ],
)
def test_all_forms_of_the_right_answer(score, predictions):
    result = score("st_align", TRUTH, predictions, NAMES, strict=True)
    assert result["m_vIoU"] == 1.0
    # A text's times have five decimals, the truth's three: 0.10101 to 0.12121 against 0.101 to 0.121.
    assert result["m_tIoU"] > 0.98


def test_rows_of_ones_own_are_read_as_for_stvg(score):
    rows = [{"id": "a", "interval": [1.0, 3.0], "boxes": {"4": [0, 0, 1, 1]}, "meta": {"of": "mine"}}]
    assert score("st_align", rows, rows, NAMES, strict=True)["m_vIoU"] == 1.0
    assert '"bbox" is missing' in _refused(score, rows, [{"id": "a", "outputs": RIGHT}])


def _refused(score, truth, predictions):
    with pytest.raises(UserError) as caught:
        score("st_align", truth, predictions, NAMES)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "tiou", "viou"),
    [
        ("{<TEMP-010><TEMP-012>}", True, 0.0),  # a time without places
        (f"<TEMP-010> {place(10, *WHOLE)}", False, 1 / 3),  # a place without a time
        ("{ <TEMP-10> <TEMP-12>} <TEMP-10> : [ <WIDTH-0> <HEIGHT-0> <WIDTH-99> <HEIGHT-99> ]", True, 1 / 3),
        (f"{{<TEMP-012><TEMP-010>}} {RIGHT}", False, 1.0),  # the first range counts, and it is reversed
        (f"{place(10, 99, 99, 0, 0)} {RIGHT}", True, 1.0),  # of two places on one frame the last
        (f"{RIGHT} {place(10, 99, 99, 0, 0)}", True, 2 / 3),
    ],
)
def test_what_a_text_may_lack(score, text, tiou, viou):
    result = score("st_align", TRUTH, [{"outputs": text}], NAMES, strict=True)
    assert (result["tIoU>=0.5"] == 1.0) is tiou
    assert result["m_vIoU"] == pytest.approx(viou)


@pytest.mark.parametrize("said", ["", "it is at the left", "{0.1, 0.2}", None, "<TEMP-010>:[<WIDTH-0>]"])
def test_a_text_without_both_is_no_answer(score, said):
    result = score("st_align", [TRUTH[0], TRUTH[0]], [{"outputs": said}, {"outputs": RIGHT}], NAMES, strict=True)
    assert (result["counts"]["unanswered"], result["m_vIoU"]) == (1, 0.5)


def test_places_count_where_a_short_clip_has_fewer_frames_than_tokens():
    # Four frames: tokens 0 to 16 are frame 0, 17 to 49 frame 1 (17 * 3 / 99 = 0.515), 50 to 82 frame 2, then 3.
    clip = SampledClip("a.mp4", 0, 3, (10, 10))
    assert [clip.frame(token) for token in (0, 16, 17, 49, 50, 82, 83, 99)] == [0, 0, 1, 1, 2, 2, 3, 3]
    tube = read_text(place(0, *WHOLE) + place(16, 0, 0, 50, 50), clip)  # 50 / 99 of 10 is 5.05
    assert tube.frames.tolist() == [0] and tube.boxes.tolist() == [[0, 0, 5, 5]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"outputs": "{<TEMP-010><TEMP-120>}"}, "tokens go from 0 to 99, got 120"),
        ({"outputs": RIGHT, "video_path": "x/b.mp4"}, "the row is about ('b.mp4', [10, 208])"),
        ({"outputs": RIGHT, "split": [0, 208]}, "give each row its id"),
        ({"outputs": 3}, "a prediction must be a JSON object"),
        ({"id": 0, "interval": [0, 1], "boxes": {"1": [0, 0, 1, 1]}}, '"st_frame" is missing'),
        ({"id": 0, "sted": [35, 30], "boxes": {"30": [0, 0, 1, 1]}}, "sted is reversed"),
        ({"id": "x", "outputs": RIGHT}, "no sample with this id"),
    ],
)
def test_a_wrong_row_is_named(score, row, message):
    said = _refused(score, TRUTH, [row])
    assert "preds.json: none of its 1 rows can be used; the first: row 1: " in said
    assert message in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": [5, 5]}, "a clip must have two frames and a size, got 5 to 5"),
        ({"split": [0, 0.5]}, "got 0 to 0"),
        ({"split": "0-10"}, "split must be a list"),
        ({"width": 0}, "0 x 100"),
        ({"spatial_token": {}}, '"<bboxes>" is missing'),
        ({"spatial_token": {"<bboxes>": {"x": [0, 0, 1, 1]}}}, "boxes must be named by frames"),
        ({"spatial_token": {"<bboxes>": {"3": [0, 0, -1, 1]}}}, "x1 <= x2"),
        ({"time_token": {"<s>": 3}}, '"<e>" is missing'),
    ],
)
def test_a_wrong_annotation_is_named(score, changes, message):
    row = annotation(30, 34, {30: [0, 0, 200, 100]})
    row["meta"] |= changes
    with pytest.raises(UserError) as caught:
        score("st_align", [row], [{"outputs": RIGHT}], NAMES)
    assert "truth.json, row 1 (0): " in str(caught.value) and message in str(caught.value)


def test_lines_of_a_result_file_are_told_by_their_place(score):
    second = annotation(30, 34, {30: [0, 0, 200, 100]}, name="b.mp4")
    lines = [json.dumps({"outputs": RIGHT, "video_path": f"x/{name}.mp4"}) for name in "ab"]
    result = score("st_align", [TRUTH[0], second], "\n".join(lines), NAMES, strict=True)
    assert result["m_vIoU"] == pytest.approx((1 + 1 / 3) / 2)
    assert result["counts"]["answered"] == 2


@given(st.text() | st.lists(st.sampled_from([RIGHT, "{", "}", "<TEMP-1>", "[", ":", "<WIDTH-99>", " "])).map("".join))
def test_any_text_is_read(text):
    tube = read_text(text, CLIP)
    assert tube is None or len(tube.frames) == len(tube.boxes) <= 100


tokens = st.integers(0, 99)
spans = st.integers(0, 89).flatmap(lambda low: st.tuples(st.just(low), st.integers(low + 10, 99)))
places = st.dictionaries(tokens, st.tuples(spans, spans), min_size=1, max_size=8)


@given(time=spans, said=places, first=st.integers(0, 500), length=st.integers(99, 2000))
def test_an_annotation_of_what_a_text_says_finds_it_right(time, said, first, length):
    """Of a picture of 200 x 100: a token is at least a pixel, so no box of 10 tokens or more is empty."""
    text = f"{{<TEMP-{time[0]:03d}><TEMP-{time[1]:03d}>}}"
    text += " ".join(place(token, x[0], y[0], x[1], y[1]) for token, (x, y) in said.items())
    clip = SampledClip("a.mp4", first, first + length, (100, 200))
    tube = read_text(text, clip)
    frames = [clip.frame(token) for token in sorted(said)]
    assert tube.frames.tolist() == frames
    boxes = {
        str(frame): [x1, y1, x2 - x1, y2 - y1]
        for frame, (x1, y1, x2, y2) in zip(frames, tube.boxes.tolist(), strict=True)
    }
    row = annotation(clip.frame(time[0]), clip.frame(time[1]), boxes, clip=(first, first + length))
    truth = clip_truth(row)
    assert viou(tube, truth.tube) == pytest.approx(1.0)
    # Both ends may be off by half a frame of at least 99, and by the third decimal: 0.0056 of a range of 0.1 or more.
    assert tiou(tube, truth.tube) > 0.8
    assert read_prediction({"outputs": text, "split": [first, first + length]}, truth).frames.tolist() == frames


@pytest.mark.parametrize("tube", [{"sted": [30, 35], "boxes": None}, {"sted": [30, 35], "boxes": {}}, None])
def test_a_tube_without_boxes_is_no_answer(tube):
    assert read_prediction(tube, clip_truth(TRUTH[0])) is None


def test_a_tubes_time_is_told_in_shares_of_the_clip():
    # Frames 30 to 34 of 10 to 208: 20 / 198 = 0.101 and 24 / 198 = 0.121; the box on frame 31 is not sampled.
    tube = read_prediction({"sted": [30, 35], "boxes": {"30": [0, 0, 2, 2], "31": [0, 0, 2, 2]}}, clip_truth(TRUTH[0]))
    assert (tube.start, tube.end, tube.frames.tolist()) == (0.101, 0.121, [30])
