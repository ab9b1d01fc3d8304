"""The toy world as a folder: what `open_jsonl` reads back is what was made; and the command that writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from grounding.core import UserError, load_masklets
from grounding.core.video import probe
from grounding.datasets.jsonl import open_jsonl
from grounding.datasets.media import ClipOptions
from grounding.datasets.toy import FPS, HELD_OUT, toy_source
from grounding.datasets.toy_export import export_toy

COMMAND = Path(__file__).parents[2] / "scripts" / "make_toy.py"
SOURCE = toy_source(HELD_OUT.stop, 3, level=2, objects=4, fps=FPS)
KINDS = (("masklets", "masklets.json"), ("videos", "mp4"))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")  # it is there, but empty
    assert export_toy(SOURCE, folder) == folder / "annotations.jsonl"
    return folder


def test_files(exported: Path) -> None:
    files = sorted(str(file.relative_to(exported)) for file in exported.rglob("*") if file.is_file())
    masklets, videos = ([f"{kind}/{n:04}.{end}" for n in range(3)] for kind, end in KINDS)
    assert files == ["annotations.jsonl", *masklets, *videos]


def test_video_and_masklets_have_the_same_times(exported: Path) -> None:
    info = probe(exported / "videos" / "0001.mp4")
    masklets = load_masklets(exported / "masklets" / "0001.masklets.json")
    np.testing.assert_array_equal(masklets.pts, np.arange(16) / 4)
    np.testing.assert_allclose(info.pts, masklets.pts, atol=1e-6)
    assert info.size == masklets.size == (84, 84)
    assert info.fps == pytest.approx(4.0) and info.duration == pytest.approx(4.0)


@pytest.mark.parametrize(("fps", "frames"), [(4.0, 16), (2.0, 8)])
def test_reads_back_as_ones_own_data(exported: Path, fps: float, frames: int) -> None:
    read = open_jsonl(exported, "annotations.jsonl", ClipOptions(fps, backend="pyav"))
    assert not read.skipped
    assert [sample.id for sample in read.samples] == [sample.id for sample in SOURCE.samples]
    for mine, made in zip(read.samples, SOURCE.samples, strict=True):
        loaded, original = read.load(mine), SOURCE.load(made)
        assert (mine.query, mine.truth.interval) == (made.query, made.truth.interval)
        assert loaded.sample.truth.object_id == made.truth.object_id
        assert dict(loaded.masklets.tracks) == dict(original.masklets.tracks)
        step = len(original.clip) // frames
        np.testing.assert_allclose(loaded.clip.pts, original.clip.pts[::step], atol=1e-6)
        # H.264 halves the colours' resolution; each frame is still nearer to its own original than to any other.
        read_frames, frames_made = (clip.frames[:, None].astype(int) for clip in (loaded.clip, original.clip))
        distance = np.abs(read_frames - frames_made.swapaxes(0, 1)).mean(axis=(2, 3, 4))
        own = distance[np.arange(frames), np.arange(frames) * step]
        assert (own <= distance.min(axis=1) + 0.5).all() and own.max() < 6
        assert distance.max() > 10  # things do move
        assert mine.truth.interval is not None and loaded.sample.truth.tube is not None
        visible = original.masklets.tube(made.truth.object_id or 0, mine.truth.interval)
        assert loaded.sample.truth.tube.frames == visible.frames
        np.testing.assert_array_equal(loaded.sample.truth.tube.boxes, visible.boxes)


def test_needs_every_source_frame(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="4 frames a second holds every frame, got 2"):
        export_toy(toy_source(0, 1, fps=2.0), tmp_path / "toy")
    assert not (tmp_path / "toy").exists()


def test_refuses_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="exists already; choose another folder or empty it first"):
        export_toy(SOURCE, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_refuses_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "toy").write_text("mine")
    with pytest.raises(UserError, match="exists already; choose another folder"):
        export_toy(SOURCE, tmp_path / "toy")


@pytest.mark.parametrize("there", [False, True])
def test_when_it_is_stopped_nothing_is_left_and_the_next_try_works(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "toy"
    if there:
        folder.mkdir()

    def stop(samples):  # type: ignore[no-untyped-def]
        yield samples[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_toy(SOURCE, folder, stop)
    assert [path.name for path in tmp_path.rglob("*")] == ["toy"] * there
    export_toy(SOURCE, folder)
    assert len((folder / "annotations.jsonl").read_text().splitlines()) == 3


def test_refuses_more_clips_than_anybody_wants(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at most 100,000 clips are written, got 1,000,000,000"):
        export_toy(toy_source(HELD_OUT.stop, 10**9, fps=FPS), tmp_path / "toy")
    assert not (tmp_path / "toy").exists()


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(COMMAND), *arguments], capture_output=True, text=True, timeout=120)


def test_command_writes_training_clips(tmp_path: Path) -> None:
    done = command(str(tmp_path / "toy"), "--clips", "2", "--level", "2", "--objects", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"wrote 2 clips and {tmp_path / 'toy' / 'annotations.jsonl'}\n"
    rows = [json.loads(line) for line in (tmp_path / "toy" / "annotations.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["toy-2-2-1000000", "toy-2-2-1000001"]  # numbers below are held out


@pytest.mark.parametrize("arguments", [("--objects", "9"), ("--level", "0"), ("--clips", "0"), ("--clips", "9" * 9)])
def test_command_says_mistakes_in_one_line(tmp_path: Path, arguments: tuple[str, str]) -> None:
    done = command(str(tmp_path / "toy"), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: ")
    assert not (tmp_path / "toy").exists()


def test_command_does_not_write_into_what_is_there(exported: Path) -> None:
    done = command(str(exported))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {exported} exists already; choose another folder or empty it first\n"
