"""A mesh of the depth, where open3d loads; and one line where it does not."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from benchmarks import rooms

from grounding.core import UserError
from lift3d.labels import LabelMaps
from lift3d.lift import lift
from lift3d.tsdf import tsdf_mesh


@pytest.fixture
def open3d_loads() -> None:
    try:
        import open3d  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"open3d does not load: {error}")


def test_things_are_found_on_the_mesh(open3d_loads: None, room: rooms.Room) -> None:
    scene = tsdf_mesh(replace(room.scene, points=None, colours=None), 0.04)
    assert scene.points is not None and scene.faces is not None and scene.colours is not None
    assert scene.faces.max() < len(scene.points) == len(scene.colours)
    assert np.abs(scene.colours.astype(int) - 128).max() <= 1  # the views' grey
    lifted = lift(scene, LabelMaps(room.labels))
    assert [one.id for one in lifted.instances] == [1, 2, 3]
    for one in lifted.instances:
        thing = room.things[one.id - 1]
        assert np.abs(one.boxes.trimmed.reshape(2, 3).mean(axis=0) - thing.centre).max() < 0.1


def test_depth_without_a_surface_is_said(open3d_loads: None, room: rooms.Room) -> None:
    dark = [replace(view, read_depth=lambda: np.zeros((120, 160), np.float32)) for view in room.scene.views]
    with pytest.raises(UserError, match="none of the 8 views can be used: no valid depth: frames 0"):
        tsdf_mesh(replace(room.scene, views=dark))


def test_no_open3d_is_said_in_one_line(room: rooms.Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(UserError, match="--surface tsdf needs open3d"):
        tsdf_mesh(room.scene, 0.04)
