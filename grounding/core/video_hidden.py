"""Packets that hold no picture to show: VP8 and VP9 keep pictures of their own, only to predict others from.

Other codecs mark no such packets; an AV1 packet (a temporal unit) always shows one picture.
"""

from __future__ import annotations

from collections.abc import Iterator


def shows_picture(codec: str, data: memoryview) -> bool:
    """Whether a packet holds a picture that is shown.

    Args:
        codec: FFmpeg's name of it, such as "vp9".
        data: The packet's bytes, at least one.

    Source: RFC 6386, section 9.1 (VP8); VP9 Bitstream & Decoding Process Specification, section 6.2 and annex B.
    """
    if codec == "vp8":
        return bool(data[0] >> 4 & 1)
    if codec == "vp9":
        return any(_vp9_shows(data[at]) for at in _vp9_pictures(data))
    return True


def _vp9_pictures(data: memoryview) -> Iterator[int]:
    """Where each picture of a packet begins: a superframe has several, and tells their sizes in its last bytes."""
    last = data[-1]
    count, width = (last & 7) + 1, (last >> 3 & 3) + 1
    index = len(data) - 2 - count * width
    if last >> 5 != 0b110 or index < 0 or data[index] != last:
        yield 0
        return
    begin = 0
    for at in range(index + 1, len(data) - 1, width):
        size = int.from_bytes(data[at : at + width], "little")
        if size and begin < index:
            yield begin
        begin += size


def _vp9_shows(first: int) -> bool:
    """Whether a picture is shown, from its first byte: 2 bits marker, 2 profile, 1 more in profile 3, flags."""
    if first >> 6 != 0b10:  # no picture of VP9: damaged, which is not hidden
        return True
    flags = first << 1 if first >> 4 & 3 == 3 else first
    again, shown = flags >> 3 & 1, flags >> 1 & 1  # an earlier picture is shown again; this one is
    return bool(again or shown)
