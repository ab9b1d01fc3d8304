"""The three decoders give the same frames at the same times, or one line that says why not."""

from __future__ import annotations

import logging
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from grounding.core import UserError, read_clip
from grounding.core import video as video_module
from grounding.core.video_backends import BACKENDS, in_time, torchcodec_decoder

Film = Callable[..., Path]
Numbered = Callable[[np.ndarray], int]

IRREGULAR = [0, 100, 150, 400, 1000, 1010, 1100, 1200, 1300, 2000, 2100, 2200, 2500, 2600, 2700, 2800, 2900, 3500]


def loaded_backends() -> list[str]:
    """The backends that load on this machine, PyAV first."""
    names = ["pyav"]
    if torchcodec_decoder() is not None:
        names.append("torchcodec")
    try:
        import decord  # noqa: F401
    except (ImportError, OSError):
        return names
    return [*names, "decord"]


# Odd but sound files: each backend that loads gives the same


def check_all_backends(path: Path, numbered: Numbered, expected: list[int], *, without: tuple[str, ...] = ()) -> None:
    reference = read_clip(path, fps=10, backend="pyav")
    assert [numbered(f) for f in reference.frames] == expected
    for backend in {*loaded_backends(), "auto"} - set(without):
        clip = read_clip(path, fps=10, backend=backend)
        np.testing.assert_array_equal(clip.pts, reference.pts, err_msg=backend)
        difference = np.abs(clip.frames.astype(int) - reference.frames)
        assert difference.max() <= 4, backend
        assert (clip.size, clip.duration, clip.source_fps) == (
            reference.size,
            reference.duration,
            reference.source_fps,
        )


def test_constant_rate(film: Film, numbered: Numbered) -> None:
    check_all_backends(film(), numbered, list(range(20)))


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
@pytest.mark.parametrize("b_frames", [0, 3])
def test_variable_rate(film: Film, numbered: Numbered, name: str, b_frames: int) -> None:
    path = film(name, count=len(IRREGULAR), stamps_ms=IRREGULAR, b_frames=b_frames)
    # every 0.1 s; frame 5 (1.01 s) is never nearest, frame 4 (1.00 s) is; gaps are filled by one frame only.
    # 0.1 s -> frame 1, 0.2 s -> 2 (0.15), 0.3 s -> 3 (0.4), 0.7 s -> 3 or 4 (tie: earlier)
    check_all_backends(path, numbered, [i for i in range(18) if i != 5])
    clip = read_clip(path, fps=10)
    np.testing.assert_allclose(clip.pts * 1000, [t for t in IRREGULAR if t != 1010], atol=1e-6)
    assert clip.source_fps == pytest.approx(17 / 3.5)


def test_b_frames(film: Film, numbered: Numbered) -> None:
    path = film(b_frames=3)
    with av.open(str(path)) as container:
        order = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert order != sorted(order)  # the file does hold B-frames
    check_all_backends(path, numbered, list(range(20)))


def test_transport_stream_that_starts_late(film: Film, numbered: Numbered) -> None:
    path = film("film.ts", b_frames=2)  # mpegts begins at 0.2 s or later; torchcodec may fail and auto goes on
    check_all_backends(path, numbered, list(range(20)), without=("torchcodec", "decord"))
    if "decord" in loaded_backends():
        with pytest.raises(UserError, match="decord cannot be trusted with mpegts"):
            read_clip(path, backend="decord")


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [((0, 1, -1, 0), -1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1)],  # x' = a x + c y, y' = b x + d y, y down
)
def test_rotation(
    film: Film, numbered: Numbered, turned: Callable, matrix: tuple[int, int, int, int], turns: int
) -> None:
    path = film()
    upright = read_clip(path, fps=10)
    turned(path, matrix)
    clip = read_clip(path, fps=10)
    np.testing.assert_array_equal(clip.frames, np.rot90(upright.frames, turns, axes=(1, 2)))
    assert clip.size == ((48, 64) if turns == 2 else (64, 48))
    check_all_backends(path, numbered, list(range(20)), without=() if turns == 2 else ("decord",))
    if turns != 2 and "decord" in loaded_backends():
        with pytest.raises(UserError, match="on their side"):
            read_clip(path, backend="decord")


def test_phone_video_is_turned_clockwise(film: Film, turned: Callable) -> None:
    path = film(count=1)
    turned(path, (0, 1, -1, 0))  # x to y: a quarter turn clockwise; the mark moves from upper left to upper right
    picture = read_clip(path).frames[0]
    assert picture[:10, -10:].min() > 200
    assert picture[:10, :10].max() < 50


def test_a_single_frame(film: Film, numbered: Numbered) -> None:
    check_all_backends(film(count=1), numbered, [0])
    assert read_clip(film(count=1)).duration == pytest.approx(0.1)


