"""Reading a clip: frames sampled from a video file under a budget of frames and pixels."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import numpy as np

from grounding.core.checks import printable
from grounding.core.clip import Clip
from grounding.core.errors import UserError
from grounding.core.intervals import nearest_frames
from grounding.core.limits import check_bytes, check_frames
from grounding.core.video_backends import BACKENDS, torchcodec_decoder
from grounding.core.video_probe import VideoInfo, frame_times, probe

__all__ = ["VideoInfo", "frame_times", "probe", "read_clip", "read_frames", "sample_times"]

_log = logging.getLogger(__name__)


def read_clip(
    path: str | Path,
    *,
    fps: float = 2.0,
    max_frames: int = 64,
    max_pixels: int | None = None,
    backend: str = "auto",
) -> Clip:
    """Sample a video uniformly in time; every backend gives the same frames at the same times.

    For each time of `sample_times` the frame whose presentation time is nearest is taken, once. The container says
    when frames are shown; what the backend returns is checked against it.

    Args:
        path: A video file (mp4, mov, mkv, webm, avi, ...).
        fps: Frames to take a second, > 0.
        max_frames: Most frames to take, >= 1.
        max_pixels: Frames with more pixels (height x width) are scaled down to at most this many, shape kept.
        backend: "pyav", "torchcodec", "decord", or "auto": torchcodec where it loads, else PyAV. When torchcodec
            fails on a file, "auto" logs a warning and lets PyAV, the reference, decide: a file that PyAV cannot
            read either is an error, one that it can read is read. A named backend never gives way to another.

    Raises:
        UserError: If an option or the file is unusable, the backend is missing, or frames come at other times than
            those asked for (the message lists them).
    """
    if not (math.isfinite(fps) and fps > 0):
        raise UserError(f"fps must be a finite number > 0, got {fps!r}")
    if max_frames < 1:
        raise UserError(f"max_frames must be 1 or more, got {max_frames!r}")
    info = probe(path)
    wanted = np.unique(nearest_frames(info.pts, sample_times(info, fps, max_frames)))
    return _clip(info, wanted, max_pixels, backend)


def read_frames(
    path: str | Path, frames: Sequence[int], *, max_pixels: int | None = None, backend: str = "auto"
) -> Clip:
    """The frames of these numbers, in their order in the video.

    Args:
        path: A video file.
        frames: At least one number, counted from 0 in the order in which the frames are shown.
        max_pixels: As `read_clip`.
        backend: As `read_clip`.

    Raises:
        UserError: As `read_clip`, or if the video has no such frame.
    """
    info, wanted = probe(path), np.unique(np.array(frames, int))
    if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < info.frame_count:
        beyond = wanted[0] if wanted[0] < 0 else wanted[-1]
        raise UserError(f"{path} has the frames 0 to {info.frame_count - 1}, got frame {beyond}")
    return _clip(info, wanted, max_pixels, backend)


def _clip(info: VideoInfo, wanted: np.ndarray, max_pixels: int | None, backend: str) -> Clip:
    """The clip of the wanted frames, numbers in ascending order."""
    if max_pixels is not None and max_pixels < 1:
        raise UserError(f"max_pixels must be 1 or more, got {max_pixels!r}")
    if backend != "auto" and backend not in BACKENDS:
        raise UserError(f"unknown video backend {backend!r}; choose one of auto, {', '.join(BACKENDS)}")
    size = shrunk_size(info.size, max_pixels)
    check_bytes(len(wanted) * size[0] * size[1] * 3, f"a clip of {len(wanted)} frames of {info.path}")
    frames = _read(info, wanted, size, backend)
    return Clip(frames, info.pts[wanted], info.fps, info.size, info.duration)


def sample_times(info: VideoInfo, fps: float, max_frames: int) -> np.ndarray:
    """Times to sample at: k / fps from the first frame on, or `max_frames` times spread evenly over the duration.

    The last half of the last frame is left out: no frame is within half a frame of it.

    Returns:
        Seconds from the first frame, ascending, shape (n,) with 1 <= n <= max_frames.

    Raises:
        UserError: If there are more of them than a video may have frames.
    """
    latest = (float(info.pts[-1]) + info.duration) / 2
    slack = 1e-9  # k / fps that falls on `latest` but for rounding counts
    check_frames(int(min(latest * fps + 1, max_frames)), f"{info.path} at {fps:g} frames a second")
    if latest * fps + slack >= max_frames:
        times = np.arange(max_frames) * (info.duration / max_frames)
    else:
        times = np.arange(math.floor(latest * fps + slack) + 1) / fps
    return np.minimum(times, latest)


def shrunk_size(size: tuple[int, int], max_pixels: int | None) -> tuple[int, int]:
    """(height, width) scaled down, aspect kept to a pixel, to at most `max_pixels`; never scaled up."""
    height, width = size
    if max_pixels is None or height * width <= max_pixels:
        return size
    scale = math.sqrt(max_pixels / (height * width))
    short, long = (max(1, math.floor(side * scale + 1e-9)) for side in sorted(size))
    long = min(long, max_pixels // short)
    return (short, long) if height <= width else (long, short)


def _read(info: VideoInfo, wanted: np.ndarray, size: tuple[int, int], backend: str) -> np.ndarray:
    if backend != "auto":
        return _read_with(backend, info, wanted, size)
    if torchcodec_decoder() is not None:
        try:
            return _read_with("torchcodec", info, wanted, size)
        except UserError as error:
            _log.warning("%s; reading it with PyAV instead", printable(str(error)))
    return _read_with("pyav", info, wanted, size)


def _read_with(backend: str, info: VideoInfo, wanted: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The wanted frames, uint8 (T, H, W, 3), checked to be those asked for."""
    frames = np.empty((len(wanted), *size, 3), np.uint8)
    slots = {index: slot for slot, index in enumerate(wanted.tolist())}
    given: dict[int, float] = {}
    for time, picture in BACKENDS[backend](info, wanted):
        if picture.ndim != 3 or picture.shape[2] != 3:
            raise UserError(f"{info.path}: backend {backend} gives pictures of shape {picture.shape}; try 'pyav'")
        index = int(nearest_frames(info.pts, np.array(time)))
        given[index] = time
        if index in slots:
            frames[slots[index]] = resized(picture, size)
    if given.keys() != slots.keys():
        raise _mismatch(backend, info, slots.keys(), given)
    return frames


def _mismatch(backend: str, info: VideoInfo, asked: Set[int], given: Mapping[int, float]) -> UserError:
    """What to say when frames are not the nearest ones to the times asked for."""
    missing = ", ".join([f"{info.pts[i]:.3f}" for i in sorted(asked - given.keys())][:8])
    unasked = ", ".join([f"{given[i]:.3f}" for i in sorted(given.keys() - asked)][:8])
    return UserError(
        f"{info.path}: backend {backend} did not return the frames asked for: missing those at [{missing}] s, "
        f"unasked at [{unasked}] s ({len(asked)} asked, {len(given)} came); the file is damaged or misread: "
        "re-encode it, or try backend='pyav'"
    )


def resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture at (height, width) `size`; also where the stream changes its size on the way."""
    if picture.shape[:2] == size:
        return picture
    import cv2

    smaller = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
