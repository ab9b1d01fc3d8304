"""Tests of grounding.masks.id_maps."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from grounding.core import UserError
from grounding.masks.id_maps import MAX_IDS, id_map_files, read_id_map, read_id_maps


def write(folder: Path, *pictures: Image.Image, names: str = "{:03}.png") -> Path:
    for frame, picture in enumerate(pictures):
        picture.save(folder / names.format(frame))
    return folder


def grey(labels: list[list[int]], dtype: type = np.uint8) -> Image.Image:
    return Image.fromarray(np.array(labels, dtype))


def palette(labels: list[list[int]]) -> Image.Image:
    picture = Image.fromarray(np.array(labels, np.uint8), mode="P")
    picture.putpalette([200, 10, 10, 10, 200, 10, 10, 10, 200, 9, 9, 9])
    return picture


def png(bits: int, colour_type: int, rows: list[list[int]], width: int, height: int | None = None) -> bytes:
    """A PNG by hand; `rows` are the bytes of each row."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, len(rows) if height is None else height, bits, colour_type, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(3 * 2**bits)) if colour_type == 3 else b""
    data = zlib.compress(b"".join(bytes([0, *row]) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("colour_type", [0, 3])  # grey, palette
@pytest.mark.parametrize(
    ("bits", "row", "ids"),
    [
        (1, [0b01100000], [0, 1, 1, 0]),
        (2, [0b00011011], [0, 1, 2, 3]),
        (4, [0x01, 0x2F], [0, 1, 2, 15]),
        (8, [0, 1, 17, 255], [0, 1, 17, 255]),
    ],
)
def test_ids_of_few_bits(tmp_path: Path, colour_type: int, bits: int, row: list[int], ids: list[int]) -> None:
    (tmp_path / "a.png").write_bytes(png(bits, colour_type, [row], 4))
    read = read_id_map(tmp_path / "a.png")
    assert read.dtype == np.uint8 and read.tolist() == [ids]


def test_ids_of_sixteen_bits(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(16, 0, [[0, 1, 1, 0, 255, 255]], 3))
    read = read_id_map(str(tmp_path / "a.png"), (1, 3))
    assert read.dtype == np.uint16 and read.tolist() == [[1, 256, 65535]]


def test_boolean_arrays_as_pillow_saves_them(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert read_id_map(tmp_path / "a.png").tolist() == [[1, 0]]


def test_colour_pictures_are_no_id_maps(tmp_path: Path) -> None:
    for mode in ("RGB", "RGBA", "LA"):
        Image.new(mode, (2, 2)).save(tmp_path / "a.png")
        with pytest.raises(UserError, match=r"a\.png is a colour picture"):
            read_id_map(tmp_path / "a.png")


def test_another_size_is_refused_before_decoding(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(8, 0, [[1]], 4, 5))  # its pixels are missing, so decoding would fail
    with pytest.raises(UserError, match=r"a\.png is 4 x 5 pixels, expected 3 x 2"):
        read_id_map(tmp_path / "a.png", (2, 3))
    with pytest.raises(UserError, match=r"cannot read .*a\.png as a picture"):
        read_id_map(tmp_path / "a.png", (5, 4))


@pytest.mark.parametrize("make", [grey, palette])
def test_values_become_ids_and_zero_is_nothing(tmp_path: Path, make, video) -> None:
    write(tmp_path, make([[0, 1, 1], [0, 0, 3]]), make([[0, 0, 0], [3, 3, 3]]), make([[0, 0, 0], [0, 0, 0]]))
    masklets = read_id_maps(tmp_path, video(size=(2, 3)))
    assert masklets.ids == [1, 3]
    assert masklets.size == (2, 3)
    assert masklets.fps == 10.0
    assert masklets.pts.tolist() == [0.0, 0.1, 0.2]
    assert masklets.masks_at(0)[1].tolist() == [[False, True, True], [False, False, False]]
    assert masklets.masks_at(0)[3].tolist() == [[False, False, False], [False, False, True]]
    assert list(masklets.masks_at(1)) == [3]
    assert masklets.masks_at(2) == {}


def test_sixteen_bit_ids(tmp_path: Path, video) -> None:
    write(tmp_path, *[grey([[0, 300], [65535, 300]], np.uint16)] * 3)
    masklets = read_id_maps(tmp_path, video(size=(2, 2)))
    assert masklets.ids == [300, 65535]
    assert masklets.masks_at(1)[300].tolist() == [[False, True], [False, True]]


def test_numbers_in_names_are_compared_as_numbers(tmp_path: Path, video) -> None:
    for name, value in {"f10.png": 3, "f9.png": 2, "f1.png": 1}.items():
        grey([[value]]).save(tmp_path / name)
    masklets = read_id_maps(tmp_path, video(size=(1, 1)))
    assert [list(masklets.masks_at(frame)) for frame in range(3)] == [[1], [2], [3]]


def test_other_and_hidden_files_are_left_alone(tmp_path: Path, video) -> None:
    write(tmp_path, grey([[1]]), grey([[2]]), names="{:03}.PNG")
    (tmp_path / "._000.png").write_bytes(b"left by an archiver")
    (tmp_path / "notes.txt").write_text("mine")
    assert read_id_maps(tmp_path, video(2, size=(1, 1))).ids == [1, 2]


@pytest.mark.parametrize("count", [0, 2, 4])
def test_one_image_a_frame(tmp_path: Path, count: int, video) -> None:
    write(tmp_path, *[grey([[1]])] * count)
    with pytest.raises(UserError, match=rf"holds {count} PNGs for 3 frames of the video; give one a source frame"):
        read_id_maps(tmp_path, video(size=(1, 1)))


def test_a_colour_picture_is_named(tmp_path: Path, video) -> None:
    write(tmp_path, grey([[1]]), Image.new("RGB", (1, 1)), grey([[1]]))
    with pytest.raises(UserError, match=r"001\.png is a colour picture, .*; save it as palette or grey"):
        read_id_maps(tmp_path, video(size=(1, 1)))


def test_another_size_is_named_with_both_sizes(tmp_path: Path, video) -> None:
    write(tmp_path, grey([[1, 1]]), grey([[1, 1]]), grey([[1], [1]]))
    with pytest.raises(UserError, match=r"002\.png is 1 x 2 pixels, expected 2 x 1"):
        read_id_maps(tmp_path, video(size=(1, 2)))


@pytest.mark.parametrize("keep", [0, 10, 30, 50])
def test_an_unreadable_image_in_the_middle_is_named(tmp_path: Path, keep: int, video) -> None:
    write(tmp_path, *[grey(np.arange(64).reshape(8, 8).tolist())] * 3)
    torn = tmp_path / "001.png"
    torn.write_bytes(torn.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"001\.png"):
        read_id_maps(tmp_path, video(size=(8, 8)))


def test_a_jpeg_in_disguise_is_refused(tmp_path: Path, video) -> None:
    write(tmp_path, grey([[1]]))
    grey([[1]]).save(tmp_path / "001.png", format="JPEG")
    with pytest.raises(UserError, match=r"001\.png is no picture that is read here; give one of PNG"):
        read_id_maps(tmp_path, video(2, size=(1, 1)))


def test_a_mask_of_true_and_false_is_object_1(tmp_path: Path, video) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "0.png")  # Pillow writes 1 bit a pixel
    assert read_id_maps(tmp_path, video(1, size=(1, 2))).masks_at(0)[1].tolist() == [[True, False]]


def test_a_huge_picture_is_refused_by_its_header(tmp_path: Path, video) -> None:
    (tmp_path / "0.png").write_bytes(png(1, 0, [[0]], width=50_000))
    with pytest.raises(UserError, match=r"0\.png is 50000 x 1 pixels, expected 2 x 1"):
        read_id_maps(tmp_path, video(1, size=(1, 2)))


def test_a_depth_map_given_by_mistake_is_refused(tmp_path: Path, video) -> None:
    write(tmp_path, grey(np.arange(40 * 40).reshape(40, 40).tolist(), np.uint16))  # 1599 values beside 0
    with pytest.raises(UserError, match=rf"000\.png holds 1599 different values, more than {MAX_IDS} ids"):
        read_id_maps(tmp_path, video(1, size=(40, 40)))


def test_too_many_ids_over_the_frames_are_refused(tmp_path: Path, video) -> None:
    values = np.arange(1, 1201, dtype=np.uint16).reshape(3, 20, 20)  # 400 new ids in each of 3 frames
    write(tmp_path, *(Image.fromarray(value) for value in values))
    with pytest.raises(UserError, match=r"002\.png: more than 1000 different ids so far"):
        read_id_maps(tmp_path, video(size=(20, 20)))


def test_a_missing_folder_is_a_user_error(tmp_path: Path, video) -> None:
    with pytest.raises(UserError, match=r"cannot read the folder .*nowhere"):
        read_id_maps(tmp_path / "nowhere", video(size=(1, 1)))


def test_a_folder_named_like_an_image_is_refused(tmp_path: Path, video) -> None:
    (tmp_path / "0.png").mkdir()
    with pytest.raises(UserError, match=r"0\.png: it is a folder; give the path of a file"):
        read_id_maps(tmp_path, video(1, size=(1, 1)))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, video) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    grey([[1]]).save(tmp_path / "secret.png")
    (folder / "0.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(UserError, match="leaves its root"):
        read_id_maps(folder, video(1, size=(1, 1)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_never_do_worse_than_a_user_error(tmp_path: Path, video, data: st.DataObject) -> None:
    grey([[1, 2, 3], [4, 5, 6]]).save(tmp_path / "0.png")
    body = bytearray((tmp_path / "0.png").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "0.png").write_bytes(body[: data.draw(st.integers(0, len(body)))])
    try:
        masklets = read_id_maps(tmp_path, video(1, size=(2, 3)))
    except UserError as error:
        assert "0.png" in str(error)
    else:
        assert all(1 <= i <= 65535 for i in masklets.ids)


def test_id_maps_of_a_folder_are_in_natural_order(tmp_path: Path) -> None:
    for name in ("f10.png", "f9.PNG", "f1.png", "._f2.png", "notes.txt"):
        (tmp_path / name).touch()
    assert list(id_map_files(tmp_path)) == ["f1", "f9", "f10"]
    assert id_map_files(str(tmp_path))["f9"].name == "f9.PNG"
    with pytest.raises(UserError, match=r"cannot read the folder .*none"):
        id_map_files(tmp_path / "none")


@pytest.mark.parametrize(("one", "other"), [("f1.png", "f01.png"), ("f1.png", "f1.PNG")])
def test_two_id_maps_of_one_frame_are_refused(tmp_path: Path, one: str, other: str) -> None:
    for name in (one, other):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"holds f.* and f.*, which are of the same frame; remove one"):
        id_map_files(tmp_path)


@pytest.mark.parametrize("first", [0, 60_000])
def test_a_thousand_ids_are_read_whatever_their_numbers(tmp_path: Path, first: int) -> None:
    ids = np.arange(first + 1, first + 1 + MAX_IDS, dtype=np.uint16).reshape(20, 50)
    Image.fromarray(ids).save(tmp_path / "a.png")
    assert read_id_map(tmp_path / "a.png").tolist() == ids.tolist()
    Image.fromarray(np.append(ids, ids[:1] + np.uint16(MAX_IDS), axis=0)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png holds 1050 different values, more than 1000 ids"):
        read_id_map(tmp_path / "a.png")


def test_pipes_and_missing_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("pipe.png", "none.png"):
        with pytest.raises(UserError, match=name):
            read_id_map(tmp_path / name)
