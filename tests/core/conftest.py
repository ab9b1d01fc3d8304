"""Small videos made for tests: frame k is a flat grey of level 8 k + 8, so that a picture tells which frame it is."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

Film = Callable[..., Path]
SIZE = (48, 64)
MARK = 12  # a white square in the upper left corner, to see rotations


def frame_number(picture: np.ndarray) -> int:
    """Which frame of a film this is; read from its middle, away from the mark."""
    height, width = picture.shape[:2]
    middle = picture[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8]
    return round((float(middle.mean()) - 8) / 8)


def film_frame(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    picture = np.full((*size, 3), 8 * index + 8, np.uint8)
    picture[:MARK, :MARK] = 255
    return picture


@pytest.fixture
def numbered() -> Callable[[np.ndarray], int]:
    return frame_number


@pytest.fixture
def film(tmp_path: Path) -> Film:
    """Make a video: `film(name, count=20, fps=10, stamps_ms=None, b_frames=0, gop=6, codec="libx264")`."""

    def make(
        name: str = "film.mp4",
        *,
        count: int = 20,
        fps: int = 10,
        stamps_ms: Sequence[int] | None = None,
        b_frames: int = 0,
        gop: int = 6,
        codec: str = "libx264",
        noise: bool = False,
    ) -> Path:
        path = tmp_path / name
        random = np.random.default_rng(0)
        with av.open(str(path), "w", options={"movflags": "faststart"} if path.suffix == ".mp4" else {}) as out:
            stream = out.add_stream(codec, rate=fps)
            stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
            stream.gop_size = gop
            if codec == "libx264":
                # b-adapt 0: B-frames always, also where the encoder sees no use in them
                stream.codec_context.options = {"bf": str(b_frames), "x264-params": "b-adapt=0", "crf": "4"}
            else:
                stream.bit_rate = 8_000_000
            if stamps_ms is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            out.start_encoding()
            for index in range(count):
                picture = random.integers(0, 255, (*SIZE, 3), np.uint8) if noise else film_frame(index)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                if stamps_ms is not None:
                    frame.pts, frame.time_base = stamps_ms[index], Fraction(1, 1000)
                out.mux(stream.encode(frame))
            if count:
                out.mux(stream.encode())
        return path

    return make


@pytest.fixture
def turned() -> Callable[[Path, tuple[int, int, int, int]], None]:
    """Write (a, b, c, d) into the display matrix of an mp4's track header."""

    def turn(path: Path, matrix: tuple[int, int, int, int]) -> None:
        data = bytearray(path.read_bytes())
        a, b, c, d = (value << 16 for value in matrix)
        # 'tkhd', version and flags, 5 fields of 4 bytes, 8 reserved, 4 fields of 2 bytes: then the matrix
        struct.pack_into(">9i", data, data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8, a, b, 0, c, d, 0, 0, 0, 1 << 30)
        path.write_bytes(bytes(data))

    return turn
