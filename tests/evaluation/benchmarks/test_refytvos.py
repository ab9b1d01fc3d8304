from __future__ import annotations

import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from grounding.core import UserError

SIZE = (20, 30)
LEFT, RIGHT, NOWHERE = slice(0, 10), slice(20, 30), slice(0, 0)


def picture(path, **columns):
    """An index image: `n3=LEFT` puts object 3 onto these columns."""
    ids = np.zeros(SIZE, np.uint8)
    for name, where in columns.items():
        ids[:, where] = int(name[1:])
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])  # id 3 is blue, which is no number
    image.save(path)


def write_meta(folder, **changes):
    expressions = {"0": {"exp": "a bird", "obj_id": "1"}, "1": {"exp": "the other", "obj_id": "3"}}
    entry = {"frames": ["00000", "00005"], "expressions": expressions} | changes
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta_expressions.json").write_text(json.dumps({"videos": {"v1": entry}}))


@pytest.fixture
def truth(tmp_path):
    """Object 1 stands left on both frames, object 3 right on the first one only."""
    folder = tmp_path / "train"
    write_meta(folder)
    picture(folder / "Annotations" / "v1" / "00000.png", n1=LEFT, n3=RIGHT)
    picture(folder / "Annotations" / "v1" / "00005.png", n1=LEFT)
    return folder


def submitted(folder, **expressions):
    for name, frames in expressions.items():
        for frame, where in zip(("00000", "00005"), frames, strict=False):
            place = folder / "v1" / name.removeprefix("e") / f"{frame}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            mask = np.zeros(SIZE, np.uint8)
            mask[:, where] = 255
            Image.fromarray(mask).save(place)
    return folder


def test_the_truth_scores_everything(score, truth, tmp_path):
    folder = submitted(tmp_path / "out", e0=[LEFT, LEFT], e1=[RIGHT, NOWHERE])
    result = score("refytvos", truth, folder, strict=True)
    assert (result["J"], result["F"], result["J&F"]) == (1.0, 1.0, 1.0)
    assert result["counts"]["samples"] == 2


def test_by_hand(score, truth, tmp_path):
    # Expression 0, frame 0: columns 0 to 19 against 0 to 9, J 10 / 20; the boundaries are the columns 19 and 9, farther
    # apart than 1 pixel (0.8 % of 36): F 0. Frame 1 is right. J 3/4, F 1/2. Expression 1: frame 0 is right, and on
    # frame 1 there is nothing to find, so LEFT is 0: J 1/2, F 1/2.
    folder = submitted(tmp_path / "out", e0=[slice(0, 20), LEFT], e1=[RIGHT, LEFT])
    result = score("refytvos", truth, folder, strict=True)
    assert (result["J"], result["F"]) == ((3 / 4 + 1 / 2) / 2, (1 / 2 + 1 / 2) / 2)
    assert result["J&F"] == pytest.approx((result["J"] + result["F"]) / 2)


@pytest.mark.parametrize("bits", [2, 4])
def test_ids_in_grey_of_few_bits(score, truth, tmp_path, bits):
    # Pillow reads the numbers 1 and 3 of a 4-bit grey PNG as 17 and 51.
    for frame, columns in (("00000", {1: LEFT, 3: RIGHT}), ("00005", {1: LEFT})):
        ids = np.zeros(SIZE, np.uint8)
        for number, where in columns.items():
            ids[:, where] = number
        (truth / "Annotations" / "v1" / f"{frame}.png").write_bytes(grey_png(ids, bits))
    folder = submitted(tmp_path / "out", e0=[LEFT, LEFT], e1=[RIGHT, NOWHERE])
    assert score("refytvos", truth, folder, strict=True)["J&F"] == 1.0


def grey_png(ids, bits):
    """A grey PNG of less than 8 bits a pixel."""
    spread = (ids[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(spread.reshape(len(ids), -1).astype(np.uint8), axis=1)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", ids.shape[1], ids.shape[0], bits, 0, 0, 0, 0),
        b"IDAT": zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)),
        b"IEND": b"",
    }
    chunks = (struct.pack(">I", len(p)) + n + p + struct.pack(">I", zlib.crc32(n + p)) for n, p in parts.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_the_servers_archive_and_the_official_folders(score, truth, tmp_path):
    (truth / "meta_expressions.json").unlink()
    write_meta(tmp_path / "meta_expressions" / "train")
    submitted(tmp_path / "out" / "Annotations", e0=[LEFT, LEFT])
    result = score("refytvos", truth, tmp_path / "out")
    assert (result["J"], result["missing"]) == (0.5, ["v1/1"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"expressions": {"0": {"exp": "a"}}}, 'video v1: expression 0: "obj_id" is missing'),  # the split valid
        ({"expressions": {"0": {"obj_id": "0"}}}, "1 or more, for 0 is the ground"),
        ({"expressions": {"0": {"obj_id": "x"}}}, "obj_id must be"),
        ({"expressions": {"0": {"obj_id": 2}}}, "object 2 is on no frame of"),
        ({"frames": []}, '"frames" must be a list with at least one entry'),
        ({"frames": ["00000", "00010"]}, "00010.png"),
        ({"frames": ["../../secret"]}, "leaves its root"),
    ],
)
def test_a_truth_that_is_none_is_named(score, truth, tmp_path, changes, message):
    write_meta(truth, **changes)
    with pytest.raises(UserError) as caught:
        score("refytvos", truth, submitted(tmp_path / "out", e0=[LEFT, LEFT]))
    assert "meta_expressions.json: video v1: " in str(caught.value) and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pictures_that_are_no_index_images_or_differ_in_size(score, truth, tmp_path):
    folder = submitted(tmp_path / "out", e0=[LEFT, LEFT])
    path = truth / "Annotations" / "v1" / "00005.png"
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(path)
    with pytest.raises(UserError, match=r"00005.png is a colour picture, not an index image"):
        score("refytvos", truth, folder)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(path)
    with pytest.raises(UserError, match=r"00005.png is 5 x 5 pixels, expected 30 x 20"):
        score("refytvos", truth, folder)


def test_a_folder_without_meta(score, tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(UserError, match=r"cannot read .*meta_expressions.json"):
        score("refytvos", tmp_path / "train", submitted(tmp_path / "out", e0=[LEFT, LEFT]))


def test_what_is_wrong_with_a_submission_is_named(score, truth, tmp_path):
    folder = submitted(tmp_path / "out", e0=[LEFT, LEFT], e1=[RIGHT])
    (problem,) = score("refytvos", truth, folder)["problems"]
    assert "row 2 (v1/1): cannot read" in problem and "00005.png" in problem
