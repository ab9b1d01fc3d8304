"""copy_video: other pictures, the same times and sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from grounding.core import UserError, read_clip
from grounding.core.video import probe
from grounding.core.video_copy import COPIED, copy_video
from grounding.core.video_probe import VideoInfo

Film = Callable[..., Path]
Numbered = Callable[[np.ndarray], int]
RATE = 48000


def greys(info: VideoInfo) -> Iterator[tuple[float, np.ndarray]]:
    """Frame k is of level 8 k + 8, as in the films."""
    for k, time in enumerate(info.pts.tolist()):
        yield time, np.full((*info.size, 3), 8 * k + 8, np.uint8)


def with_sound(path: Path, *, codec: str, seconds: float = 2.0, delay: float = 0.0) -> Path:
    """A film of 20 frames at 10 a second, whose sound is a click at 1.0 s; both begin `delay` s late."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264" if path.suffix != ".webm" else "libvpx", rate=10)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        sound = out.add_stream(codec, rate=RATE)
        sound.layout = "mono"
        for k in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * k + 8, np.uint8), format="rgb24")
            frame.pts, frame.time_base = k + round(delay * 10), Fraction(1, 10)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        samples = np.zeros(round(seconds * RATE), np.int16)
        samples[RATE : RATE + 480] = 20000
        for first in range(0, len(samples), 960):
            piece = av.AudioFrame.from_ndarray(samples[None, first : first + 960], format="s16", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = RATE, first + round(delay * RATE), Fraction(1, RATE)
            out.mux(sound.encode(piece))
        out.mux(sound.encode())
    return path


def click(path: Path) -> float:
    """When the click is heard, in seconds from the first picture."""
    begin = probe(path).stamps[0]
    with av.open(str(path)) as container:
        begin = float(begin * container.streams.video[0].time_base)
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(
                np.abs(frame.to_ndarray().ravel().astype(float)) > (5000 if frame.format.name[:3] == "s16" else 0.15)
            )
            if len(loud):
                return float(frame.pts * frame.time_base) + loud[0] / RATE - begin
    raise AssertionError("no click")


def sound_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "aac"), ("a.webm", "libopus"), ("a.mkv", "libmp3lame")]
)
@pytest.mark.parametrize("delay", [0.0, 0.5])
def test_sound_is_copied_bit_by_bit_and_stays_in_time(tmp_path: Path, name: str, codec: str, delay: float) -> None:
    path = with_sound(tmp_path / name, codec=codec, delay=delay)
    copy_video(probe(path), tmp_path / "out.mp4", greys(probe(path)))
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(path)
    assert click(tmp_path / "out.mp4") == pytest.approx(click(path), abs=0.002)
    assert click(path) == pytest.approx(1.0, abs=0.03)  # coders smear a click over their frames


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "pcm_s16le"), ("a.mov", "pcm_s16le"), ("a.mkv", "mp2")])
def test_other_sound_becomes_aac_and_stays_in_time(tmp_path: Path, name: str, codec: str) -> None:
    path = with_sound(tmp_path / name, codec=codec)
    copy_video(probe(path), tmp_path / "out.mp4", greys(probe(path)))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert container.streams.audio[0].codec_context.sample_rate == RATE
    assert click(tmp_path / "out.mp4") == pytest.approx(click(path), abs=0.03)


@pytest.mark.parametrize("seconds", [0.5, 4.0])
def test_sound_may_be_shorter_or_longer_than_the_pictures(tmp_path: Path, seconds: float) -> None:
    path = with_sound(tmp_path / "a.mp4", codec="aac", seconds=max(seconds, 1.5) if seconds > 1 else 1.2)
    copy_video(probe(path), tmp_path / "out.mp4", greys(probe(path)))
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(path)
    assert probe(tmp_path / "out.mp4").frame_count == 20


