"""Tests of grounding.datasets.video_source."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Interval, Masklets, Sample, Source, Tube, UserError, rle, save_masklets, write_video
from grounding.datasets.catalog import open_dataset
from grounding.datasets.video_source import VideoSource, completed, masks_by_name

SQUARE = [4.0, 4.0, 14.0, 14.0]


def masklets() -> Masklets:
    """Object 2 is the square in all of 10 frames, object 5 another one in the first 5."""
    masks = np.zeros((2, 32, 48), bool)
    masks[0, 4:14, 4:14] = True
    masks[1, 20:30, 30:40] = True
    square, other = (rle.encode(mask) for mask in masks)
    return Masklets((32, 48), 10.0, np.arange(10) / 10, {2: (square,) * 10, 5: (other,) * 5 + (None,) * 5})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    write_video(folder / "videos" / "x" / "v.mp4", [np.zeros((32, 48, 3), np.uint8)] * 10, 10.0)
    save_masklets(folder / "masks" / "deep" / "v.masklets.json", masklets())
    (folder / "empty").mkdir()
    return folder


def sample(**truth: Any) -> Sample:
    return Sample("a", "x/v.mp4", "q", Answer(**truth))


def test_a_tube_gets_the_id_of_its_masks(root: Path) -> None:
    one = sample(interval=Interval(0.2, 0.5), tube=Tube(2, np.array([SQUARE] * 3)))
    source: Source = VideoSource([one], root / "videos", root / "masks", fps=5.0, max_frames=4, max_pixels=24 * 16)
    loaded = source.load(source.samples[0])
    assert loaded.sample.truth.object_id == 2 and loaded.sample.truth.tube is one.truth.tube
    assert loaded.masklets.ids == [2, 5]
    assert loaded.clip.frames.shape == (4, 16, 24, 3)


def test_an_id_gets_the_tube_of_its_masks() -> None:
    tube = completed(sample(interval=Interval(0.2, 0.5), object_id=2), masklets()).truth.tube
    assert tube is not None and tube.frames == range(2, 5) and tube.boxes.tolist() == [SQUARE] * 3


def test_what_has_both_or_no_time_stays() -> None:
    for truth in (
        {"interval": Interval(0, 1)},
        {"object_ids": frozenset({2})},
        {"interval": Interval(0, 1), "object_id": 5, "tube": Tube(0, np.array([SQUARE]))},
    ):
        one = sample(**truth)
        assert completed(one, masklets()) is one


def test_without_masks_there_are_no_objects(root: Path) -> None:
    loaded = VideoSource([], root / "videos").load(sample(interval=Interval(0, 1)))
    assert loaded.masklets.ids == [] and len(loaded.masklets.pts) == 10
    assert loaded.sample.truth == Answer(Interval(0, 1))


def test_boxes_that_fit_no_mask_are_refused() -> None:
    with pytest.raises(UserError, match=r"the boxes overlap no masklet by 0\.3 or more, the best by 0\.00"):
        completed(sample(interval=Interval(0, 1), tube=Tube(0, np.array([[40, 0, 48, 4.0]]))), masklets())


@pytest.mark.parametrize(
    ("video", "masks", "message"),
    [
        ("none.mp4", "masks", "sample a: 'none.mp4' not found"),
        ("../../x.mp4", "masks", "sample a: path .* leaves its root"),
        ("x/v.mp4", "empty", "sample a: no masks of x/v.mp4 in .*; name them v.masklets.json"),
    ],
)
def test_what_cannot_be_loaded_names_the_sample(root: Path, video: str, masks: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        VideoSource([], root / "videos", root / masks).load(Sample("a", video, "q", Answer()))


def test_masks_are_found_by_name(tmp_path: Path) -> None:
    (tmp_path / "0001").mkdir()
    for name in ("a.json", "0001/b.json", "0001/a.json", "c.masklets.json", "d.npz"):
        (tmp_path / name).write_text("")
    (tmp_path / "e").mkdir()
    found = {name: path.relative_to(tmp_path).as_posix() for name, path in masks_by_name(tmp_path).items()}
    assert found == {
        "a": "a.json",
        "b": "0001/b.json",
        "c": "c.masklets.json",
        "d": "d.npz",
        "e": "e",
        "0001": "0001",
    }
    with pytest.raises(UserError, match="is not a folder; give the folder that holds the masks"):
        masks_by_name(tmp_path / "none")


@pytest.mark.shared_data
def test_a_real_charades_video(shared_data: Path) -> None:
    folder = shared_data / "vtg" / "charades"
    samples = open_dataset("charades", folder, split="test", videos=folder / "videos").samples
    own = [one for one in samples if one.video == "OHOFG.mp4"]
    loaded = VideoSource(own, folder / "videos", fps=1.0, max_frames=8, max_pixels=10_000).load(own[0])
    assert len(loaded.clip.frames) == 8 and loaded.clip.duration == pytest.approx(35.04, abs=0.2)


@pytest.mark.shared_data
def test_vidor_boxes_as_masks_of_a_real_video(shared_data: Path, tmp_path: Path) -> None:
    """The video of the annotations is not here: another one stands for it, and its frames are too few."""
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(shared_data / "stvg" / "vidstg" / "videos" / "5804131706.mp4", videos / "2793806282.mp4")
    samples = open_dataset("vidstg", shared_data / "stvg" / "vidstg", split="test").samples
    own = next(one for one in samples if one.video == "2793806282.mp4")
    with pytest.raises(UserError, match=r"sample .*: .*1925 frames"):
        VideoSource([own], videos, shared_data / "stvg" / "vidor").load(own)
