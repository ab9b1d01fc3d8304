"""What a video holds, from its header and packets: size as shown, frame rate, and the time of every frame.

Times come from the packets' presentation stamps and never from index / frame rate or from the header's frame count
and duration, which may be wrong. Packets that the file breaks off in, or that an edit list hides, are no frames.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core.errors import UserError

# Real containers only: without this FFmpeg also opens playlists, which name other files, and draws plain text files.
FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif"
EMPTY = "is a video of no frames; give one with at least one frame"
DAMAGED = "the file is damaged or no video; give a video such as mp4, mov, mkv or webm"


@dataclass(frozen=True, eq=False)
class VideoInfo:
    """A video's frames without their pictures.

    Args:
        path: The file.
        container: Short name of its format, such as "mov" (also mp4) or "matroska" (also webm).
        size: (height, width) in pixels as shown (rotation applied).
        turns: Quarter turns counter-clockwise that bring a stored frame to how it is shown, 0 to 3.
        pts: Presentation time of every frame in seconds from the first frame, strictly ascending, shape (N,), N >= 1.
        stamps: The same in the container's own ticks and from its own origin, int64, shape (N,).
        keyframes: Stamps at which decoding can begin, ascending, int64.
        duration: From the first frame's appearance to the last one's end, in seconds, > 0.
    """

    path: Path
    container: str
    size: tuple[int, int]
    turns: int
    pts: np.ndarray
    stamps: np.ndarray
    keyframes: np.ndarray
    duration: float

    @property
    def frame_count(self) -> int:
        """Number of frames."""
        return len(self.pts)

    @property
    def fps(self) -> float:
        """Average frame rate; for a single frame, one over its duration."""
        return (len(self.pts) - 1) / float(self.pts[-1]) if len(self.pts) > 1 else 1.0 / self.duration


def probe(path: str | Path) -> VideoInfo:
    """Read size, rate and frame times of a video; decodes one frame only (for the rotation).

    Raises:
        UserError: If the file is missing, no video, has no video stream or not a single frame.
    """
    path = Path(path)
    with open_video(path) as (container, stream):
        name = container.format.name.split(",")[0]
        tick = stream.time_base.numerator / stream.time_base.denominator
        packets = [(p.pts, p.duration, p.is_keyframe) for p in whole_packets(container, stream) if not p.is_discard]
    if not packets:
        raise UserError(f"{path} {EMPTY}")
    if any(stamp is None for stamp, _, _ in packets):
        raise UserError(f"{path}: the container gives no presentation times; re-encode the video to mp4")
    stamps, at = np.unique(np.array([stamp for stamp, _, _ in packets], np.int64), return_index=True)
    pts = (stamps - stamps[0]) * tick
    size, turns = _shown_size(path, name)
    return VideoInfo(
        path=path,
        container=name,
        size=size,
        turns=turns,
        pts=pts,
        stamps=stamps,
        keyframes=np.unique(np.array([stamp for stamp, _, key in packets if key], np.int64)),
        duration=float(pts[-1]) + _last_gap(pts, (packets[at[-1]][1] or 0) * tick),
    )


def frame_times(path: str | Path) -> np.ndarray:
    """Presentation time of every frame in seconds from the first one, strictly ascending, shape (N,).

    Raises:
        UserError: As `probe`.
    """
    return probe(path).pts


@contextlib.contextmanager
def open_video(path: Path) -> Iterator[tuple[Any, Any]]:
    """Open a video with PyAV: its container and video stream; PyAV's errors become `UserError`."""
    import av  # here, for whoever reads no video should not pay for FFmpeg

    try:
        if not path.is_file():
            what = "is a folder, not a video file" if path.is_dir() else "does not exist"
            raise UserError(f"video {path} {what}; give the path of a video file")
        with av.open(f"file:{path}", options={"format_whitelist": FORMATS}) as container:
            stream: Any = container.streams.best("video")
            if stream is None or "attached_pic" in str(stream.disposition):
                raise UserError(f"{path} has no video stream (sound only?); give a file with pictures")
            stream.thread_type = "AUTO"  # frames in parallel; FFmpeg's default is one thread for most files
            yield container, stream
    except av.EOFError as error:  # matroska without a single frame
        raise UserError(f"{path} {EMPTY}") from error
    except av.FFmpegError as error:
        raise UserError(f"cannot read video {path}: {error.strerror}; {DAMAGED}") from error
    except OSError as error:
        raise UserError(f"cannot read video {path}: {error.strerror}; mend its name or permissions") from error


def whole_packets(container: Any, stream: Any) -> Iterator[Any]:
    """The stream's packets in the order of decoding, up to the place where the file breaks off."""
    import av

    with contextlib.suppress(av.InvalidDataError):
        for packet in container.demux(stream):
            if packet.size and not packet.is_corrupt:
                yield packet


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """The frames from where the container stands; a damaged packet yields none."""
    import av

    for packet in whole_packets(container, stream):
        frames: list[Any] = []
        with contextlib.suppress(av.InvalidDataError):
            frames = stream.decode(packet)
        yield from frames
    with contextlib.suppress(av.InvalidDataError, av.EOFError):
        yield from stream.decode(None)


def _shown_size(path: Path, name: str) -> tuple[tuple[int, int], int]:
    """(height, width) as shown and quarter turns, from the first frame; refuses avi with B-frames.

    Packets of an avi do not tell when they are shown, which only shows when their order is another one.
    """
    from av.video.frame import PictureType

    with open_video(path) as (container, stream):
        head = list(itertools.islice(decoded(container, stream), 32 if name == "avi" else 1))
    if not head:
        raise UserError(f"{path}: not one frame can be decoded; {DAMAGED}")
    if name == "avi" and any(frame.pict_type == PictureType.B for frame in head):
        raise UserError(f"{path}: an avi with B-frames does not tell when they are shown; re-encode it to mp4")
    turns = round(head[0].rotation / 90) % 4
    height, width = head[0].height, head[0].width
    return ((width, height) if turns % 2 else (height, width)), turns


def _last_gap(pts: np.ndarray, told: float) -> float:
    """How long the last frame stays: as told, else as long as the one before it, else a second."""
    if told > 0:
        return told
    return float(pts[-1] - pts[-2]) if len(pts) > 1 else 1.0
