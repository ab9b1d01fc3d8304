from __future__ import annotations

import json
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from grounding.core import UserError
from grounding.core.rle import encode, to_json

SIZE = (20, 30)


def mask(columns):
    dense = np.zeros(SIZE, bool)
    dense[:, columns] = True
    return dense


def coco(dense):
    return {"size": list(SIZE), "counts": to_json(encode(dense))}


LEFT, RIGHT, BOTH = mask(range(0, 10)), mask(range(20, 30)), mask([*range(0, 10), *range(20, 30)])
EMPTY = np.zeros(SIZE, bool)


@pytest.fixture
def truth(tmp_path):
    """One video of two frames. Expression 0 means both objects, 1 the one that is there on the first frame only."""
    folder = tmp_path / "valid_u"
    folder.mkdir()
    expressions = {"0": {"exp": "birds", "anno_id": [7, 8]}, "1": {"exp": "a bird", "anno_id": [8]}}
    meta = {"videos": {"v1": {"frames": ["00000", "00001"], "expressions": expressions}}}
    (folder / "meta_expressions.json").write_text(json.dumps(meta))
    masks = {"7": [coco(LEFT), coco(LEFT)], "8": [coco(RIGHT), None]}
    (folder / "mask_dict.json").write_text(json.dumps(masks))
    return folder


def submitted(folder, **expressions):
    for name, frames in expressions.items():
        place = folder / "v1" / name.removeprefix("e")
        place.mkdir(parents=True)
        for number, dense in enumerate(frames):
            cv2.imwrite(str(place / f"{number:05d}.png"), dense.astype(np.uint8) * 255)
    return folder


def test_the_truth_scores_everything(score, truth, tmp_path):
    folder = submitted(tmp_path / "out", e0=[BOTH, LEFT], e1=[RIGHT, EMPTY])
    result = score("mevis", truth, folder, strict=True)
    assert (result["J"], result["F"], result["J&F"]) == (1.0, 1.0, 1.0)


def test_rows_of_masks_are_the_same(score, truth):
    rows = [
        {"id": "v1/0", "masks": [coco(BOTH), coco(LEFT)]},
        {"id": "v1/1", "masks": [coco(RIGHT), None]},
    ]
    assert score("mevis", truth, rows, ("unused", "preds.jsonl"), strict=True)["J&F"] == 1.0


def test_rows_that_hold_the_truth_too_are_scored_by_the_prediction(score, truth):
    said = [{"id": "v1/0", "masks": [coco(BOTH), coco(LEFT)], "pred_masks": [coco(LEFT), coco(LEFT)]}]
    assert score("mevis", truth, said, ("unused", "preds.jsonl"), skip_missing=True)["J"] == 3 / 4


def test_by_hand(score, truth, tmp_path):
    # Expression 0: frame 0 half of both (J 1 / 2), frame 1 all (1): 3 / 4. F of frame 0: the boundary of LEFT, column
    # 9, is one of the two columns 9 and 19 of the truth (the right object touches the border): precision 1,
    # recall 1 / 2, F 2 / 3; with frame 1: 5 / 6. Expression 1 is missing.
    folder = submitted(tmp_path / "out", e0=[LEFT, LEFT])
    result = score("mevis", truth, folder)
    assert result["J"] == pytest.approx((3 / 4 + 0) / 2)
    assert result["F"] == pytest.approx((5 / 6 + 0) / 2)
    assert result["J&F"] == pytest.approx((result["J"] + result["F"]) / 2)
    assert result["missing"] == ["v1/1"]


def test_nothing_is_right_where_nothing_is(score, truth, tmp_path):
    # Expression 1 has no mask on frame 1: an empty prediction is 1 there, and 0 on frame 0.
    folder = submitted(tmp_path / "out", e1=[EMPTY, EMPTY])
    assert score("mevis", truth, folder, skip_missing=True)["J"] == 0.5


def test_an_expression_without_objects(score, truth, tmp_path):
    meta = json.loads((truth / "meta_expressions.json").read_text())
    meta["videos"]["v1"]["expressions"]["1"]["anno_id"] = []
    (truth / "meta_expressions.json").write_text(json.dumps(meta))
    folder = submitted(tmp_path / "out", e1=[EMPTY, LEFT])
    assert score("mevis", truth, folder, skip_missing=True)["J"] == 0.5


