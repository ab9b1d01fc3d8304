"""Writing a video again with other pictures: the times of its frames and its sound stay."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core.errors import UserError
from grounding.core.files import whole_file
from grounding.core.video_file import VideoFile, open_video
from grounding.core.video_probe import VideoInfo
from grounding.core.video_write import add_stream

TICK = Fraction(1, 60000)  # of the frame times; 24, 25, 30 and 29.97 frames a second fall on whole ticks
COPIED = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")  # what players take in an mp4; other sound becomes AAC


def copy_video(
    info: VideoInfo, path: Path, pictures: Iterable[tuple[float, np.ndarray]], *, overwrite: bool = False
) -> None:
    """Write pictures as an mp4 with the sound of a video; one picture is in memory at a time.

    Odd heights and widths are padded to even ones by repeating the last row or column, for yuv420p halves both.

    Args:
        info: The video that the sound is taken from; AAC, MP3, AC-3, Opus, FLAC and ALAC are copied bit by bit.
        path: Where to write; must end in `.mp4`.
        pictures: Seconds from the video's first frame, ascending, and RGB, uint8, shape (H, W, 3) of the video's size.
        overwrite: Replace an existing file.

    Raises:
        UserError: If the name is not as above, there is no picture, the file exists or it cannot be written.
    """
    import av  # here, for whoever writes no video should not pay for FFmpeg

    if path.suffix.lower() != ".mp4":
        raise UserError(f"cannot write {path}: only mp4 is written; give a name that ends in .mp4")
    height, width = (side + side % 2 for side in info.size)
    with whole_file(path, overwrite=overwrite) as temporary, open_video(info.path) as source:
        origin = info.stamps[0] * source.stream.time_base
        try:
            with av.open(f"file:{temporary}", "w", format="mp4", options={"movflags": "faststart"}) as target:
                stream = add_stream(target, Fraction(info.fps).limit_denominator(1001), height, width)
                stream.codec_context.time_base = TICK
                sound = _sound(source, target, Fraction(origin))
                _mux(target, stream, _padded(pictures, height, width), sound)
        except av.FFmpegError as error:
            raise UserError(
                f"cannot write {path}: {error.strerror}; free some space or choose another place"
            ) from error


def _padded(pictures: Iterable[tuple[float, np.ndarray]], height: int, width: int) -> Iterator[tuple[float, Any]]:
    import av

    for time, picture in pictures:
        edges = ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0))
        frame = av.VideoFrame.from_ndarray(np.pad(picture, edges, "edge"), format="rgb24")
        frame.pts, frame.time_base = round(time / TICK), TICK
        yield time, frame


def _mux(target: Any, stream: Any, frames: Iterator[tuple[float, Any]], sound: Iterator[tuple[float, Any]]) -> None:
    """Write pictures and sound in the order of their times, so that neither has to be kept until the other comes."""
    heard = next(sound, None)
    written = 0
    for time, frame in frames:
        while heard is not None and heard[0] <= time:
            target.mux(heard[1])
            heard = next(sound, None)
        target.mux(stream.encode(frame))
        written += 1
    if not written:
        raise UserError("a video needs at least one frame, got none; the video is damaged")
    target.mux(stream.encode())
    while heard is not None:
        target.mux(heard[1])
        heard = next(sound, None)


def _sound(source: VideoFile, target: Any, origin: Fraction) -> Iterator[tuple[float, Any]]:
    """Packets of the sound for the target, each with its time in seconds from the first picture.

    Args:
        source: Opened video.
        target: Where they will be written; a stream is added to it at once.
        origin: When the first picture is shown, in seconds of the source.
    """
    audio = source.container.streams.best("audio")
    if audio is None:
        return iter(())
    if audio.codec_context.codec.canonical_name in COPIED:
        return _copied(source, audio, target.add_stream_from_template(audio), origin)
    coder = target.add_stream("aac", rate=audio.codec_context.sample_rate)
    coder.layout = "mono" if audio.codec_context.channels == 1 else "stereo"
    return _coded(source, audio, coder, origin)


def _copied(source: VideoFile, audio: Any, stream: Any, origin: Fraction) -> Iterator[tuple[float, Any]]:
    shift = round(origin / audio.time_base)
    for packet in source.packets(audio):
        if packet.dts is not None and not packet.is_corrupt:
            packet.pts, packet.dts = (packet.dts if packet.pts is None else packet.pts) - shift, packet.dts - shift
            packet.stream = stream
            yield float(packet.pts * packet.time_base), packet


def _coded(source: VideoFile, audio: Any, coder: Any, origin: Fraction) -> Iterator[tuple[float, Any]]:
    for frame in itertools.chain(source.frames(audio), [None]):
        if frame is not None and frame.pts is not None:
            frame.pts -= round(origin / frame.time_base)
        for packet in coder.encode(frame):
            yield float(packet.pts * packet.time_base), packet