# Containers that promise more than they hold


def test_cut_off_file_gives_the_frames_that_exist(film: Film, numbered: Numbered) -> None:
    path = film(noise=True, b_frames=2)
    whole = read_clip(path, fps=10, backend="pyav")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])  # the header, which comes first, still promises 20 frames
    clip = in_time(30, lambda: read_clip(path, fps=10))
    assert 5 < len(clip) < 15
    assert clip.duration < 1.5
    np.testing.assert_array_equal(clip.frames, whole.frames[: len(clip)])
    np.testing.assert_array_equal(clip.pts, whole.pts[: len(clip)])
    for backend in set(loaded_backends()) - {"pyav"}:  # no hang, no other frames: the same, or an error of one line
        try:
            other = in_time(60, lambda backend=backend: read_clip(path, fps=10, backend=backend))
        except UserError as error:
            assert "\n" not in str(error)
            assert "film.mp4" in str(error)
        else:
            np.testing.assert_array_equal(other.pts, clip.pts)


def test_header_that_reports_ten_times_the_duration(film: Film, numbered: Numbered) -> None:
    path = film()
    data = bytearray(path.read_bytes())
    # durations in the headers and the edit list, and the number of samples that the table of durations speaks of
    for box, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20), (b"elst", 12), (b"stts", 12)):
        at = data.index(box) + offset
        data[at : at + 4] = (10 * int.from_bytes(data[at : at + 4], "big")).to_bytes(4, "big")
    path.write_bytes(bytes(data))
    with av.open(str(path)) as container:
        assert container.duration > 15_000_000  # microseconds: the header does lie
    in_time(60, lambda: check_all_backends(path, numbered, list(range(20))))
    assert read_clip(path).duration == pytest.approx(2.0)


def test_avi_with_b_frames_is_refused(film: Film, numbered: Numbered) -> None:
    with pytest.raises(UserError, match="avi with B-frames"):
        read_clip(film("film.avi", b_frames=2))
    check_all_backends(film("film.avi", codec="mpeg4"), numbered, list(range(20)), without=("decord",))


# Backends that are missing, fail, hang or lie


