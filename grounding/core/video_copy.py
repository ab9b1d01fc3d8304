"""Writing a video again with other pictures: the times of its frames and its sound stay."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core.checks import printable
from grounding.core.errors import UserError
from grounding.core.video_file import VideoFile, open_video
from grounding.core.video_probe import VideoInfo
from grounding.core.video_write import add_stream, check_mp4, new_mp4

_log = logging.getLogger(__name__)

TICK = Fraction(1, 60000)  # of the frame times; 24, 25, 30 and 29.97 frames a second fall on whole ticks
LONGEST_GAP = float((1 << 31) * TICK)  # seconds, ten hours: mp4 counts a frame's ticks with 32 bits
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)  # of its coder
COPIED = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "alac")  # what players take in an mp4; other sound becomes AAC


def copy_video(info: VideoInfo, temporary: Path, path: Path, pictures: Iterable[tuple[float, np.ndarray]]) -> None:
    """Write pictures as an mp4 with the sound of a video; one picture is in memory at a time.

    Odd heights and widths are padded to even ones by repeating the last row or column, for yuv420p halves both.

    Args:
        info: The video that the sound is taken from; AAC, MP3, AC-3, Opus, FLAC and ALAC are copied bit by bit.
        temporary: Where to write; `files.staged` gives such a place.
        path: What it is called in errors; must end in `.mp4`.
        pictures: Seconds from the video's first frame, ascending, and RGB, uint8, shape (H, W, 3) of the video's size.

    Raises:
        UserError: If the name is not as above, there is no picture, or it cannot be written.
    """
    check_mp4(path)
    longest = float(np.diff(info.pts).max(initial=0.0))
    if longest > LONGEST_GAP:
        raise UserError(
            f"cannot write {path}: {longest:.0f} s lie between two frames; an mp4 takes {LONGEST_GAP:.0f} s"
        )
    height, width = (side + side % 2 for side in info.size)
    with open_video(info.path) as source, new_mp4(temporary, path) as target:
        origin = info.stamps[0] * source.stream.time_base
        rate = min(max(Fraction(info.fps).limit_denominator(1001), Fraction(1, 1001)), 1 / TICK)
        stream = add_stream(target, rate, height, width)
        stream.codec_context.time_base = TICK
        sound = _sound(source, target, Fraction(origin))
        _mux(target, stream, _padded(pictures, height, width), sound)


def _padded(pictures: Iterable[tuple[float, np.ndarray]], height: int, width: int) -> Iterator[tuple[float, Any]]:
    import av

    tick = -1
    for time, picture in pictures:
        tick = max(tick + 1, round(time / TICK))  # two frames never share one
        edges = ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0))
        frame = av.VideoFrame.from_ndarray(np.pad(picture, edges, "edge"), format="rgb24")
        frame.pts, frame.time_base = tick, TICK
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
    if audio.codec_context is None or not audio.codec_context.sample_rate:
        _log.warning("%s: its sound is in no known form and is left out", printable(str(source.path)))
        return iter(())
    if audio.codec_context.codec.canonical_name in COPIED:
        return _copied(source, audio, target.add_stream_from_template(audio), origin)
    rate = audio.codec_context.sample_rate
    coder = target.add_stream("aac", rate=rate if rate in AAC_RATES else 48000)
    coder.layout = "mono" if audio.codec_context.channels == 1 else "stereo"
    return _coded(source, audio, coder, origin)


def _copied(source: VideoFile, audio: Any, stream: Any, origin: Fraction) -> Iterator[tuple[float, Any]]:
    shift, last = round(origin / audio.time_base), -math.inf
    for packet in source.packets(audio):
        if packet.dts is None or packet.dts <= last or packet.is_corrupt:
            continue
        last = packet.dts
        packet.pts, packet.dts = max(last, packet.pts or last) - shift, last - shift
        packet.stream = stream
        yield float(packet.pts * packet.time_base), packet


def _coded(source: VideoFile, audio: Any, coder: Any, origin: Fraction) -> Iterator[tuple[float, Any]]:
    for frame in itertools.chain(source.frames(audio), [None]):
        if frame is not None and frame.pts is not None:
            frame.pts -= round(origin / frame.time_base)
        for packet in coder.encode(frame):
            yield float(packet.pts * packet.time_base), packet
