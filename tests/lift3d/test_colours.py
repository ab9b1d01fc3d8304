"""Colours of depth pixels, and pictures that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from benchmarks import rooms

from grounding.core import UserError
from lift3d.cloud import depth_cloud
from lift3d.colours import Colours
from lift3d.frames import Frame
from lift3d.labels import LabelMaps
from lift3d.lift import lift
from lift3d.scene import Scene, View
from lift3d.scenes.images import NoImage
from lift3d.tsdf import tsdf_mesh

DEPTH = np.ones((2, 2), np.float32)


def frame(name: str, read_colour: Callable[[], np.ndarray]) -> Frame:
    return Frame(0, View(name, None, np.eye(4), np.eye(3), lambda: DEPTH, read_colour), DEPTH, [])


def good() -> np.ndarray:
    """Twice as wide and high as the depth: the depth's pixel (1, 1) lies where the picture's (3, 3) does."""
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[3, 3] = 7
    return picture


def broken() -> np.ndarray:
    raise UserError("3.jpg is cut off")


def missing() -> np.ndarray:
    raise NoImage("there is none")


def test_broken_pictures_are_counted_and_missing_ones_are_not() -> None:
    colours = Colours()
    assert colours.problems() == ()
    assert colours.of(frame("1", good), np.array([0, 3])).tolist() == [[0, 0, 0], [7, 7, 7]]
    assert colours.of(frame("2", missing), np.array([0, 3])).tolist() == [[128] * 3] * 2
    assert colours.problems() == ()
    assert colours.of(frame("3", broken), np.array([1])).tolist() == [[128] * 3]
    assert colours.of(frame("4", broken), np.array([1])).tolist() == [[128] * 3]
    assert colours.problems() == (
        "2 of 4 pictures cannot be read, and what they show is grey: frames 3, 4; the first one: 3.jpg is cut off",
    )


@pytest.fixture
def long(room: rooms.Room) -> Scene:
    """Forty frames without a mesh; the pictures of the 12th and 30th are broken, which no sample of six finds."""
    views = [replace(room.scene.views[k % 8], name=str(k)) for k in range(40)]
    views = [replace(view, read_colour=broken) if view.name in ("11", "29") else view for view in views]
    return Scene(views)


def test_a_lift_tells_of_all_broken_pictures(room: rooms.Room, long: Scene) -> None:
    assert "2 of 40 pictures" in depth_cloud(long, 0.05).problems[0]
    (problem,) = lift(long, LabelMaps(room.labels * 5)).problems
    assert problem.startswith("2 of 40 pictures") and "frames 11, 29;" in problem


def test_a_fused_mesh_tells_of_all_broken_pictures(open3d_loads: None, long: Scene) -> None:
    (problem,) = tsdf_mesh(long, 0.04).problems
    assert problem.startswith("2 of 40 pictures") and "frames 11, 29;" in problem
