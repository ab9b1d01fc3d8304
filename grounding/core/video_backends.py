"""The three decoders behind `read_clip`: PyAV (always there), torchcodec (fast), decord (unmaintained).

Each is a generator `(info, wanted) -> (seconds from the first frame, RGB uint8 (H, W, 3) as shown)`; `wanted` are
ascending frame indices. A frame that cannot be decoded is left out; `read_clip` notices.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from grounding.core.errors import UserError
from grounding.core.intervals import frame_midpoints
from grounding.core.video_file import VideoFile, open_video
from grounding.core.video_probe import VideoInfo

Frames = Iterator[tuple[float, np.ndarray]]

INSTALL = "pip install tubelet[video], or use backend='pyav'"
BATCH = 8  # frames torchcodec decodes at once: full-size pictures of a whole clip may not fit in memory
DECORD_PATIENCE = 60.0  # seconds for one frame; decord is known to wait for ever
# What the two others raise for a file that they cannot read, besides errors of their own.
FAILURES = (RuntimeError, ValueError, LookupError, TypeError, AssertionError, OSError, MemoryError, StopIteration)
DECORD_CONTAINERS = ("mov", "matroska")  # elsewhere (mpegts) it was seen to return other frames than it says


def read_pyav(info: VideoInfo, wanted: np.ndarray) -> Frames:
    """Decode with PyAV: from the key frame before each group of wanted frames, else from the start."""
    stamps = info.stamps[wanted]
    origins = np.searchsorted(info.keyframes, stamps, side="right")
    origins = np.insert(info.keyframes, 0, info.stamps[0])[origins]
    with open_video(info.path) as video:
        for origin in np.unique(origins):
            left = set(stamps[origins == origin].tolist())
            if origin > info.stamps[0]:
                video.seek(int(origin))
            yield from _pictures(info, video, left)
            if left:  # the seek came out too late, or a packet is damaged: the start is always right
                with open_video(info.path) as again:
                    yield from _pictures(info, again, left)


def _pictures(info: VideoInfo, video: VideoFile, left: set[int]) -> Frames:
    """Pictures of the frames whose stamp is in `left`, taking each out of it, until none is left or all are past."""
    frames = video.frames(video.stream)
    while left and (frame := next(frames, None)) is not None:
        if frame.pts in left:
            left.discard(frame.pts)
            picture = info.upright.shown(video.picture(frame))
            yield float(info.pts[np.searchsorted(info.stamps, frame.pts)]), picture
        elif frame.pts is not None and frame.pts > max(left):
            return


@functools.cache
def torchcodec_decoder() -> Any:
    """Torchcodec's `VideoDecoder`, or None where it is not installed or finds no FFmpeg; imports torch."""
    try:
        import torchcodec
        from torchcodec.decoders import VideoDecoder
    except (ImportError, OSError, RuntimeError):  # RuntimeError: older ones without FFmpeg
        return None
    found = getattr(torchcodec, "ffmpeg_major_version", 0)  # None: newer ones import without FFmpeg
    return None if found is None else VideoDecoder


def read_torchcodec(info: VideoInfo, wanted: np.ndarray) -> Frames:
    """Decode with torchcodec in its exact seek mode, asking for the middle of each frame's time."""
    make = torchcodec_decoder()
    if make is None:
        raise UserError(f"backend torchcodec does not load (it needs torch and FFmpeg's libraries): {INSTALL}")
    try:
        decoder = make(str(info.path.resolve()), seek_mode="exact", dimension_order="NHWC")
        if info.upright.mirrored:
            raise UserError(f"{info.path} is mirrored, which torchcodec does not show; use backend='pyav'")
        if info.upright.turns and not hasattr(decoder.metadata, "rotation"):
            raise UserError(f"{info.path} is turned, which torchcodec before 0.11 ignores; use backend='pyav'")
        begin = decoder.metadata.begin_stream_seconds
        middles = frame_midpoints(info.pts, 1.0 / (info.duration - info.pts[-1]))[wanted] + begin
        for first in range(0, len(middles), BATCH):
            batch = decoder.get_frames_played_at(middles[first : first + BATCH].tolist())
            yield from zip((batch.pts_seconds - begin).tolist(), batch.data.numpy(), strict=True)
    except UserError:
        raise
    except FAILURES as error:
        raise UserError(f"{info.path}: torchcodec fails ({_first_line(error)}); use backend='pyav'") from error


def read_decord(info: VideoInfo, wanted: np.ndarray) -> Frames:
    """Decode with decord frame by frame, refusing what it is known to get wrong."""
    try:
        import decord
    except (ImportError, OSError) as error:
        raise UserError(f"backend decord is not installed: {INSTALL}") from error
    if info.container not in DECORD_CONTAINERS or info.upright.turns % 2 or info.upright.mirrored:
        turned = info.upright.turns % 2 or info.upright.mirrored  # they come out garbled
        what = "videos on their side or mirrored" if turned else f"{info.container} files"
        raise UserError(f"{info.path}: decord cannot be trusted with {what}; use backend='pyav'")
    try:
        reader = in_time(DECORD_PATIENCE, lambda: decord.VideoReader(str(info.path.resolve()), num_threads=1))
        if len(reader) != info.frame_count:
            raise UserError(
                f"{info.path}: decord believes the container's {len(reader)} frames, the file holds "
                f"{info.frame_count}; use backend='pyav'"
            )
        times = reader.get_frame_timestamp(range(len(reader)))[:, 0].astype(np.float64)
        for index in wanted.tolist():
            picture = in_time(DECORD_PATIENCE, functools.partial(reader.__getitem__, index))
            yield float(times[index] - times[0]), picture.asnumpy()
    except UserError:
        raise
    except (decord.DECORDError, decord.DECORDLimitReachedError, *FAILURES) as error:
        raise UserError(f"{info.path}: decord fails ({_first_line(error)}); use backend='pyav'") from error


def in_time(seconds: float, call: Callable[[], Any]) -> Any:
    """The call's result, or its exception, or `TimeoutError`; a call that hangs is left behind in a daemon thread."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((call(), None))
        except Exception as error:  # noqa: BLE001 - handed over to the caller's thread and raised there
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer within {seconds:g} s")
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


BACKENDS: dict[str, Callable[[VideoInfo, np.ndarray], Frames]] = {
    "pyav": read_pyav,
    "torchcodec": read_torchcodec,
    "decord": read_decord,
}
