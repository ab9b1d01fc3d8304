"""`scripts/bench.py draw` at a small size: every figure is there, and both sides draw the same objects."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from benchmarks import draw

from prompting import IdMarker

SMALL = draw.Scene(size=(90, 160), objects=3, frames=6)

pytestmark = pytest.mark.slow


def test_every_figure_is_measured(tmp_path: Path) -> None:
    found = draw.draw(tmp_path, SMALL, 1)
    assert {"ratio_supervision", "ratio_floor", "ms_per_frame", "share_of_decoding"} <= found.keys()
    assert all(found[bar.figure] > 0 for bar in draw.BARS)
    assert found["objects"] == 3
    assert set(draw.summary(found)) >= {"ratio_supervision", "ours, a frame", "floor, a frame"}


def test_the_world_shows_its_objects() -> None:
    masklets, frames = draw.world(SMALL)
    assert masklets.ids == [1, 2, 3] and len(frames) == 6
    for object_id, mask in masklets.masks_at(5).items():
        if object_id == 3:  # the last one painted, so nothing hides it
            assert (np.ptp(frames[5][mask], axis=0) == 0).all()


def test_prepared_pictures_are_those_that_are_drawn() -> None:
    masklets, frames = draw.world(SMALL)
    plan = IdMarker().plan(masklets, masklets.pts, SMALL.size)
    drawn, blitted = frames[2].copy(), frames[2].copy()
    plan.draw(drawn, 2, {})
    for x, y, picture in draw.prepared(plan, frames[2], 2):
        blitted[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    leaders = [mark for mark in plan.draw(frames[2].copy(), 2, {}) if mark.leader]
    assert (drawn == blitted).all() or leaders
