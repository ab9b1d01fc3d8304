"""Pictures: named formats only, sizes before pixels, ids as they were written."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.core import UserError
from grounding.core.pictures import id_map_files, open_picture, picture_size, read_id_map

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


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


def test_the_header_is_compared_with_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(png(1, 0, [[0]], 8192, 8193))
    with pytest.raises(UserError, match=r"a\.png is 8192 x 8193 = 67,117,056 pixels, more than the limit"):
        picture_size(tmp_path / "a.png", "a.png")
    monkeypatch.setenv("TUBELET_MAX_PIXELS", str(2**28))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)  # put back afterwards
    (tmp_path / "a.png").write_bytes(png(1, 0, [[0]], 16000, 16000))  # Pillow would warn
    assert picture_size(tmp_path / "a.png", "a.png") == (16000, 16000)


@pytest.mark.parametrize("side", [10_000, 32_000])  # Pillow warns of the first and refuses the second
def test_a_picture_that_pillow_finds_too_large(tmp_path: Path, side: int) -> None:
    (tmp_path / "a.png").write_bytes(png(1, 0, [[0]], side, side))
    with pytest.raises(UserError, match=r"a\.png is larger than the limit of 67,108,864 pixels; .* TUBELET_MAX_PIXELS"):
        picture_size(tmp_path / "a.png", "a.png")


def test_only_named_formats_are_opened(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(EPS)
    for source in (tmp_path / "a.png", EPS):
        told = r"^x is no picture that is read here; give one of PNG, JPEG"
        with pytest.raises(UserError, match=told), open_picture(source, "x") as image:
            image.load()
    data = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(data, "JPEG")
    assert picture_size(data.getvalue(), "x") == (2, 3)
    with pytest.raises(UserError, match="give one of PNG"):
        picture_size(data.getvalue(), "x", ("PNG",))


def test_pipes_and_missing_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    for read in (read_id_map, lambda path: picture_size(path, "x")):
        with pytest.raises(UserError, match="it is a named pipe"):
            read(tmp_path / "a.png")
        with pytest.raises(UserError, match="No such file"):
            read(tmp_path / "none.png")


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
