"""read_clip: which frames, at which times, and a defined outcome for every odd file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError, read_clip
from grounding.core.intervals import nearest_frames
from grounding.core.video import read_frames, sample_times, shrunk_size
from grounding.core.video_backends import BACKENDS, in_time
from grounding.core.video_probe import VideoInfo
from grounding.core.video_upright import Upright

Film = Callable[..., Path]
Numbered = Callable[[np.ndarray], int]


def info_of(pts: list[float], duration: float) -> VideoInfo:
    stamps = np.arange(len(pts), dtype=np.int64)
    return VideoInfo(Path("v.mp4"), "mov", (48, 64), Upright(), np.array(pts), stamps, stamps[:1], duration)


# Which times, which frames


def test_samples_k_over_fps_from_the_first_frame(film: Film, numbered: Numbered) -> None:
    clip = read_clip(film(), fps=2.5)  # 20 frames, 10 a second: 0, 0.4, 0.8, 1.2, 1.6 are frames 0, 4, 8, 12, 16
    np.testing.assert_allclose(clip.pts, [0, 0.4, 0.8, 1.2, 1.6], atol=1e-9)
    assert [numbered(f) for f in clip.frames] == [0, 4, 8, 12, 16]
    assert (clip.size, clip.frames.shape) == ((48, 64), (5, 48, 64, 3))
    assert clip.source_fps == pytest.approx(10)
    assert clip.duration == pytest.approx(2.0)


def test_takes_the_nearest_frame_not_the_one_before(film: Film, numbered: Numbered) -> None:
    # 3 a second: 0, .333, .667, 1, 1.333, 1.667 -> nearest of 0, .1, .2 ...: 0, 3, 7, 10, 13, 17
    assert [numbered(f) for f in read_clip(film(), fps=3).frames] == [0, 3, 7, 10, 13, 17]


def test_the_source_rate_gives_every_frame_once(film: Film, numbered: Numbered) -> None:
    assert [numbered(f) for f in read_clip(film(), fps=10).frames] == list(range(20))


def test_a_rate_above_the_source_merges_duplicates(film: Film) -> None:
    clip = read_clip(film(), fps=25)
    assert len(clip) == 20
    assert (np.diff(clip.pts) > 0).all()


def test_the_budget_spreads_over_the_whole_duration(film: Film, numbered: Numbered) -> None:
    # 2 s in 4 frames: 0, 0.5, 1, 1.5
    assert [numbered(f) for f in read_clip(film(), fps=10, max_frames=4).frames] == [0, 5, 10, 15]
    assert [numbered(f) for f in read_clip(film(), fps=10, max_frames=1).frames] == [0]


def test_frames_by_their_numbers(film: Film, numbered: Numbered) -> None:
    clip = read_frames(film(), [7, 2], max_pixels=12 * 16)
    assert [numbered(f) for f in clip.frames] == [2, 7]
    np.testing.assert_allclose(clip.pts, [0.2, 0.7], atol=1e-9)
    assert (clip.size, clip.frames.shape) == ((48, 64), (2, 12, 16, 3))
    for wrong in (20, -1):
        with pytest.raises(UserError, match=f"has the frames 0 to 19, got frame {wrong}"):
            read_frames(film(), [0, wrong])


def test_sample_times_by_hand() -> None:
    info = info_of([0, 0.1, 0.2, 0.3], 0.4)  # the last frame's middle is 0.35
    np.testing.assert_allclose(sample_times(info, 20, 64), np.arange(8) / 20)  # 0 ... 0.35
    np.testing.assert_allclose(sample_times(info, 2, 64), [0])
    np.testing.assert_allclose(sample_times(info, 20, 2), [0, 0.2])
    np.testing.assert_allclose(sample_times(info, 1e308, 3), [0, 0.4 / 3, 0.8 / 3])


@given(
    gaps=st.lists(st.floats(0.001, 5), min_size=1, max_size=30),
    fps=st.floats(0.01, 1000),
    most=st.integers(1, 100),
)
def test_sampled_times_are_few_ascending_and_within_half_a_frame(gaps: list[float], fps: float, most: int) -> None:
    edges = np.concatenate([[0], np.cumsum(gaps)])
    info = info_of(edges[:-1].tolist(), float(edges[-1]))
    times = sample_times(info, fps, most)
    assert 1 <= len(times) <= most
    assert times[0] == 0
    assert (np.diff(times) >= 0).all()
    index = nearest_frames(info.pts, times)
    half_after = np.diff(edges)[index] / 2
    half_before = np.concatenate([[0], np.diff(edges)])[index] / 2
    assert (times - info.pts[index] <= half_after + 1e-9).all()
    assert (info.pts[index] - times <= half_before + 1e-9).all()


# Pixels


def test_frames_over_the_pixel_budget_shrink_and_keep_their_shape(film: Film, numbered: Numbered) -> None:
    clip = read_clip(film(), fps=1, max_pixels=24 * 32)  # a quarter of 48 x 64
    assert clip.frames.shape[1:] == (24, 32, 3)
    assert clip.size == (48, 64)
    assert [numbered(f) for f in clip.frames] == [0, 10]


def test_frames_are_never_scaled_up(film: Film) -> None:
    assert read_clip(film(), fps=1, max_pixels=10**9).frames.shape[1:] == (48, 64, 3)


@pytest.mark.parametrize(
    ("size", "most", "expected"),
    [
        ((100, 100), 2500, (50, 50)),
        ((1080, 1920), 1080 * 1920, (1080, 1920)),
        ((1080, 1920), 270 * 480, (270, 480)),
        ((1, 1000), 10, (1, 10)),  # a side never becomes 0
        ((1000, 1), 10, (10, 1)),
        ((480, 640), None, (480, 640)),
    ],
)
def test_shrunk_size(size: tuple[int, int], most: int | None, expected: tuple[int, int]) -> None:
    assert shrunk_size(size, most) == expected


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 10**7))
def test_shrunk_size_stays_in_the_budget(height: int, width: int, most: int) -> None:
    small = shrunk_size((height, width), most)
    assert 1 <= small[0] <= height
    assert 1 <= small[1] <= width
    assert small[0] * small[1] <= most or small == (height, width)


def test_size_change_on_the_way_keeps_one_shape(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    def growing(info: VideoInfo, wanted: np.ndarray):
        yield 0.0, np.zeros((48, 64, 3), np.uint8)
        yield 1.0, np.zeros((24, 32, 3), np.uint8)

    monkeypatch.setitem(BACKENDS, "pyav", growing)
    assert read_clip(film(), fps=1, backend="pyav").frames.shape == (2, 48, 64, 3)


# Files that are no video


def one_line(caught: pytest.ExceptionInfo[UserError], path: Path) -> str:
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.mkv", "no frames"), ("none.avi", "no frames"), ("none.mp4", "no video stream")],  # mp4 leaves the track out
)
def test_zero_frames(film: Film, name: str, message: str) -> None:
    path = film(name, count=0)
    with pytest.raises(UserError, match=message) as caught:
        read_clip(path)
    one_line(caught, path)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"this is not a video\n" * 50),
        ("text.txt", b"this is not a video\n" * 50),  # FFmpeg would draw it as a picture of text
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nfilm.mp4\n#EXT-X-ENDLIST\n"),  # would open other files
        ("list.ffconcat", b"ffconcat version 1.0\nfile film.mp4\n"),
        ("noise.mp4", bytes(range(256)) * 40),
        ("atom.mp4", b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2\x00\x00\x00\x08free"),
    ],
)
def test_not_a_video(film: Film, tmp_path: Path, name: str, data: bytes) -> None:
    film("film.mp4")
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UserError, match="give a video") as caught:
        in_time(30, lambda: read_clip(path))
    one_line(caught, path)


def test_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(UserError, match="give a video"):
        read_clip(path)


def test_sound_only(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate, sound.pts = 16000, 0
        out.mux(stream.encode(sound))
        out.mux(stream.encode())
    with pytest.raises(UserError, match="no video stream") as caught:
        read_clip(path)
    one_line(caught, path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file") as caught:
        read_clip(tmp_path / "gone.mp4")
    one_line(caught, tmp_path / "gone.mp4")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        read_clip(tmp_path)


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/v.mp4", "concat:a|b", "v\0.mp4", "x" * 5000, "-"])
def test_names_that_are_no_files_are_never_opened(name: str) -> None:
    with pytest.raises(UserError):
        read_clip(name)


def test_file_name_that_looks_like_a_protocol(film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film().rename(tmp_path / "data:film.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(read_clip("data:film.mp4", fps=1)) == 2


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 0}, "fps must be"),
        ({"fps": float("nan")}, "fps must be"),
        ({"fps": float("inf")}, "fps must be"),
        ({"max_frames": 0}, "max_frames must be 1 or more, got 0"),
        ({"max_pixels": 0}, "max_pixels must be 1 or more, got 0"),
        ({"backend": "ffmpeg"}, "choose one of auto, pyav, torchcodec, decord"),
    ],
)
def test_options_are_checked(film: Film, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_clip(film(), **options)


def test_importing_the_vocabulary_is_light() -> None:
    code = "import grounding.core, sys; print(sorted({'torch', 'av', 'cv2', 'decord'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
