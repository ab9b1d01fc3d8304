"""Which packets of VP8 and VP9 show a picture, worked out bit by bit."""

from __future__ import annotations

import pytest

from grounding.core.video_hidden import shows_picture


@pytest.mark.parametrize(
    ("first", "shows"),
    [
        (0b0001_0000, True),  # size 0, show 1, version 0, key frame
        (0b0000_0000, False),
        (0b1101_0001, True),  # not a key frame
        (0b1100_0001, False),
    ],
)
def test_vp8(first: int, shows: bool) -> None:
    assert shows_picture("vp8", memoryview(bytes([first, 0, 0]))) is shows


@pytest.mark.parametrize(
    ("first", "shows"),
    [
        (0b10_00_0_0_1_0, True),  # marker, profile 0, no earlier picture again, key frame, shown, error resilience
        (0b10_00_0_1_1_0, True),  # another kind of frame
        (0b10_00_0_1_0_0, False),
        (0b10_00_0_1_0_1, False),
        (0b10_00_1_000, True),  # earlier picture 0 is shown again
        (0b10_01_0_1_0_1, False),  # profile 2: 10 bit
        (0b10_01_0_1_1_0, True),
        (0b10_11_0_0_1_1, True),  # profile 3 has one more bit: not again, another kind, shown
        (0b10_11_0_0_1_0, False),
        (0b10_11_0_1_0_0, True),  # again
        (0b01_00_0_1_0_0, True),  # no VP9 at all: damaged, not hidden
    ],
)
def test_vp9(first: int, shows: bool) -> None:
    assert shows_picture("vp9", memoryview(bytes([first, 7, 7]))) is shows


HIDDEN, SHOWN = bytes([0b10_00_0_1_0_0, 1, 2]), bytes([0b10_00_0_1_1_0, 3])


@pytest.mark.parametrize(
    ("pictures", "shows"), [([HIDDEN, SHOWN], True), ([SHOWN, HIDDEN], True), ([HIDDEN, HIDDEN], False)]
)
@pytest.mark.parametrize("width", [1, 2, 4])
def test_vp9_superframes(pictures: list[bytes], shows: bool, width: int) -> None:
    mark = bytes([0b110_00_000 | (width - 1) << 3 | (len(pictures) - 1)])
    sizes = b"".join(len(picture).to_bytes(width, "little") for picture in pictures)
    assert shows_picture("vp9", memoryview(b"".join(pictures) + mark + sizes + mark)) is shows


@pytest.mark.parametrize("data", [b"\xc1", b"\x84\xc1", b"\xc1\xff\xff\xc1", b"\xc9\xff\xff\xff\xff\xc9"])
def test_superframes_that_lie_are_read_within_their_bytes(data: bytes) -> None:
    assert shows_picture("vp9", memoryview(data)) in (True, False)


def test_other_codecs_hide_nothing() -> None:
    assert shows_picture("h264", memoryview(b"\0"))
    assert shows_picture("av1", memoryview(b"\0"))