def test_kinds_of_pictures(score, truth, tmp_path):
    # Whatever is not 0 is mask: a palette's index also where its colour is black, grey of 1 bit, and colours.
    folder = submitted(tmp_path / "out", e0=[BOTH, LEFT])
    palette = Image.fromarray(BOTH.astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 0, 0, 0])
    palette.save(folder / "v1" / "0" / "00000.png")
    for picture in (Image.fromarray(LEFT), Image.fromarray(LEFT[..., None] * np.array([0, 0, 9], np.uint8))):
        picture.save(folder / "v1" / "0" / "00001.png")
        assert score("mevis", truth, folder, skip_missing=True)["J&F"] == 1.0


def test_a_picture_is_measured_before_it_is_decoded(score, truth, tmp_path):
    # The header says 8000 x 8000; decoding it would fail, for nonsense follows.
    folder = submitted(tmp_path / "out", e0=[BOTH, LEFT], e1=[RIGHT, EMPTY])
    path = folder / "v1" / "1" / "00000.png"
    chunks = {b"IHDR": struct.pack(">IIBBBBB", 8000, 8000, 8, 0, 0, 0, 0), b"IDAT": b"none"}
    parts = [struct.pack(">I", len(v)) + k + v + struct.pack(">I", zlib.crc32(k + v)) for k, v in chunks.items()]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    (problem,) = score("mevis", truth, folder)["problems"]
    assert "has 8000 x 8000 pixels, the truth 30 x 20" in problem
    path.unlink()
    os.mkfifo(path)
    (problem,) = score("mevis", truth, folder)["problems"]
    assert "it is a named pipe" in problem


def test_a_truth_of_too_many_pixels(score, truth, tmp_path):
    masks = {"7": [{"size": [100_000, 100_000], "counts": [10**10]}] * 2, "8": [None, None]}
    (truth / "mask_dict.json").write_text(json.dumps(masks))
    with pytest.raises(UserError, match="more than the limit"):
        score("mevis", truth, submitted(tmp_path / "out", e0=[BOTH, LEFT]))


def test_a_frame_is_missing(score, truth, tmp_path):
    folder = submitted(tmp_path / "out", e0=[BOTH, LEFT], e1=[RIGHT])
    (problem,) = score("mevis", truth, folder)["problems"]
    assert "row 2 (v1/1): cannot read" in problem and "00001.png" in problem


def test_a_picture_that_is_none_or_of_another_size(score, truth, tmp_path):
    folder = submitted(tmp_path / "out", e0=[BOTH, LEFT], e1=[RIGHT[:10], EMPTY])
    (folder / "v1" / "0" / "00001.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"none of its 2 rows can be used; the first: row 1: .* is no picture"):
        score("mevis", truth, folder)
    cv2.imwrite(str(folder / "v1" / "0" / "00001.png"), LEFT.astype(np.uint8))
    (problem,) = score("mevis", truth, folder)["problems"]
    assert "has 30 x 10 pixels, the truth 30 x 20" in problem


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([coco(LEFT)], "one mask (RLE or null) for each of the 2 frames, got 1 masks"),
        ([coco(LEFT)] * 3, "got 3 masks"),
        ("x", "got str"),
        ([{"size": [5, 5], "counts": "0"}, None], "frame 0: RLE size must be"),
        ([{"size": list(SIZE), "counts": "~~"}, None], "frame 0: RLE"),
    ],
)
def test_a_wrong_row_is_named(score, truth, masks, message):
    good = {"id": "v1/0", "masks": [coco(BOTH), coco(LEFT)]}
    result = score("mevis", truth, [good, {"id": "v1/1", "masks": masks}], ("unused", "preds.jsonl"))
    assert "preds.jsonl, row 2 (v1/1): " in result["problems"][0] and message in result["problems"][0]
    assert result["J"] == 0.5


def test_a_split_without_masks(score, truth, tmp_path):
    (truth / "mask_dict.json").write_text(json.dumps({"7": [None, None], "8": [None, None]}))
    with pytest.raises(UserError, match="video v1: no object has a mask"):
        score("mevis", truth, tmp_path)


def test_a_truth_cannot_lead_out_of_the_prediction_folder(score, truth, tmp_path):
    meta = json.loads((truth / "meta_expressions.json").read_text())
    meta["videos"]["v1"]["frames"] = ["00000", "../../../secret"]
    (truth / "meta_expressions.json").write_text(json.dumps(meta))
    folder = submitted(tmp_path / "out", e0=[BOTH, LEFT])
    with pytest.raises(UserError, match="leaves its root"):
        score("mevis", truth, folder)
