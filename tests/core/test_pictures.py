"""Pictures: named formats only, sizes before pixels."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from grounding.core import UserError
from grounding.core.pictures import open_picture, picture_size

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


def png(bits: int, colour_type: int, rows: list[list[int]], width: int, height: int | None = None) -> bytes:
    """A PNG by hand; `rows` are the bytes of each row."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, len(rows) if height is None else height, bits, colour_type, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(3 * 2**bits)) if colour_type == 3 else b""
    data = zlib.compress(b"".join(bytes([0, *row]) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", data) + chunk(b"IEND", b"")


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
    with pytest.raises(UserError, match="it is a named pipe"):
        picture_size(tmp_path / "a.png", "x")
    with pytest.raises(UserError, match="No such file"):
        picture_size(tmp_path / "none.png", "x")
