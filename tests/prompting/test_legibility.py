"""Marks can be read at the few pixels that a model sees, by a reader that never saw their digits.

`python tests/prompting/test_legibility.py` prints the whole table; `--quick` for one turn instead of three.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from legibility.measure import MODEL_SIZES, RANGES, Draw, Views, marker, supervision_labels, views
from legibility.network import Network
from legibility.reading import UNREAD, load
from legibility.scenes import NATIVE, Scene, clutter, schoolgirls

from grounding.core import Clip, Masklets

RIGHT, WRONG = 0.96, 0.02  # the bars
CLUTTERS = ((1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0))  # seed, sampled frames a second

SIZES = pytest.mark.parametrize("size", MODEL_SIZES, ids=lambda size: f"{size[1]}x{size[0]}")
IDS = pytest.mark.parametrize("ids", RANGES, ids=["1-9", "10-29"])
WAYS = pytest.mark.parametrize("native", [False, True], ids=["drawn at model size", "drawn at 720p"])


@lru_cache
def reader() -> Network:
    torch.set_num_threads(1)
    return load()


girls = lru_cache(schoolgirls)
clutters = lru_cache(clutter)


def together(
    draw: Draw, scenes: list[Scene], size: tuple[int, int], ids: range, *, native: bool, turns: int = 3
) -> Views:
    """Views of several scenes as one."""
    parts = [views(draw, scene, size, ids, reader(), native=native, turns=turns) for scene in scenes]
    return Views(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("drawn", "found", "crops")))


def restless() -> list[Scene]:
    return [clutters(seed, fps) for seed, fps in CLUTTERS]


@pytest.mark.slow
@pytest.mark.shared_data
@WAYS
@SIZES
@IDS
def test_outlined_ids_can_be_read_on_real_video(
    shared_data: Path, size: tuple[int, int], ids: range, native: bool
) -> None:
    found = together(marker("outline", size), [girls(shared_data)], size, ids, native=native)
    assert len(found.drawn) >= 500
    assert found.right >= RIGHT
    assert found.wrong <= WRONG


@pytest.mark.slow
@WAYS
@SIZES
@IDS
def test_outlined_ids_can_be_read_on_clutter(size: tuple[int, int], ids: range, native: bool) -> None:
    found = together(marker("outline", size), restless(), size, ids, native=native)
    assert len(found.drawn) >= 1000
    assert found.right >= RIGHT
    assert found.wrong <= WRONG


@pytest.mark.slow
@pytest.mark.parametrize("ids", RANGES, ids=["1-9", "10-29"])
def test_default_is_read_better_than_what_others_draw(ids: range) -> None:
    scene, size = clutters(3, 2.0), MODEL_SIZES[1]
    ours, digit, labels = (
        views(draw, scene, size, ids, reader(), native=True, turns=1)
        for draw in (marker("outline", size), marker("digit", size), supervision_labels)
    )
    assert ours.right > digit.right > labels.right


def test_views_count_rightly() -> None:
    """Of four: one right, one as another id, one not read, one without a mark."""
    found = Views(np.array([1, 2, 3, 4]), np.array([1, 20, UNREAD, UNREAD]), np.zeros((4, 1, 1, 3), np.uint8))
    assert (found.right, found.wrong) == (0.25, 0.25)


def test_objects_without_marks_are_not_read() -> None:
    def nothing(clip: Clip, masklets: Masklets) -> tuple[Clip, list[dict[int, np.ndarray]]]:
        return clip, [{} for _ in clip.pts]

    found = views(nothing, clutters(1, 1.0), MODEL_SIZES[0], RANGES[0], reader(), native=False, turns=1)
    assert (found.right, found.wrong) == (0, 0)
    assert len(found.drawn) == (clutters(1, 1.0).areas(MODEL_SIZES[0]) >= 1).sum()


def test_marks_with_other_numbers_are_found_out() -> None:
    """Each object wears the number after its own."""
    size = MODEL_SIZES[0]

    def off_by_one(clip: Clip, masklets: Masklets) -> tuple[Clip, list[dict[int, np.ndarray]]]:
        tracks = {i + 1: track for i, track in masklets.tracks.items()}
        other = Masklets(masklets.size, masklets.fps, masklets.pts, tracks)
        marked, boxes = marker("outline", size)(clip, other)
        return marked, [{i - 1: box for i, box in frame.items()} for frame in boxes]

    found = views(off_by_one, clutters(1, 1.0), size, RANGES[1], reader(), native=False, turns=1)
    assert found.right <= 0.05
    assert found.wrong >= 0.9


def test_frames_without_marks_are_not_read() -> None:
    """The boxes are those of marks, the frames are as they were."""
    size = MODEL_SIZES[0]

    def unmarked(clip: Clip, masklets: Masklets) -> tuple[Clip, list[dict[int, np.ndarray]]]:
        return clip, marker("outline", size)(clip, masklets)[1]

    found = views(unmarked, clutters(1, 1.0), size, RANGES[1], reader(), native=False, turns=1)
    assert found.right <= 0.05
    assert found.wrong <= 0.1


@pytest.mark.slow
def test_clutter_is_fast_sparse_and_crowded() -> None:
    for scene, (_, fps) in zip(restless(), CLUTTERS, strict=True):
        assert scene.clip.frames.shape == (round(8 * fps), *NATIVE, 3)
        assert np.allclose(np.diff(scene.clip.pts), 1 / fps)
        shares = scene.areas((100, 100)) / 1e4
        assert np.median(shares) >= 0.002 and shares.max() <= 0.2 and shares[shares > 0].min() <= 0.004
        at = [scene.masklets.frame_at(t) for t in scene.clip.pts]
        boxes = np.stack([scene.masklets.boxes(i)[at] for i in scene.masklets.ids])
        moved = np.abs(np.diff((boxes[..., :2] + boxes[..., 2:]) / 2, axis=1)) / scene.masklets.size[::-1]
        assert np.nanmedian(moved.max(axis=-1)) >= 0.15  # of the frame's sides, between two sampled frames


def test_clutter_is_the_same_for_the_same_seed() -> None:
    one, other = clutter(4, 1.0, duration=2.0), clutter(4, 1.0, duration=2.0)
    assert np.array_equal(one.clip.frames, other.clip.frames)
    assert one.masklets.tracks == other.masklets.tracks


def test_numbered_gives_new_ids_in_order() -> None:
    scene = clutters(1, 1.0)
    named = scene.numbered([9, 3, 5, 1, 2, 7, 8, 6])
    assert named.ids == [1, 2, 3, 5, 6, 7, 8, 9]
    assert named.tracks[9] == scene.masklets.tracks[1] and named.tracks[6] == scene.masklets.tracks[8]


def table(shared_data: Path, turns: int) -> None:
    """Print right / wrong of every style, data, size and range as Markdown."""
    data = {"schoolgirls": [girls(shared_data)], "clutter": restless()}
    columns = [(name, size, ids) for name in data for size in MODEL_SIZES for ids in RANGES]
    print("| style |", " | ".join(f"{n} {s[1]}: {i[0]}-{i[-1]}" for n, s, i in columns), "|")
    print("|---" * (len(columns) + 1) + "|")
    for style in ("outline", "badge", "digit", "supervision"):
        for native in (True, False) if style != "supervision" else (True,):
            cells = []
            for name, size, ids in columns:
                draw = supervision_labels if style == "supervision" else marker(style, size)
                found = together(draw, data[name], size, ids, native=native, turns=turns)
                cells.append(f"{found.right:.3f}/{found.wrong:.3f}")
            print(f"| {style}, {'720p' if native else 'model size'} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    table(Path(__file__).parents[3] / "shared" / "data", 1 if "--quick" in sys.argv else 3)