def test_missing_backends_name_the_extra(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film()
    monkeypatch.setitem(sys.modules, "decord", None)  # makes `import decord` fail
    monkeypatch.setattr("grounding.core.video_backends.torchcodec_decoder", lambda: None)
    for backend in ("decord", "torchcodec"):
        with pytest.raises(UserError, match=r"pip install tubelet\[video\]"):
            read_clip(path, backend=backend)


def test_auto_takes_pyav_where_torchcodec_does_not_load(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_module, "torchcodec_decoder", lambda: None)
    monkeypatch.setitem(BACKENDS, "torchcodec", None)  # would fail if called
    assert len(read_clip(film(), fps=1)) == 2


class FakeTorchcodec:
    """Stands for torchcodec's `VideoDecoder`: black frames at the times asked for, moved by `late` seconds."""

    late = 0.0
    calls = 0

    def __init__(self, path: str, *, seek_mode: str, dimension_order: str) -> None:
        assert (seek_mode, dimension_order) == ("exact", "NHWC")
        self.metadata = types.SimpleNamespace(begin_stream_seconds=5.0)

    def get_frames_played_at(self, seconds: list[float]) -> types.SimpleNamespace:
        type(self).calls += 1
        data = types.SimpleNamespace(numpy=lambda: np.zeros((len(seconds), 48, 64, 3), np.uint8))
        # frames of 0.1 s each, asked for at their middles
        return types.SimpleNamespace(pts_seconds=np.array(seconds) - 0.05 + self.late, data=data)


def use(monkeypatch: pytest.MonkeyPatch, decoder: type) -> None:
    for module in ("video", "video_backends"):
        monkeypatch.setattr(f"grounding.core.{module}.torchcodec_decoder", lambda: decoder)


def test_auto_takes_torchcodec_where_it_loads(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeTorchcodec)
    clip = read_clip(film(), fps=10)
    assert clip.frames.max() == 0  # the fake's black frames
    np.testing.assert_allclose(clip.pts, np.arange(20) / 10)


def test_frames_at_other_times_are_refused_and_listed(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, type("Late", (FakeTorchcodec,), {"late": 0.1}))
    with pytest.raises(
        UserError, match=r"missing those at \[0.000, 1.000\] s, unasked at \[0.100, 1.100\] s"
    ) as caught:
        read_clip(film(), fps=1, backend="torchcodec")
    assert "film.mp4" in str(caught.value)


def test_auto_says_so_when_torchcodec_fails_and_pyav_reads(
    film: Film, numbered: Numbered, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use(monkeypatch, type("Late", (FakeTorchcodec,), {"late": 0.1}))
    with caplog.at_level(logging.WARNING):
        clip = read_clip(film(), fps=1)
    assert [numbered(f) for f in clip.frames] == [0, 10]
    assert "reading it with PyAV instead" in caplog.text
    assert "film.mp4" in caplog.text


def test_pyav_decides_when_both_fail(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, type("Late", (FakeTorchcodec,), {"late": 0.1}))
    monkeypatch.setitem(BACKENDS, "pyav", lambda info, wanted: iter(()))
    with pytest.raises(UserError, match=r"backend pyav did not return .* \(2 asked, 0 came\)"):
        read_clip(film(), fps=1)


def fake_decord(**parts: object) -> types.ModuleType:
    module = types.ModuleType("decord")
    module.__dict__.update({"DECORDError": RuntimeError, "DECORDLimitReachedError": RuntimeError, **parts})
    return module


def test_decord_that_hangs_is_given_up(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    for_ever = threading.Event()
    monkeypatch.setitem(sys.modules, "decord", fake_decord(VideoReader=lambda *_, **__: for_ever.wait()))
    monkeypatch.setattr("grounding.core.video_backends.DECORD_PATIENCE", 0.05)
    with pytest.raises(UserError, match=r"decord fails \(no answer within 0.05 s\)"):
        read_clip(film(), backend="decord")
    for_ever.set()


class OwnError(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [OwnError("bad"), RuntimeError("Error reading v.mp4..."), IndexError("3"), StopIteration(), AssertionError()],
)
@pytest.mark.parametrize("late", [False, True])
def test_whatever_decord_raises_is_one_line(
    film: Film, monkeypatch: pytest.MonkeyPatch, error: Exception, late: bool
) -> None:
    class Reader:
        def __init__(self, *_: object, **__: object) -> None:
            if not late:
                raise error

        def __len__(self) -> int:
            return 20

        def get_frame_timestamp(self, frames: range) -> np.ndarray:
            return np.stack([np.arange(20) / 10] * 2, axis=1)

        def __getitem__(self, index: int) -> None:
            raise error

    monkeypatch.setitem(sys.modules, "decord", fake_decord(VideoReader=Reader, DECORDError=OwnError))
    with pytest.raises(UserError, match=r"film\.mp4: decord fails \(.+\); use backend='pyav'"):
        read_clip(film(), backend="decord")


@pytest.mark.parametrize("error", [KeyError("pts"), TypeError("no stream"), AssertionError(), OSError("gone")])
def test_whatever_torchcodec_raises_is_one_line(film: Film, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    use(monkeypatch, type("Failing", (FakeTorchcodec,), {"get_frames_played_at": fail}))
    with pytest.raises(UserError, match=r"film\.mp4: torchcodec fails \(.+\); use backend='pyav'"):
        read_clip(film(), backend="torchcodec")


def test_pictures_of_another_shape_are_refused(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "decord", lambda info, wanted: iter([(0.0, np.zeros((1, 1, 96), np.uint8))]))
    with pytest.raises(UserError, match=r"backend decord gives pictures of shape \(1, 1, 96\)"):
        read_clip(film(), backend="decord")


def test_decord_that_believes_in_more_frames_is_refused(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "decord", fake_decord(VideoReader=lambda *_, **__: range(999)))
    with pytest.raises(UserError, match="believes the container's 999 frames, the file holds 20"):
        read_clip(film(), backend="decord")


def test_within_hands_over_values_and_errors() -> None:
    assert in_time(5, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        in_time(5, lambda: 1 / 0)


# Real videos


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "size", "frames", "fps"),
    [
        ("stvg/schoolgirls/video.mp4", (240, 432), 80, 24),
        ("video/bedroom.mp4", (540, 960), 200, 30),
        ("video/juggle.mp4", (720, 1280), 247, 24),
        ("stvg/vidstg/videos/5804131706.mp4", (480, 640), 553, 30000 / 1001),
        ("vtg/charades/videos/OHOFG.mp4", (360, 640), 335, 10000 / 1049),
    ],
)
def test_real_videos_read_alike_with_every_backend(
    shared_data: Path, name: str, size: tuple[int, int], frames: int, fps: float
) -> None:
    path = shared_data / name
    reference = read_clip(path, fps=1.5, max_frames=12, backend="pyav")
    assert reference.size == size
    assert reference.source_fps == pytest.approx(fps, rel=1e-3)
    assert reference.duration == pytest.approx(frames / fps, abs=0.01)
    for backend in loaded_backends()[1:]:
        clip = read_clip(path, fps=1.5, max_frames=12, backend=backend)
        np.testing.assert_array_equal(clip.pts, reference.pts)
        assert np.abs(clip.frames.astype(int) - reference.frames).mean() < 1, backend
