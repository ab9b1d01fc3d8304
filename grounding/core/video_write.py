"""Writing mp4 files through PyAV, frame by frame, whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core.errors import UserError
from grounding.core.files import whole_file
from grounding.core.video_file import quiet_av

MAX_TICKS = 65535  # MPEG-4 part 2 allows no finer division of a second
TICKS = 60000  # a second, of frames with times of their own: the usual rates and milliseconds are whole ticks

_Stamped = tuple[int | None, np.ndarray]  # the tick from which a frame is shown, None: as the rate says; and the frame


def write_video(path: str | Path, frames: Iterable[np.ndarray], fps: float, *, overwrite: bool = False) -> None:
    """Write frames as an mp4 that common players show (H.264 where PyAV has it, else MPEG-4; yuv420p).

    Frames are taken one at a time, so an iterator of any length will do. Odd heights and widths are padded to even
    ones by repeating the last row or column, for yuv420p halves both.

    Args:
        path: Where to write; must end in `.mp4`.
        frames: RGB, uint8, shape (H, W, 3), all of one size, at least one.
        fps: Frames a second, > 0; frame k is shown from k / fps on.
        overwrite: Replace an existing file.

    Raises:
        UserError: If the name, the rate or a frame is not as above, the file exists, or it cannot be written.
    """
    _write(Path(path), ((None, frame) for frame in frames), fps, overwrite=overwrite)


def write_timed_video(path: str | Path, frames: Iterable[tuple[float, np.ndarray]], fps: float) -> None:
    """Write frames that have times of their own; otherwise as `write_video`.

    Args:
        path: Where to write; must end in `.mp4`, and nothing be there.
        frames: The second from which a frame is shown, and the frame. The first one's is 0, each later one's is larger.
        fps: Their usual rate; the last one is shown for 1 / fps.

    Raises:
        UserError: As `write_video`, or if two times are less than 1/60000 s apart.
    """
    path = Path(path)
    _write(path, _stamped(frames, path), fps, overwrite=False)


def _write(path: Path, frames: Iterable[_Stamped], fps: float, *, overwrite: bool) -> None:
    check_mp4(path)
    rate = Fraction(fps).limit_denominator(1001) if math.isfinite(fps) else Fraction(0)
    if not 0 < rate <= MAX_TICKS:
        raise UserError(f"fps must be a number between 0.001 and {MAX_TICKS}, got {fps!r}")
    with whole_file(path, overwrite=overwrite) as temporary:
        _encode(temporary, path, _checked(frames, path), rate)


def _stamped(frames: Iterable[tuple[float, np.ndarray]], path: Path) -> Iterator[_Stamped]:
    last = -1
    for index, (time, frame) in enumerate(frames):
        stamp = round(time * TICKS)
        if stamp <= last or (index == 0 and stamp):
            raise UserError(
                f"{path}: frame {index} is at {time:g} s; times must begin at 0 and lie 1/{TICKS} s apart or more"
            )
        last = stamp
        yield stamp, frame


def check_mp4(path: Path) -> None:
    """Refuse a name that is not that of an mp4."""
    if path.suffix.lower() != ".mp4":
        raise UserError(f"cannot write {path}: only mp4 is written; give a name that ends in .mp4")


def _checked(frames: Iterable[_Stamped], path: Path) -> Iterator[_Stamped]:
    shape: tuple[int, ...] | None = None
    for index, (stamp, frame) in enumerate(frames):
        if not isinstance(frame, np.ndarray):
            raise UserError(f"{path}: frame {index} must be an array, got {type(frame).__name__}; use numpy.asarray")
        shape = shape or frame.shape
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
            raise UserError(f"{path}: frame {index} must be uint8 RGB (H, W, 3), got {frame.dtype} {frame.shape}")
        if frame.shape != shape:
            raise UserError(f"{path}: frame {index} must have the first one's shape {shape}, got {frame.shape}")
        yield stamp, frame
    if shape is None:
        raise UserError(f"cannot write {path}: a video needs at least one frame, got none")


def _encode(temporary: Path, path: Path, frames: Iterator[_Stamped], rate: Fraction) -> None:
    import av

    first = next(frames)
    height, width = (side + side % 2 for side in first[1].shape[:2])
    with new_mp4(temporary, path) as container:
        stream = add_stream(container, rate, height, width)
        if first[0] is not None:
            stream.codec_context.time_base = Fraction(1, TICKS)
            stream.codec_context.max_b_frames = 0  # with them an mp4 does not tell how long the last frame stays
        for stamp, frame in itertools.chain([first], frames):
            padded = np.pad(frame, ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0)), "edge")
            shown = av.VideoFrame.from_ndarray(padded, format="rgb24")
            if stamp is not None:
                shown.pts, shown.time_base = stamp, Fraction(1, TICKS)
            container.mux(stream.encode(shown))
        container.mux(stream.encode())


@contextlib.contextmanager
def new_mp4(temporary: Path, path: Path) -> Iterator[Any]:
    """Open an mp4 for writing.

    Args:
        temporary: Where it is written.
        path: What it is called in errors.

    Raises:
        UserError: If the disk or the encoder refuses what the block writes.
    """
    av = quiet_av()
    try:
        with av.open(f"file:{temporary}", "w", format="mp4", options={"movflags": "faststart"}) as container:
            yield container
    except av.FFmpegError as error:
        hint = (
            "free some space or choose another place"
            if isinstance(error, OSError)
            else "its pictures or sound do not go into an mp4"
        )
        raise UserError(f"cannot write {path}: {error.strerror}; {hint}") from error


def add_stream(container: Any, rate: Fraction, height: int, width: int) -> Any:
    """A video stream of an mp4 as `write_video` describes it; both sides must be even."""
    import av

    h264 = "libx264" in av.codecs_available
    stream = container.add_stream("libx264" if h264 else "mpeg4", rate=rate)
    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
    if h264:
        stream.codec_context.options = {
            "crf": "18",
            "preset": "veryfast",
        }  # visually lossless; marks and text stay sharp
    else:
        stream.bit_rate = max(500_000, height * width * 4)
    return stream
