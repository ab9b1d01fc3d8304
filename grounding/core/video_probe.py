"""What a video holds, from its header and packets: size as shown, frame rate, and the time of every frame.

Times come from the packets' presentation stamps and never from index / frame rate or from the header's frame count
and duration, which may be wrong. Packets that the file breaks off in, or that are not shown, are no frames.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from grounding.core.checks import printable
from grounding.core.errors import UserError
from grounding.core.limits import Limits, check_frames, check_pixels
from grounding.core.video_file import DAMAGED, EMPTY, VideoFile, open_video
from grounding.core.video_upright import Upright, upright

_log = logging.getLogger(__name__)

# Containers whose header says how long they last; elsewhere FFmpeg guesses from what is there.
PROMISING = ("mov", "matroska", "avi", "flv", "asf")
SLACK = 0.2  # seconds by which headers may be wrong


@dataclass(frozen=True, eq=False)
class VideoInfo:
    """A video's frames without their pictures.

    Args:
        path: The file.
        container: Short name of its format, such as "mov" (also mp4) or "matroska" (also webm).
        size: (height, width) in pixels as shown (rotation applied).
        upright: What brings a stored frame to how it is shown.
        pts: Presentation time of every frame in seconds from the first frame, strictly ascending, shape (N,), N >= 1.
        stamps: The same in the container's own ticks and from its own origin, int64, shape (N,).
        keyframes: Stamps at which decoding can begin, ascending, int64.
        duration: From the first frame's appearance to the last one's end, in seconds, > 0.
        flaws: What the file has lost, a sentence each: it breaks off, packets are damaged, times come twice.
    """

    path: Path
    container: str
    size: tuple[int, int]
    upright: Upright
    pts: np.ndarray
    stamps: np.ndarray
    keyframes: np.ndarray
    duration: float
    flaws: tuple[str, ...] = ()

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return len(self.pts)

    @property
    def fps(self) -> float:
        """Average frame rate; for a single frame, one over its duration."""
        return (len(self.pts) - 1) / float(self.pts[-1]) if len(self.pts) > 1 else 1.0 / self.duration


def probe(path: str | Path) -> VideoInfo:
    """Read size, rate and frame times of a video; decodes one frame only (for size, rotation and where it begins).

    What the file has lost is told in `flaws`, and logged as a warning when it is found first.

    Raises:
        UserError: If the file is missing, no video, has no video stream or not a single frame, or its times start
            anew on the way.
    """
    path = Path(path)
    with open_video(path) as video:
        name = video.container.format.name.split(",")[0]
        tick = float(video.stream.time_base)
        found = _packets(video)
        missing = _missing(video, name, found)
    if not found.shown:
        raise UserError(f"{path} {EMPTY}")
    _check_times(path, found.shown, tick)
    head = _head(path, name)
    began = [packet for packet in found.shown if packet.stamp >= head.stamp]
    stamps, at = np.unique(np.array([packet.stamp for packet in began], np.int64), return_index=True)
    pts = (stamps - stamps[0]) * tick
    flaws = tuple(_flaws(found, missing, len(began), len(stamps)))
    _say(path, flaws)
    return VideoInfo(
        path=path,
        container=name,
        size=head.size,
        upright=head.upright,
        pts=pts,
        stamps=stamps,
        keyframes=np.unique(np.array([packet.stamp for packet in began if packet.key], np.int64)),
        duration=float(pts[-1]) + _last_gap(pts, began[at[-1]].duration * tick),
        flaws=flaws,
    )


@functools.lru_cache(maxsize=4096)
def _say(path: Path, flaws: tuple[str, ...]) -> None:
    """Log what a file has lost, once a process: a training run probes its videos again and again."""
    for flaw in flaws:
        _log.warning("%s: %s", printable(str(path)), flaw)


def frame_times(path: str | Path) -> np.ndarray:
    """Presentation time of every frame in seconds from the first one, strictly ascending, shape (N,).

    Raises:
        UserError: As `probe`.
    """
    return probe(path).pts


class _Packet(NamedTuple):
    stamp: Any  # int, or None where the container tells none
    duration: int
    key: bool


@dataclass
class _Found:
    """What the packets of a file say.

    Args:
        shown: The pictures, in the order of decoding.
        damaged: How many packets of pictures are damaged.
        pictures_end: Seconds of the container's own until which there are pictures.
        end: The same of all streams.
    """

    shown: list[_Packet] = field(default_factory=list)
    damaged: int = 0
    pictures_end: float = 0.0
    end: float = 0.0


def _packets(video: VideoFile) -> _Found:
    found = _Found()
    most = Limits.from_environment().frames
    for packet in video.packets():
        end = 0.0 if packet.pts is None else float((packet.pts + (packet.duration or 0)) * (packet.time_base or 0))
        found.end = max(found.end, end)
        if packet.stream_index != video.stream.index:
            continue
        found.pictures_end = max(found.pictures_end, end)
        if packet.is_corrupt:
            found.damaged += 1
        elif video.shows(packet):
            found.shown.append(_Packet(packet.pts, packet.duration or 0, packet.is_keyframe))
            if len(found.shown) > most:
                check_frames(len(found.shown), f"video {video.path}")
    return found


def _missing(video: VideoFile, name: str, found: _Found) -> float:
    """Seconds that the header promises and the file does not hold; 0 where it promises none."""
    container, stream = video.container, video.stream
    if name not in PROMISING:
        return 0.0
    length = stream.frames if name == "avi" else stream.duration  # FFmpeg shortens an avi's duration to what is there
    if length:
        return float(((stream.start_time or 0) + length) * stream.time_base) - found.pictures_end
    return ((container.start_time or 0) + (container.duration or 0)) / 1e6 - found.end


def _check_times(path: Path, shown: Sequence[_Packet], tick: float) -> None:
    if any(packet.stamp is None for packet in shown):
        raise UserError(f"{path}: the container gives no presentation times; re-encode the video to mp4")
    keys = [packet.stamp for packet in shown if packet.key]
    twice = len(keys) == len(shown)  # where every frame is a key frame, two may bear the same time
    for before, after in itertools.pairwise(keys):
        if after < before or (after == before and not twice):
            raise UserError(
                f"{path}: its times start anew, {after * tick:.2f} s comes after {before * tick:.2f} s; were files put "
                "one behind the other? join them with ffmpeg's concat demuxer, or re-encode the video to mp4"
            )


def _flaws(found: _Found, missing: float, began: int, used: int) -> Iterator[str]:
    """What was lost, in words.

    Args:
        found: What the file holds.
        missing: Seconds that its header promises besides.
        began: Frames from the first picture on.
        used: Frames of a time of their own.
    """
    if missing > SLACK:
        promised = f"{missing:.2f} s more than the {used} frames that it holds"
        yield f"its header promises {promised}; was it downloaded or copied whole?"
    if found.damaged:
        yield f"damaged packets left out: {found.damaged}"
    if began < len(found.shown):
        yield f"packets left out before the first picture that can be decoded: {len(found.shown) - began}"
    if used < began:
        yield f"frames left out because another has their time: {began - used} of {began}"


class _Head(NamedTuple):
    size: tuple[int, int]
    upright: Upright
    stamp: int


def _head(path: Path, name: str) -> _Head:
    """(height, width) as shown, orientation and stamp of the first frame; refuses avi with B-frames.

    Packets of an avi do not tell when they are shown, which only shows when their order is another one.
    """
    from av.video.frame import PictureType

    with open_video(path) as video:
        frames = list(itertools.islice(video.frames(video.stream), 32 if name == "avi" else 1))
    if not frames:
        raise UserError(f"{path}: not one frame can be decoded; {DAMAGED}")
    if name == "avi" and any(frame.pict_type == PictureType.B for frame in frames):
        raise UserError(f"{path}: an avi with B-frames does not tell when they are shown; re-encode it to mp4")
    first = frames[0]
    check_pixels((first.height, first.width), f"video {path}")
    turned = upright(first)
    return _Head(turned.size(first.height, first.width), turned, first.pts)


def _last_gap(pts: np.ndarray, told: float) -> float:
    """How long the last frame stays: as told, else as long as the one before it, else a second."""
    if told > 0:
        return told
    return float(pts[-1] - pts[-2]) if len(pts) > 1 else 1.0
