"""The bars of placement on real masks: how much is hidden, how much lies outside, how steady it is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from grounding.core import Clip, Masklets, rle
from prompting import IdMarker, Legend
from prompting.plan import Plan

FRAMES, FPS = 80, 24.0
GREY = 128

pytestmark = pytest.mark.shared_data


def maps_at(shared_data: Path, size: tuple[int, int]) -> np.ndarray:
    """Id maps of the clip brought to (height, width), uint8, shape (80, height, width)."""
    image = pytest.importorskip("PIL.Image")
    folder = shared_data / "stvg" / "schoolgirls" / "masks"
    maps = [np.asarray(image.open(folder / f"{t:05d}.png")) for t in range(FRAMES)]
    return np.stack([cv2.resize(m, size[::-1], interpolation=cv2.INTER_NEAREST) for m in maps])


def masklets_of(maps: np.ndarray) -> Masklets:
    ids = [int(i) for i in np.unique(maps) if i]
    tracks = {i: tuple(rle.encode(m == i) if (m == i).any() else None for m in maps) for i in ids}
    return Masklets(maps.shape[1:], FPS, np.arange(FRAMES) / FPS, tracks)


def drawn_on_grey(maps: np.ndarray, marker: IdMarker) -> tuple[np.ndarray, Legend]:
    """Which pixels a mark covers by half or more, bool (80, height, width), and the legend."""
    frames = np.full((*maps.shape, 3), GREY, np.uint8)
    clip = Clip(frames, np.arange(FRAMES) / FPS, FPS, maps.shape[1:], FRAMES / FPS)
    drawn, legend = marker.annotate_clip(clip, masklets_of(maps))
    return np.abs(drawn.frames.astype(np.int16) - GREY).max(axis=-1) >= 64, legend


class Figures(NamedTuple):
    hidden: float
    outside: float
    overlap: float
    undrawn: int


def measured(maps: np.ndarray, marker: IdMarker) -> Figures:
    covered, legend = drawn_on_grey(maps, marker)
    hidden, outside, overlap, undrawn = [], [], [], 0
    for t, marks in enumerate(legend.frames):
        times = np.zeros(maps.shape[1:], int)
        for mark in marks:
            if mark.box is not None:
                times[mark.box[1] : mark.box[3], mark.box[0] : mark.box[2]] += 1
        for mark in marks:
            mask = maps[t] == mark.object_id
            if not mask.any():
                continue
            undrawn += mark.box is None
            hidden.append((mask & covered[t]).sum() / mask.sum())
            if mark.box is not None:
                part = (t, slice(mark.box[1], mark.box[3]), slice(mark.box[0], mark.box[2]))
                outside.append((covered[part] & ~mask[part[1:]]).sum() / covered[part].sum())
                overlap.append((times[part[1:]] > 1).mean())
    return Figures(float(np.mean(hidden)), float(np.mean(outside)), float(np.mean(overlap)), undrawn)


def acceleration(points: np.ndarray) -> float:
    """Mean length of the second difference of tracks, (T, N, 2)."""
    return float(np.linalg.norm(np.diff(points, 2, axis=0), axis=-1).mean())


def middles_of_what_is_drawn(plan: Plan) -> np.ndarray:
    """Mean (x, y) of each mark's pixels, weighed by how far they are covered: on black and on white they are alike."""
    black, white = np.zeros((720, 1280, 3), np.uint8), np.full((720, 1280, 3), 255, np.uint8)
    middles = np.zeros((FRAMES, len(plan.spots.ids), 2))
    for t in range(FRAMES):
        dark, light = black.copy(), white.copy()
        plan.draw(light, t, {})
        for n, mark in enumerate(plan.draw(dark, t, {})):
            assert mark.box is not None
            x1, y1, x2, y2 = mark.box
            coverage = 255.0 - (light[y1:y2, x1:x2, 0].astype(float) - dark[y1:y2, x1:x2, 0])
            y, x = np.mgrid[y1:y2, x1:x2] + 0.5
            middles[t, n] = (coverage * x).sum() / coverage.sum(), (coverage * y).sum() / coverage.sum()
    return middles


@pytest.mark.parametrize("size", [(196, 364), (720, 1280)])
def test_little_is_hidden_and_nothing_missing(shared_data: Path, size: tuple[int, int]) -> None:
    found = measured(maps_at(shared_data, size), IdMarker())
    assert found.hidden <= 0.15
    assert found.outside <= 0.18
    assert found.overlap == 0
    assert found.undrawn == 0  # so no flicker either: all 560 views are marked


def test_marks_are_steady_at_720p(shared_data: Path) -> None:
    maps = maps_at(shared_data, (720, 1280))
    masklets = masklets_of(maps)
    plan = IdMarker().plan(masklets, masklets.pts, (720, 1280))
    assert plan.places is not None and plan.spots.seen.all()
    assert acceleration(plan.places.centres) <= 1.0
    # As drawn: where the pictures are put, and where the pixels are that they cover.
    assert acceleration(plan.places.corners + plan.places.extents[..., ::-1] / 2) <= 1.0
    assert acceleration(middles_of_what_is_drawn(plan)) <= 1.0
    centroids = [[np.argwhere(m == i).mean(axis=0) for i in masklets.ids] for m in maps]
    assert acceleration(np.array(centroids)) > 3  # what the masks themselves do


@pytest.mark.parametrize("style", ["outline", "badge", "digit", "contour", "outline+tint+box"])
def test_every_object_of_a_sampled_clip_is_in_the_legend(shared_data: Path, style: str) -> None:
    maps = maps_at(shared_data, (154, 280))
    frames = np.full((4, 154, 280, 3), GREY, np.uint8)
    clip = Clip(frames, np.arange(4) * 20 / FPS, FPS, (154, 280), FRAMES / FPS)
    drawn, legend = IdMarker(style).annotate_clip(clip, masklets_of(maps))
    for t, marks in enumerate(legend.frames):
        assert [mark.object_id for mark in marks] == list(range(1, 8))
        assert all(mark.visible and mark.box is not None for mark in marks)
        assert (drawn.frames[t] != GREY).any(axis=-1).sum() > 7 * 20
