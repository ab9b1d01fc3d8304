"""What a video holds, from its header and packets: size as shown, frame rate, and the time of every frame.

Times come from the packets' presentation stamps and never from index / frame rate or from the header's frame count
and duration, which may be wrong. Packets that the file breaks off in, or that are not shown, are no frames.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from grounding.core.checks import printable
from grounding.core.errors import UserError
from grounding.core.limits import check_pixels
from grounding.core.video_file import DAMAGED, EMPTY, open_video
from grounding.core.video_scan import Packet, flaws, scan
from grounding.core.video_upright import Upright, upright

_log = logging.getLogger(__name__)


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
        found = scan(video, name)
    if not found.shown:
        raise UserError(f"{path} {EMPTY}")
    _check_times(path, found.shown, tick)
    head = _head(path, name)
    known = head.stamp in {packet.stamp for packet in found.shown}
    began = [packet for packet in found.shown if not known or packet.stamp >= head.stamp]
    stamps, at = np.unique(np.array([packet.stamp for packet in began], np.int64), return_index=True)
    pts = (stamps - stamps[0]) * tick
    lost = tuple(flaws(found, len(began), len(stamps)))
    _say(path, lost)
    return VideoInfo(
        path=path,
        container=name,
        size=head.size,
        upright=head.upright,
        pts=pts,
        stamps=stamps,
        keyframes=np.unique(np.array([packet.stamp for packet in began if packet.key], np.int64)),
        duration=float(pts[-1]) + _last_gap(pts, began[at[-1]].duration * tick),
        flaws=lost,
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


def _check_times(path: Path, shown: Sequence[Packet], tick: float) -> None:
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


class _Head(NamedTuple):
    size: tuple[int, int]
    upright: Upright
    stamp: Any  # int, or None where the decoder tells none


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