def test_pictures_and_sound_lie_beside_each_other_in_the_file(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.mp4", codec="aac")
    copy_video(probe(path), tmp_path / "out.mp4", greys(probe(path)))
    with av.open(str(tmp_path / "out.mp4")) as container:
        order = [(packet.pos, packet.stream.type) for packet in container.demux() if packet.size]
    kinds = [kind for _, kind in sorted(order)]
    first_half = kinds[: len(kinds) // 2]
    assert {"audio", "video"} == set(first_half)  # not one after the other


@pytest.mark.parametrize("stamps", [[0, 100, 200, 300], [0, 33, 66, 500], [40, 80, 1000, 1001]])
def test_frames_keep_their_times(film: Film, tmp_path: Path, numbered: Numbered, stamps: list[int]) -> None:
    path = film("a.mkv", count=4, stamps_ms=stamps)
    info = probe(path)
    copy_video(info, tmp_path / "out.mp4", greys(info))
    out = probe(tmp_path / "out.mp4")
    np.testing.assert_allclose(out.pts, (np.array(stamps) - stamps[0]) / 1000, atol=1e-4)
    assert [numbered(f) for f in read_clip(tmp_path / "out.mp4", fps=1000, max_frames=2000).frames] == [0, 1, 2, 3]


@pytest.mark.parametrize("fps", [24, 25, 30])
def test_common_rates_are_kept_to_the_microsecond(film: Film, tmp_path: Path, fps: int) -> None:
    info = probe(film(fps=fps))
    copy_video(info, tmp_path / "out.mp4", greys(info))
    np.testing.assert_allclose(probe(tmp_path / "out.mp4").pts, np.arange(20) / fps, atol=1e-6)


def test_odd_sizes_repeat_the_edge(film: Film, tmp_path: Path) -> None:
    info = probe(film())
    pictures = ((time, picture[:47, :63]) for time, picture in greys(info))
    odd = VideoInfo(info.path, info.container, (47, 63), 0, info.pts, info.stamps, info.keyframes, info.duration)
    copy_video(odd, tmp_path / "out.mp4", pictures)
    clip = read_clip(tmp_path / "out.mp4", fps=10)
    assert clip.size == (48, 64) and abs(int(clip.frames[1, -1, -1, 0]) - 16) <= 3


def test_pictures_are_taken_one_at_a_time(film: Film, tmp_path: Path) -> None:
    info = probe(film())
    alive: list[int] = []

    class Counted(np.ndarray):
        def __del__(self) -> None:
            alive.remove(1)

    def counted() -> Iterator[tuple[float, np.ndarray]]:
        for time, picture in greys(info):
            alive.append(1)
            assert len(alive) <= 3
            yield time, picture.view(Counted)

    copy_video(info, tmp_path / "out.mp4", counted())
    assert probe(tmp_path / "out.mp4").frame_count == 20


def test_existing_files_are_kept_unless_told(film: Film, tmp_path: Path) -> None:
    info, out = probe(film()), tmp_path / "out.mp4"
    out.write_bytes(b"mine")
    with pytest.raises(UserError, match="exists already"):
        copy_video(info, out, greys(info))
    assert out.read_bytes() == b"mine"
    copy_video(info, out, greys(info), overwrite=True)
    assert probe(out).frame_count == 20


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_an_interrupted_write_leaves_nothing(film: Film, tmp_path: Path, error: type[BaseException]) -> None:
    path = film()

    def broken() -> Iterator[tuple[float, np.ndarray]]:
        yield from list(greys(probe(path)))[:3]
        raise error("stop")

    with pytest.raises(error):
        copy_video(probe(path), tmp_path / "out.mp4", broken())
    assert list(tmp_path.iterdir()) == [path]


def test_mistakes(film: Film, tmp_path: Path) -> None:
    info = probe(film())
    with pytest.raises(UserError, match=r"ends in \.mp4"):
        copy_video(info, tmp_path / "out.avi", greys(info))
    with pytest.raises(UserError, match="at least one frame"):
        copy_video(info, tmp_path / "out.mp4", [])
    assert not (tmp_path / "out.mp4").exists()


def test_what_is_copied_is_what_an_mp4_takes() -> None:
    assert "aac" in COPIED and "pcm_s16le" not in COPIED


@pytest.mark.shared_data
def test_a_real_video(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "stvg" / "vidstg" / "videos" / "5804131706.mp4"
    info = probe(path)
    copy_video(info, tmp_path / "out.mp4", ((t, np.zeros((*info.size, 3), np.uint8)) for t in info.pts.tolist()))
    np.testing.assert_allclose(probe(tmp_path / "out.mp4").pts, info.pts, atol=2e-5)
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(path)
