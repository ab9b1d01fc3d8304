"""Picture files as videos of one frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.core import UserError
from grounding.core.video_picture import probe_picture, read_picture

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.bmp", "a.tiff", "a.ppm"])
def test_a_picture_is_a_video_of_one_frame(name: str, tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / name)
    info = probe_picture(tmp_path / name)
    assert (info.size, info.frame_count, info.fps, info.duration) == ((4, 6), 1, 1.0, 1.0)
    clip = read_picture(tmp_path / name)
    np.testing.assert_array_equal(clip.frames, PIXELS[None])
    assert (clip.pts.tolist(), clip.size, clip.source_fps, clip.duration) == ([0.0], (4, 6), 1.0, 1.0)


def test_it_is_shrunk_like_a_frame(tmp_path: Path) -> None:
    Image.new("RGB", (100, 50), (9, 8, 7)).save(tmp_path / "a.png")
    clip = read_picture(tmp_path / "a.png", max_pixels=800)
    assert clip.frames.shape == (1, 20, 40, 3)
    assert clip.size == (50, 100)
    assert (clip.frames == (9, 8, 7)).all()


def test_it_is_turned_as_the_camera_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    assert probe_picture(tmp_path / "a.png").size == (6, 4)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").frames[0], np.rot90(PIXELS, -1))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_other_kinds_of_pixels_become_rgb(mode: str, tmp_path: Path) -> None:
    Image.new(mode, (3, 2)).save(tmp_path / "a.png")
    assert not read_picture(tmp_path / "a.png").frames.any()


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)).save(whole)
    (tmp_path / "torn.jpg").write_bytes(whole.read_bytes()[:-500])
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(np.full((4, 4), 1000, np.uint16)).save(tmp_path / "depth.png")
    for name, message in (
        ("torn.jpg", "cannot read picture .*torn.jpg as a picture"),
        ("text.png", "is no picture that is read here"),
        ("none.png", "none.png"),
        ("depth.png", "more than 8 bits a colour, as depth has; save it with 8"),
    ):
        with pytest.raises(UserError, match=message):
            probe_picture(tmp_path / name)
