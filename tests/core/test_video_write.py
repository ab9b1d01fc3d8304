"""write_video: what is written reads back; never half a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from grounding.core import UserError, read_clip, write_video
from grounding.core.video import probe
from grounding.core.video_write import write_timed_video

Numbered = Callable[[np.ndarray], int]


def greys(count: int, height: int = 48, width: int = 64) -> Iterator[np.ndarray]:
    return (np.full((height, width, 3), 8 * k + 8, np.uint8) for k in range(count))


def test_what_is_written_reads_back(tmp_path: Path, numbered: Numbered) -> None:
    path = tmp_path / "new" / "v.mp4"
    write_video(path, greys(20), fps=10)
    clip = read_clip(path, fps=10)
    assert [numbered(f) for f in clip.frames] == list(range(20))
    np.testing.assert_allclose(clip.pts, np.arange(20) / 10, atol=1e-9)
    assert clip.duration == pytest.approx(2.0)


@pytest.mark.parametrize("fps", [24, 29.97, 30000 / 1001, 9.53, 0.5])
def test_frame_rates(tmp_path: Path, fps: float) -> None:
    path = tmp_path / "v.mp4"
    write_video(str(path), greys(5), fps=fps)
    assert read_clip(path, fps=100).source_fps == pytest.approx(fps, rel=1e-3)


@pytest.mark.parametrize(("size", "padded"), [((47, 63), (48, 64)), ((48, 63), (48, 64)), ((1, 1), (2, 2))])
def test_odd_sizes_repeat_the_edge(tmp_path: Path, size: tuple[int, int], padded: tuple[int, int]) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, greys(3, *size), fps=5)
    clip = read_clip(path, fps=5)
    assert clip.size == padded
    assert abs(int(clip.frames[1, -1, -1, 0]) - 16) <= 3  # the grey of frame 1, not black


@pytest.mark.parametrize("codecs", [None, {"mpeg4"}])
def test_frames_keep_times_of_their_own(
    tmp_path: Path, numbered: Numbered, monkeypatch: pytest.MonkeyPatch, codecs: set[str] | None
) -> None:
    if codecs:
        monkeypatch.setattr(av, "codecs_available", codecs)
    path, times = tmp_path / "v.mp4", [0, 1 / 30, 0.5, 0.533, 2, 2.04, 5, 9]
    write_timed_video(path, zip(times, greys(8), strict=True), fps=2.5)
    found = probe(path)
    np.testing.assert_allclose(found.pts, times, atol=1e-4)
    assert found.duration == pytest.approx(9.4)  # the last frame stays for 1 / 2.5 s
    assert [numbered(frame) for frame in read_clip(path, fps=100).frames] == list(range(8))


@pytest.mark.parametrize("times", [[1.0, 2.0], [0.0, 0.0], [0.0, 2.0, 1.0]])
def test_times_that_do_not_ascend_from_0_are_refused(tmp_path: Path, times: list[float]) -> None:
    with pytest.raises(UserError, match="times must begin at 0"):
        write_timed_video(tmp_path / "v.mp4", zip(times, greys(len(times)), strict=True), fps=2)
    assert not list(tmp_path.iterdir())


def test_players_can_show_it(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, greys(3), fps=5)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.pix_fmt == "yuv420p"
        assert context.name == ("h264" if "libx264" in av.codecs_available else "mpeg4")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # shown while it is still loading


def test_mpeg4_where_there_is_no_x264(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    path = tmp_path / "v.mp4"
    write_video(path, greys(3), fps=29.97)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert len(read_clip(path, fps=100)) == 3


def test_frames_are_taken_one_at_a_time_and_left_alone(tmp_path: Path) -> None:
    frame = np.zeros((48, 64, 3), np.uint8)
    frame.setflags(write=False)
    write_video(tmp_path / "v.mp4", iter([frame, frame]), fps=5)
    assert frame.max() == 0


def test_existing_files_are_kept_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"mine")
    with pytest.raises(UserError, match="exists already"):
        write_video(path, greys(2), fps=5)
    assert path.read_bytes() == b"mine"
    write_video(path, greys(2), fps=5, overwrite=True)
    assert len(read_clip(path, fps=5)) == 2


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield from greys(3)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "v.mp4", broken(), fps=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "at least one frame"),
        ([np.zeros((4, 4), np.uint8)], "frame 0 must be uint8 RGB"),
        ([[[0, 0, 0]]], "frame 0 must be an array, got list"),
        ([np.zeros((4, 4, 3), np.float32)], "frame 0 must be uint8 RGB"),
        ([np.zeros((4, 4, 4), np.uint8)], "frame 0 must be uint8 RGB"),
        ([np.zeros((0, 4, 3), np.uint8)], "frame 0 must be uint8 RGB"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)], "frame 1 must have the first one's shape"),
    ],
)
def test_frames_are_checked(tmp_path: Path, frames: list[np.ndarray], message: str) -> None:
    with pytest.raises(UserError, match=message):
        write_video(tmp_path / "v.mp4", frames, fps=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1e-9, 1e6])
def test_rates_are_checked(tmp_path: Path, fps: float) -> None:
    with pytest.raises(UserError, match="fps must be"):
        write_video(tmp_path / "v.mp4", greys(2), fps=fps)


def test_only_mp4(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in \.mp4"):
        write_video(tmp_path / "v.avi", greys(2), fps=5)


def test_a_place_that_cannot_hold_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot write"):
        write_video(tmp_path / "file" / "v.mp4", greys(2), fps=5)
