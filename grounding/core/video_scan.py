"""What the packets of a video file say: when its frames are shown, and what the file has lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from grounding.core.limits import Limits, check_frames
from grounding.core.video_file import VideoFile, reading

# Containers whose header says how long they last; elsewhere FFmpeg guesses from what is there.
PROMISING = ("mov", "matroska", "avi", "flv", "asf")
TAIL = 1 << 17  # bytes; an Ogg page has half of it
SLACK = 0.2  # seconds by which headers may be wrong


class Packet(NamedTuple):
    """One packet of pictures.

    Args:
        stamp: When it is shown, in ticks of the stream; None where the container does not tell.
        duration: In ticks; 0 if it is not told.
        key: Whether decoding can begin there.
    """

    stamp: Any
    duration: int
    key: bool


@dataclass
class Scan:
    """What was found.

    Args:
        shown: The pictures that are shown, in the order of decoding.
        damaged: How many packets of pictures are damaged.
        missing: Seconds that the header promises and the file does not hold; 0 or less where there are none.
        broken_off: Whether the file ends in the middle of something, or in something that cannot be read.
    """

    shown: list[Packet] = field(default_factory=list)
    damaged: int = 0
    missing: float = 0.0
    broken_off: bool = False


def scan(video: VideoFile, container: str) -> Scan:
    """Read all packets of an open video once.

    Args:
        video: Standing at its beginning.
        container: Short name of its format.

    Raises:
        UserError: If there are more frames than the limit, or the file cannot be read.
    """
    found, pictures_end, whole_end = Scan(), 0.0, 0.0
    most = Limits.from_environment().frames
    for packet in video.packets():
        end = 0.0 if packet.pts is None else float((packet.pts + (packet.duration or 0)) * (packet.time_base or 0))
        whole_end = max(whole_end, end)
        if packet.stream_index != video.stream.index:
            continue
        pictures_end = max(pictures_end, end)
        if packet.is_corrupt:
            found.damaged += 1
        elif video.shows(packet):
            found.shown.append(Packet(packet.pts, packet.duration or 0, packet.is_keyframe))
            if len(found.shown) > most:
                check_frames(len(found.shown), f"video {video.path}")
    found.missing = _missing(video, container, pictures_end, whole_end)
    found.broken_off = video.broken_off or not _ends_well(video.path, container)
    return found


def _missing(video: VideoFile, container: str, pictures_end: float, whole_end: float) -> float:
    if container not in PROMISING:
        return 0.0
    stream, whole = video.stream, video.container
    length = stream.frames if container == "avi" else stream.duration  # FFmpeg cuts an avi's duration to what is there
    if length:
        return float(((stream.start_time or 0) + length) * stream.time_base) - pictures_end
    return ((whole.start_time or 0) + (whole.duration or 0)) / 1e6 - whole_end


def _ends_well(path: Path, container: str) -> bool:
    """Whether the last bytes are those that end a file of its kind; true of kinds that have no such bytes."""
    with reading(path), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        tail = file.read(TAIL)
    if container == "gif":
        return tail.rstrip(b"\0").endswith(b";")
    if container == "mpegts":
        return any(size % packet == 0 for packet in (188, 192, 204))
    if container == "ogg":
        page = tail.rfind(b"OggS")
        return page < 0 or bool(tail[page + 5 : page + 6] > b"\x03")  # flags: goes on, first page, 4: last page
    return True


def flaws(found: Scan, began: int, used: int) -> Iterator[str]:
    """What was lost, in words.

    Args:
        found: What the file holds.
        began: Frames from the first picture on that can be decoded.
        used: Frames of a time of their own.
    """
    if found.missing > SLACK:
        promised = f"{found.missing:.2f} s more than the {used} frames that it holds"
        yield f"its header promises {promised}; was it downloaded or copied whole?"
    elif found.broken_off:
        yield f"it breaks off after {used} frames; was it downloaded or copied whole?"
    if found.damaged:
        yield f"damaged packets left out: {found.damaged}"
    if began < len(found.shown):
        yield f"packets left out before the first picture that can be decoded: {len(found.shown) - began}"
    if used < began:
        yield f"frames left out because another has their time: {began - used} of {began}"
