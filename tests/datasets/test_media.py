"""Tests of grounding.datasets.media."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from grounding.core import UserError, write_video
from grounding.core.video import probe
from grounding.datasets import media as module
from grounding.datasets.media import Media


@pytest.fixture
def media(dataset_root: Path) -> Media:
    return Media(dataset_root)


def test_a_video_is_probed_once(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(module, "probe", lambda path: asked.append(path.name) or probe(path))
    first = media.video("video.mp4")
    assert media.video("video.mp4") is first
    assert (first.size, len(first.pts)) == ((32, 48), 12)
    assert first.duration == pytest.approx(1.2)
    assert asked == ["video.mp4"]


@pytest.mark.parametrize(("size", "taken"), [((8, 1600), True), ((8, 1602), False), ((1602, 8), False)])
def test_frames_too_thin_for_every_model_are_refused(tmp_path: Path, size: tuple[int, int], taken: bool) -> None:
    write_video(tmp_path / "strip.mp4", [np.zeros((*size, 3), np.uint8)] * 2, 2.0)
    media = Media(tmp_path)
    if taken:
        assert media.video("strip.mp4").size == size
        return
    with pytest.raises(
        UserError, match=rf"strip\.mp4.*{size[1]} x {size[0]} pixels; models take frames of at most 200 times"
    ):
        media.video("strip.mp4")


def test_a_refusal_is_remembered_too(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(module, "probe", lambda path: asked.append(path.name) or probe(path))
    for _ in range(2):
        with pytest.raises(UserError, match=r"text\.mp4"):
            media.video("text.mp4")
    assert asked == ["text.mp4"]


@pytest.mark.parametrize("name", ["masks", "good.masklets.json"])
def test_masklets_from_a_folder_and_from_a_file_are_the_same(media: Media, name: str) -> None:
    masklets = media.masklets(name, "video.mp4")
    assert media.masklets(name, "video.mp4") is masklets
    assert masklets.ids == [1, 2]
    assert masklets.pts == pytest.approx(np.arange(12) / 10)
    assert masklets.boxes(1)[3].tolist() == [5, 4, 13, 12]
    assert masklets.boxes(2)[5].tolist() == [30, 16, 40, 26]
    assert np.isnan(masklets.boxes(2)[6:]).all()


def test_only_the_masklets_asked_for_last_are_kept(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT_MASKLETS", 1)
    folder = media.masklets("masks", "video.mp4")
    file = media.masklets("good.masklets.json", "video.mp4")
    assert media.masklets("good.masklets.json", "video.mp4") is file
    assert media.masklets("masks", "video.mp4") is not folder


def test_what_was_asked_for_again_outlives_what_was_not(media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT_MASKLETS", 2)
    folder = media.masklets("masks", "video.mp4")
    media.masklets("good.masklets.json", "video.mp4")
    media.masklets("masks", "video.mp4")
    with pytest.raises(UserError):
        media.masklets("few_masks", "video.mp4")
    assert media.masklets("masks", "video.mp4") is folder


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.mp4", "'none.mp4' not found in .*; mend the path"),
        ("../outside", "'../outside' leaves its root"),
        ("/etc/passwd", "'/etc/passwd' leaves its root"),
        ("linked.mp4", "'linked.mp4' leaves its root"),
        ("masks/../../outside/00000.png", "leaves its root"),
        ("circle.mp4", "'circle.mp4' (cannot be resolved|not found)"),
        ("x" * 5000, "x' not found in"),
    ],
)
def test_paths_stay_inside_and_lead_somewhere(media: Media, path: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        media.find(path)


def test_a_path_inside_is_found_also_by_a_detour(media: Media, dataset_root: Path) -> None:
    assert media.find("masks/../video.mp4") == (dataset_root / "video.mp4").resolve()


@pytest.mark.parametrize("name", ["pipe.mp4", "video_folder"])
def test_a_video_is_a_file(media: Media, name: str) -> None:
    with pytest.raises(UserError, match="is not a file; give a video"):
        media.video(name)


def test_masklets_are_a_file_or_a_folder(media: Media) -> None:
    with pytest.raises(UserError, match="is neither a file nor a folder"):
        media.masklets("pipe.mp4", "video.mp4")


def test_media_travel_to_worker_processes(media: Media) -> None:
    with pytest.raises(UserError):
        media.masklets("few_masks", "video.mp4")
    media.masklets("masks", "video.mp4")
    copy = pickle.loads(pickle.dumps(media))
    assert copy.masklets("masks", "video.mp4").ids == [1, 2]
    with pytest.raises(UserError, match="holds 11 PNGs"):
        copy.masklets("few_masks", "video.mp4")
