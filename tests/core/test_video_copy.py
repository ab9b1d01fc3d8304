"""copy_video: other pictures, the same times and sound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
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


def copy(info: VideoInfo, path: Path, pictures: Iterable[tuple[float, np.ndarray]]) -> None:
    copy_video(info, path, path, pictures)


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
    copy(probe(path), tmp_path / "out.mp4", greys(probe(path)))
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(path)
    assert click(tmp_path / "out.mp4") == pytest.approx(click(path), abs=0.002)
    assert click(path) == pytest.approx(1.0, abs=0.03)  # coders smear a click over their frames


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "pcm_s16le"), ("a.mov", "pcm_s16le"), ("a.mkv", "mp2")])
def test_other_sound_becomes_aac_and_stays_in_time(tmp_path: Path, name: str, codec: str) -> None:
    path = with_sound(tmp_path / name, codec=codec)
    copy(probe(path), tmp_path / "out.mp4", greys(probe(path)))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert container.streams.audio[0].codec_context.sample_rate == RATE
    assert click(tmp_path / "out.mp4") == pytest.approx(click(path), abs=0.03)


@pytest.mark.parametrize("seconds", [0.5, 4.0])
def test_sound_may_be_shorter_or_longer_than_the_pictures(tmp_path: Path, seconds: float) -> None:
    path = with_sound(tmp_path / "a.mp4", codec="aac", seconds=max(seconds, 1.5) if seconds > 1 else 1.2)
    copy(probe(path), tmp_path / "out.mp4", greys(probe(path)))
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(path)
    assert probe(tmp_path / "out.mp4").frame_count == 20


def test_pictures_and_sound_lie_beside_each_other_in_the_file(tmp_path: Path) -> None:
    path = with_sound(tmp_path / "a.mp4", codec="aac")
    copy(probe(path), tmp_path / "out.mp4", greys(probe(path)))
    with av.open(str(tmp_path / "out.mp4")) as container:
        order = [(packet.pos, packet.stream.type) for packet in container.demux() if packet.size]
    kinds = [kind for _, kind in sorted(order)]
    first_half = kinds[: len(kinds) // 2]
    assert {"audio", "video"} == set(first_half)  # not one after the other


@pytest.mark.parametrize("stamps", [[0, 100, 200, 300], [0, 33, 66, 500], [40, 80, 1000, 1001]])
def test_frames_keep_their_times(film: Film, tmp_path: Path, numbered: Numbered, stamps: list[int]) -> None:
    path = film("a.mkv", count=4, stamps_ms=stamps)
    info = probe(path)
    copy(info, tmp_path / "out.mp4", greys(info))
    out = probe(tmp_path / "out.mp4")
    np.testing.assert_allclose(out.pts, (np.array(stamps) - stamps[0]) / 1000, atol=1e-4)
    assert [numbered(f) for f in read_clip(tmp_path / "out.mp4", fps=1000, max_frames=2000).frames] == [0, 1, 2, 3]


@pytest.mark.parametrize("fps", [24, 25, 30])
def test_common_rates_are_kept_to_the_microsecond(film: Film, tmp_path: Path, fps: int) -> None:
    info = probe(film(fps=fps))
    copy(info, tmp_path / "out.mp4", greys(info))
    np.testing.assert_allclose(probe(tmp_path / "out.mp4").pts, np.arange(20) / fps, atol=1e-6)


def test_odd_sizes_repeat_the_edge(film: Film, tmp_path: Path) -> None:
    info = probe(film())
    pictures = ((time, picture[:47, :63]) for time, picture in greys(info))
    odd = VideoInfo(
        info.path, info.container, (47, 63), info.upright, info.pts, info.stamps, info.keyframes, info.duration
    )
    copy(odd, tmp_path / "out.mp4", pictures)
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

    copy(info, tmp_path / "out.mp4", counted())
    assert probe(tmp_path / "out.mp4").frame_count == 20


def test_errors_name_the_place_as_the_user_knows_it(film: Film, tmp_path: Path) -> None:
    info = probe(film())
    with pytest.raises(UserError, match=r"cannot write mine\.mp4: No such file or directory"):
        copy_video(info, tmp_path / "none" / "hidden.mp4", Path("mine.mp4"), greys(info))


@pytest.mark.parametrize(("times", "written"), [([0, 1e-6, 0.5], [0, 1 / 60000, 0.5]), ([0, 5000, 10000],) * 2])
def test_gaps_beyond_those_of_any_film(film: Film, tmp_path: Path, times: list[float], written: list[float]) -> None:
    """Of two frames on one tick the later one moves to the next; an hour between two frames is kept."""
    info = replace(probe(film(count=3)), pts=np.array(times), duration=times[-1] + 1.0)
    copy(info, tmp_path / "out.mp4", greys(info))
    np.testing.assert_allclose(probe(tmp_path / "out.mp4").pts, written, atol=1e-9)


@pytest.mark.parametrize("late", [40_000.0, 1e15])  # 2 ** 31 ticks of a 60,000th second are 35,791 s
def test_a_gap_that_no_mp4_holds_is_refused(film: Film, tmp_path: Path, late: float) -> None:
    info = replace(probe(film(count=3)), pts=np.array([0, 0.1, late]), duration=late + 0.1)
    with pytest.raises(UserError, match=rf"{late:.0f} s lie between two frames; an mp4 takes 35791 s"):
        copy(info, tmp_path / "out.mp4", greys(info))


@pytest.mark.parametrize("rate", [11000, 192000])
def test_sound_of_a_rate_that_aac_does_not_have(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        video, sound = out.add_stream("ffv1", rate=10), out.add_stream("pcm_s16le", rate=rate)
        video.height, video.width, video.pix_fmt, sound.layout = 48, 64, "bgr0", "mono"
        out.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        out.mux(video.encode())
        piece = av.AudioFrame.from_ndarray(np.zeros((1, rate // 2), np.int16), format="s16", layout="mono")
        piece.sample_rate, piece.pts, piece.time_base = rate, 0, Fraction(1, rate)
        out.mux(sound.encode(piece))
        out.mux(sound.encode())
    copy(probe(path), tmp_path / "out.mp4", greys(probe(path)))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].codec_context.sample_rate == 48000


def test_sound_in_no_known_form_is_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = with_sound(tmp_path / "a.mkv", codec="pcm_s16le")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"A_PCM/INT/LIT", b"A_XYZ/INT/LIT"))
    copy(probe(path), tmp_path / "out.mp4", greys(probe(path)))
    assert "its sound is in no known form" in caplog.text
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio


def test_mistakes(film: Film, tmp_path: Path) -> None:
    info = probe(film())
    with pytest.raises(UserError, match=r"ends in \.mp4"):
        copy(info, tmp_path / "out.avi", greys(info))
    with pytest.raises(UserError, match="at least one frame"):
        copy(info, tmp_path / "out.mp4", [])


def test_what_is_copied_is_what_an_mp4_takes() -> None:
    assert "aac" in COPIED and "pcm_s16le" not in COPIED


@pytest.mark.shared_data
def test_a_real_video(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "stvg" / "vidstg" / "videos" / "5804131706.mp4"
    info = probe(path)
    copy(info, tmp_path / "out.mp4", ((t, np.zeros((*info.size, 3), np.uint8)) for t in info.pts.tolist()))
    np.testing.assert_allclose(probe(tmp_path / "out.mp4").pts, info.pts, atol=2e-5)
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(path)
