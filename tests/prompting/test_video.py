"""Drawing a whole video: what comes out, how much is in memory, and that nothing is half-written."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.core import Clip, Masklets, UserError, read_clip, rle, write_video
from grounding.core.video import probe
from prompting import IdMarker
from prompting.video import DrawnFrame, Outputs, draw_frames, draw_video

FRAMES, FPS, SIZE = 20, 10.0, (48, 64)
MARKER = IdMarker("badge", size=12)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "video.mp4"
    write_video(path, [np.full((*SIZE, 3), 100, np.uint8)] * FRAMES, FPS)
    return path


@pytest.fixture
def masklets() -> Masklets:
    """Object 3 moves right by a pixel a frame; object 8 is there from frame 10 on."""
    tracks: dict[int, tuple[bytes | None, ...]] = {3: (), 8: ()}
    for t in range(FRAMES):
        mask = np.zeros(SIZE, bool)
        mask[4:20, 2 + t : 18 + t] = True
        other = np.zeros(SIZE, bool)
        other[26:44, 40:60] = True
        tracks[3] += (rle.encode(mask),)
        tracks[8] += (rle.encode(other) if t >= 10 else None,)
    return Masklets(SIZE, FPS, np.arange(FRAMES) / FPS, tracks)


def test_every_frame_is_drawn_as_a_clip_of_them_all_would_be(video: Path, masklets: Masklets) -> None:
    clip = read_clip(video, fps=FPS, max_frames=FRAMES, backend="pyav")
    marked, legend = MARKER.annotate_clip(clip, masklets)
    drawn = list(draw_frames(probe(video), masklets, MARKER))
    assert [frame.index for frame in drawn] == list(range(FRAMES))
    assert [frame.time for frame in drawn] == pytest.approx(np.arange(FRAMES) / FPS)
    assert tuple(frame.marks for frame in drawn) == legend.frames
    for frame, picture in zip(drawn, marked.frames, strict=True):
        np.testing.assert_array_equal(frame.picture, picture)


@pytest.mark.parametrize("style", ["outline+contour", "tint", "box"])
def test_styles_that_look_at_masks(video: Path, masklets: Masklets, style: str) -> None:
    drawn = next(draw_frames(probe(video), masklets, IdMarker(style)))
    assert abs(drawn.picture.astype(int) - 100).max() > 50


def test_video_stills_and_legend(video: Path, masklets: Masklets, tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "out.mp4", tmp_path / "stills", legend=tmp_path / "legend.json")
    seen: list[int] = []

    def progress(frames: Iterable[DrawnFrame]) -> Iterator[DrawnFrame]:
        for frame in frames:
            seen.append(frame.index)
            yield frame

    assert draw_video(probe(video), masklets, MARKER, outputs, progress) == FRAMES
    assert seen == list(range(FRAMES))
    drawn = list(draw_frames(probe(video), masklets, MARKER))
    # 2 s at 2 a second: 0, 0.5, 1, 1.5 s are frames 0, 5, 10, 15
    stills = sorted((tmp_path / "stills").iterdir())
    assert [still.name for still in stills] == [f"{k:06}.png" for k in (0, 5, 10, 15)]
    np.testing.assert_array_equal(np.asarray(Image.open(stills[2])), drawn[10].picture)
    legend = json.loads((tmp_path / "legend.json").read_text())
    assert legend == {"schema_version": 1, "frames": [[mark.to_json() for mark in frame.marks] for frame in drawn]}
    assert "reason" in legend["frames"][9][1] and "box" in legend["frames"][10][1]
    clip: Clip = read_clip(tmp_path / "out.mp4", fps=FPS)
    assert len(clip) == FRAMES
    x1, y1, x2, y2 = drawn[12].marks[0].box  # type: ignore[misc]
    there = clip.frames[12, y1:y2, x1:x2].astype(int)
    assert abs(there - drawn[12].picture[y1:y2, x1:x2]).mean() < 25 < abs(there - 100).mean()  # H.264 blurs a little


def test_only_what_is_asked_for_is_written(video: Path, masklets: Masklets, tmp_path: Path) -> None:
    draw_video(probe(video), masklets, MARKER, Outputs(tmp_path / "out.mp4"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.mp4"]


def test_frames_that_cannot_be_decoded_are_left_out_and_the_legend_keeps_its_places(
    video: Path, masklets: Masklets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(info, wanted) -> Iterator[tuple[float, np.ndarray]]:
        for frame in wanted:
            if frame not in (0, 7, 8):
                yield frame / FPS, np.full((*SIZE, 3), 100, np.uint8)

    monkeypatch.setattr("prompting.video.read_pyav", damaged)
    outputs = Outputs(tmp_path / "out.mp4", legend=tmp_path / "legend.json")
    assert draw_video(probe(video), masklets, MARKER, outputs) == FRAMES - 3
    frames = json.loads((tmp_path / "legend.json").read_text())["frames"]
    assert [len(frame) for frame in frames] == [0] + [2] * 6 + [0, 0] + [2] * 11
    assert probe(tmp_path / "out.mp4").frame_count == FRAMES - 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError, RuntimeError])
def test_nothing_is_left_of_an_interrupted_run(
    video: Path, masklets: Masklets, tmp_path: Path, error: type[BaseException]
) -> None:
    def stopped(frames: Iterable[DrawnFrame]) -> Iterator[DrawnFrame]:
        for frame in frames:
            if frame.index == 8:
                raise error("stop")
            yield frame

    outputs = Outputs(tmp_path / "out.mp4", tmp_path / "stills", legend=tmp_path / "legend.json")
    with pytest.raises(error):
        draw_video(probe(video), masklets, MARKER, outputs, stopped)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("taken", ["out.mp4", "legend.json", "stills"])
def test_what_exists_is_refused_before_any_frame_is_read(
    video: Path, masklets: Masklets, tmp_path: Path, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = Outputs(tmp_path / "out.mp4", tmp_path / "stills", legend=tmp_path / "legend.json")
    if taken == "stills":
        (tmp_path / taken).mkdir()
        (tmp_path / taken / "mine").touch()
    else:
        (tmp_path / taken).write_text("mine")
    monkeypatch.setattr("prompting.video.read_pyav", lambda *_: pytest.fail("a frame was read"))
    with pytest.raises(UserError, match=rf"{taken} exists already"):
        draw_video(probe(video), masklets, MARKER, outputs)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in", taken])


def test_overwriting_files_when_told(video: Path, masklets: Masklets, tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "out.mp4", legend=tmp_path / "legend.json", overwrite=True)
    outputs.video.write_text("mine")
    (tmp_path / "legend.json").write_text("mine")
    draw_video(probe(video), masklets, MARKER, outputs)
    assert probe(tmp_path / "out.mp4").frame_count == FRAMES
    assert json.loads((tmp_path / "legend.json").read_text())["schema_version"] == 1


def test_places_must_differ_also_from_what_is_read(video: Path, masklets: Masklets, tmp_path: Path) -> None:
    masks = tmp_path / "masks.json"
    masks.write_text("mine")
    link, hard = tmp_path / "in" / "link.mp4", tmp_path / "in" / "hard.mp4"
    link.symlink_to(video)
    hard.hardlink_to(video)
    before = video.read_bytes()
    for outputs in (
        Outputs(video, overwrite=True),
        Outputs(tmp_path / "in" / ".." / "in" / "video.mp4", overwrite=True),
        Outputs(link, overwrite=True),
        Outputs(hard, overwrite=True),
        Outputs(tmp_path / "a.mp4", legend=tmp_path / "a.mp4"),
        Outputs(tmp_path / "a.mp4", frames=tmp_path / "b", legend=tmp_path / "b"),
        Outputs(tmp_path / "a.mp4", legend=video, overwrite=True),
        Outputs(tmp_path / "a.mp4", legend=masks, overwrite=True, inputs=[masks]),
    ):
        with pytest.raises(UserError, match=r"is also an input|is named for two outputs"):
            draw_video(probe(video), masklets, MARKER, outputs)
    assert video.read_bytes() == before and masks.read_text() == "mine" and link.is_symlink()


@pytest.mark.parametrize("overwrite", [False, True])
def test_links_are_never_written_through(video: Path, masklets: Masklets, tmp_path: Path, overwrite: bool) -> None:
    """A link as output is refused, or replaced itself; what it leads to, or would lead to, stays as it is."""
    other, away = tmp_path / "other.mp4", tmp_path / "away"
    other.write_text("mine")
    places = [tmp_path / name for name in ("soft.mp4", "hard.mp4", "dangling.mp4", "legend.json")]
    places[0].symlink_to(other)
    places[1].hardlink_to(other)
    places[2].symlink_to(away)
    places[3].symlink_to(away)
    for place in places:
        outputs = (
            Outputs(tmp_path / "o.mp4", legend=place, overwrite=True) if place.suffix == ".json" else Outputs(place)
        )
        outputs = replace(outputs, overwrite=overwrite)
        if overwrite:
            draw_video(probe(video), masklets, MARKER, outputs)
            assert not place.is_symlink()
        else:
            with pytest.raises(UserError, match="exists already"):
                draw_video(probe(video), masklets, MARKER, outputs)
    assert other.read_text() == "mine" and not away.exists()


def test_stills_at_a_link_that_leads_nowhere(video: Path, masklets: Masklets, tmp_path: Path) -> None:
    (tmp_path / "stills").symlink_to(tmp_path / "away")
    with pytest.raises(UserError, match="stills exists already"):
        draw_video(probe(video), masklets, MARKER, Outputs(tmp_path / "a.mp4", tmp_path / "stills"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "stills"]


@pytest.mark.parametrize("late", ["a.mp4", "legend.json", "stills"])
def test_what_appears_while_it_works_is_left_alone_and_nothing_else_appears(
    video: Path, masklets: Masklets, tmp_path: Path, late: str
) -> None:
    def meanwhile(frames: Iterable[DrawnFrame]) -> Iterator[DrawnFrame]:
        for frame in frames:
            if frame.index == 8 and late == "stills":
                (tmp_path / late).mkdir()
                (tmp_path / late / "mine").touch()
            elif frame.index == 8:
                (tmp_path / late).write_text("mine")
            yield frame

    outputs = Outputs(tmp_path / "a.mp4", tmp_path / "stills", legend=tmp_path / "legend.json")
    with pytest.raises(UserError, match=late):
        draw_video(probe(video), masklets, MARKER, outputs, meanwhile)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["in", late])
    assert (tmp_path / late / "mine").exists() if late == "stills" else (tmp_path / late).read_text() == "mine"


@pytest.mark.parametrize(("broken", "named"), [("_stills", "stills"), ("_legend", "legend.json")])
def test_a_full_disk_is_named_by_what_did_not_fit(
    video: Path, masklets: Masklets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, named: str
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(*_: object, **__: object) -> None:
        raise full

    target = "prompting.video.Image.Image.save" if broken == "_stills" else "prompting.video.json.dumps"
    monkeypatch.setattr(target, fail)
    outputs = Outputs(tmp_path / "a.mp4", tmp_path / "stills", legend=tmp_path / "legend.json")
    with pytest.raises(UserError, match=f"cannot write .*{named}: No space left on device"):
        draw_video(probe(video), masklets, MARKER, outputs)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_paths_may_be_texts(video: Path, masklets: Masklets, tmp_path: Path) -> None:
    outputs = Outputs(f"{tmp_path}/a.mp4", f"{tmp_path}/stills", legend=f"{tmp_path}/l.json", inputs=[f"{tmp_path}/m"])
    assert draw_video(probe(str(video)), masklets, MARKER, outputs) == FRAMES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "in", "l.json", "stills"]


def test_a_name_that_is_not_utf_8(video: Path, masklets: Masklets, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    outputs = Outputs(tmp_path / f"{name}.mp4", tmp_path / name, legend=tmp_path / f"{name}.json")
    assert draw_video(probe(video), masklets, MARKER, outputs) == FRAMES
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_stills_a_second_are_checked(video: Path, masklets: Masklets, tmp_path: Path, rate: float) -> None:
    with pytest.raises(UserError, match="stills a second must be a number > 0"):
        draw_video(probe(video), masklets, MARKER, Outputs(tmp_path / "a.mp4", stills_per_second=rate))


def test_masklets_of_another_size_are_refused(video: Path, tmp_path: Path) -> None:
    other = Masklets((8, 8), FPS, np.arange(FRAMES) / FPS, {})
    with pytest.raises(UserError, match=r"masklets must have the video's \(height, width\) \(48, 64\), got \(8, 8\)"):
        draw_video(probe(video), other, MARKER, Outputs(tmp_path / "a.mp4"))
    assert not (tmp_path / "a.mp4").exists()


def test_a_video_whose_frames_change_size_is_refused(
    video: Path, masklets: Masklets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prompting.video.read_pyav", lambda info, wanted: [(0.3, np.zeros((10, 10, 3), np.uint8))])
    with pytest.raises(UserError, match=r"video\.mp4: frame 3 is of another size than the first"):
        draw_video(probe(video), masklets, MARKER, Outputs(tmp_path / "a.mp4"))


def test_frames_are_drawn_one_at_a_time(video: Path, masklets: Masklets, tmp_path: Path) -> None:
    """The picture of a frame is gone when the one after the next is drawn, however long the video."""
    import weakref

    kept: list[weakref.ref[np.ndarray]] = []

    def watched(frames: Iterable[DrawnFrame]) -> Iterator[DrawnFrame]:
        for frame in frames:
            assert sum(picture() is not None for picture in kept) <= 2
            kept.append(weakref.ref(frame.picture))
            yield frame

    draw_video(probe(video), masklets, MARKER, Outputs(tmp_path / "a.mp4"), watched)
    assert len(kept) == FRAMES
