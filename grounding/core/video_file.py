"""A video file opened with PyAV. All of PyAV is called in here, so that whatever it raises becomes `UserError`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core.errors import UserError
from grounding.core.limits import Limits, check_pixels, variable
from grounding.core.reading import regular_file
from grounding.core.video_hidden import shows_picture

# Real containers only: without this FFmpeg also opens playlists, which name other files, and draws plain text files.
FORMATS = "mov,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif"
EMPTY = "is a video of no frames; give one with at least one frame"
DAMAGED = "the file is damaged or no video; give a video such as mp4, mov, mkv or webm"


@dataclass(eq=False)
class VideoFile:
    """An open video.

    Args:
        path: The file.
        container: PyAV's.
        stream: The pictures.
        broken_off: Whether something was found that cannot be read, at which the packets end.
    """

    path: Path
    container: Any
    stream: Any
    broken_off: bool = False

    def packets(self, *streams: Any) -> Iterator[Any]:
        """Packets with data in the order of decoding, damaged ones too, up to the place where the file breaks off.

        Args:
            streams: Which; all if none is given.
        """
        import av

        packets = self.container.demux(*streams)
        while True:
            with reading(self.path):
                try:
                    packet = next(packets, None)
                except av.InvalidDataError:
                    self.broken_off = True
                    return
            if packet is None:
                return
            if packet.size:
                yield packet

    def frames(self, stream: Any) -> Iterator[Any]:
        """The frames from where the container stands; a damaged packet yields none."""
        for packet in self.packets(stream):
            if not packet.is_corrupt:
                yield from self._decoded(stream, packet)
        yield from self._decoded(stream, None)

    def _decoded(self, stream: Any, packet: Any) -> list[Any]:
        import av

        with reading(self.path), contextlib.suppress(av.InvalidDataError, av.EOFError):
            return list(stream.decode(packet))
        return []

    def seek(self, stamp: int) -> None:
        """Go to the key frame at or before a stamp of the pictures."""
        with reading(self.path):
            self.container.seek(stamp, stream=self.stream)

    def shows(self, packet: Any) -> bool:
        """Whether a packet of the pictures is one that is shown: not cut away by an edit list, nor hidden."""
        return not packet.is_discard and shows_picture(self.stream.codec_context.codec.name, memoryview(packet))

    def picture(self, frame: Any) -> np.ndarray:
        """A frame's pixels as they are stored, RGB uint8 (H, W, 3)."""
        check_pixels((frame.height, frame.width), f"a frame of video {self.path}")  # a stream may change its size
        with reading(self.path):
            pixels: np.ndarray = frame.to_ndarray(format="rgb24")
        return pixels


def quiet_av() -> Any:
    """PyAV, imported here because who needs no video should not pay for FFmpeg, with its log switched off.

    Older torchvision (0.24) switches it on. A decoding thread that logs then waits for Python's lock, which PyAV holds
    while it waits for the thread to end: the process hangs for ever.
    """
    import av

    av.logging.set_level(None)
    return av


@contextlib.contextmanager
def open_video(path: Path) -> Iterator[VideoFile]:
    """Open a video with PyAV.

    Raises:
        UserError: If it is missing or no file, PyAV cannot read it, or it has no moving pictures.
    """
    regular_file(path, "video")
    av = quiet_av()
    # The decoders' own limit, also for a size that changes on the way; larger, for they count margins, too.
    limit = {"max_pixels": str(Limits.from_environment().pixels * 2)}
    with reading(path):
        # Titles come in any encoding; nobody reads them here.
        options = {"format_whitelist": FORMATS, **limit}
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    with contextlib.closing(container):
        stream = _moving(path, container)
        _check_size(path, stream.width, stream.height)
        stream.codec_context.options = limit
        yield VideoFile(path, container, stream)


def _moving(path: Path, container: Any) -> Any:
    """The stream of moving pictures; a cover picture, as music has it, is none."""
    from av.stream import Disposition

    with reading(path):
        best = container.streams.best("video")
        streams = [one for one in (best, *container.streams.video) if one is not None]
        moving = [one for one in streams if not one.disposition & Disposition.attached_pic]
    if not moving:
        cover = " but a cover picture" if streams else ""
        raise UserError(f"{path} has no video stream{cover} (sound only?); give a file with moving pictures")
    stream = moving[0]
    if stream.codec_context is None or stream.time_base is None:
        raise UserError(f"cannot read video {path}: FFmpeg knows no decoder for its pictures; re-encode it to mp4")
    stream.thread_type = "AUTO"  # frames in parallel; FFmpeg's default is one thread for most files
    return stream


def _check_size(path: Path, width: int, height: int) -> None:
    if not width or not height:
        most = f"{Limits.from_environment().pixels:,} pixels ({variable('pixels')})"
        raise UserError(f"cannot read video {path}: its pictures have no size, or one beyond the limit of {most}")
    check_pixels((height, width), f"video {path}")


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """What PyAV or the disk raises becomes `UserError`; only the reading of the file belongs into the block."""
    import av

    try:
        yield
    except av.EOFError as error:  # matroska without a single frame
        raise UserError(f"{path} {EMPTY}") from error
    except av.FFmpegError as error:
        raise UserError(f"cannot read video {path}: {error.strerror}; {DAMAGED}") from error
    except OSError as error:
        raise UserError(f"cannot read video {path}: {error.strerror}; mend its name or permissions") from error
    # PyAV's own, where FFmpeg hands it what it does not know: a text, a number, a format; and what does not fit in.
    except (ValueError, LookupError, ArithmeticError, RuntimeError, TypeError, AssertionError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"cannot read video {path}: {reason}; {DAMAGED}") from error
