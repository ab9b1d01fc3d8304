"""A mesh of the depth, where open3d loads; and one line where it does not."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.abc import MetaPathFinder

import numpy as np
import pytest
from benchmarks import rooms

from grounding.core import UserError
from lift3d.labels import LabelMaps
from lift3d.lift import lift
from lift3d.scene import Scene, View
from lift3d.tsdf import tsdf_mesh


def test_things_are_found_on_the_mesh(open3d_loads: None, room: rooms.Room) -> None:
    scene = tsdf_mesh(replace(room.scene, points=None, colours=None), 0.04)
    assert scene.points is not None and scene.faces is not None and scene.colours is not None
    assert scene.faces.max() < len(scene.points) == len(scene.colours)
    assert np.abs(scene.colours.astype(int) - 128).max() <= 1  # the views' grey
    lifted = lift(scene, LabelMaps(room.labels))
    assert [one.id for one in lifted.instances] == [1, 2, 3]
    for one in lifted.instances:
        thing = room.things[one.id - 1]
        assert np.abs(one.boxes.aabb.reshape(2, 3).mean(axis=0) - thing.centre).max() < 0.1


def test_depth_without_a_surface_is_said(open3d_loads: None, room: rooms.Room) -> None:
    dark = [replace(view, read_depth=lambda: np.zeros((120, 160), np.float32)) for view in room.scene.views]
    with pytest.raises(UserError, match="none of the 8 views can be used: no valid depth: frames 0"):
        tsdf_mesh(replace(room.scene, views=dark))
    lone = np.zeros((120, 160), np.float32)
    lone[0, 0] = 1.0
    with pytest.raises(UserError, match=r"no surface came out of the depth at voxels of 0\.02 m"):
        tsdf_mesh(replace(room.scene, views=[replace(room.scene.views[0], read_depth=lambda: lone)]), 0.02)


def flat(depth: float, focal: float) -> View:
    """A wall, 60 x 80 pixels of it."""
    lens = np.array([[focal, 0, 39.5], [0, focal, 29.5], [0, 0, 1]])
    image = np.full((60, 80), depth, np.float32)
    return View("0", None, np.eye(4), lens, lambda: image, lambda: np.zeros((60, 80, 3), np.uint8))


def test_what_one_frame_sees_is_a_surface(open3d_loads: None) -> None:
    """A wall at 1 m: 80 x 60 pixels of 5 mm are 0.4 x 0.3 m, and voxels of 2 cm give it some 20 x 15 vertices."""
    points = tsdf_mesh(Scene([flat(1.0, 200)])).points
    assert points is not None and 200 < len(points) < 500
    np.testing.assert_allclose(points[:, 2], 1, atol=0.005)
    np.testing.assert_allclose(np.ptp(points, axis=0)[:2], [0.4, 0.3], atol=0.05)


def test_voxels_span_four_pixels_and_no_more_than_2_cm(open3d_loads: None) -> None:
    """At 0.4 m with f = 200 a pixel sees 2 mm: voxels of 8 mm. At 4 m it would be 8 cm: 2 cm."""
    near, far = (np.sort(tsdf_mesh(Scene([flat(depth, 200)])).points[:, 0]) for depth in (0.4, 4.0))
    assert np.median(np.diff(np.unique(near.round(4)))) == pytest.approx(0.008, abs=0.0005)
    assert np.median(np.diff(np.unique(far.round(4)))) == pytest.approx(0.02, abs=0.0005)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ModuleNotFoundError("No module named 'open3d'"), r'pip install "tubelet\[lift3d\]"'),
        (ImportError("libusb-1.0.so.0: cannot open shared object file"), "apt-get install libusb-1.0-0$"),
        (OSError("libGL.so.1: cannot open shared object file"), "apt-get install libgl1$"),
        (OSError("libgomp.so.1: cannot open shared object file"), "apt-get install libgomp1$"),
        (ImportError("something else"), "apt-get install libusb-1.0-0 libgl1 libgomp1$"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    room: rooms.Room, monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str
) -> None:
    class Finder(MetaPathFinder):
        def find_spec(self, name: str, path: object, target: object = None) -> None:
            if name == "open3d":
                raise error

    monkeypatch.delitem(sys.modules, "open3d", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(UserError, match=advice) as caught:
        tsdf_mesh(room.scene, 0.04)
    assert str(caught.value).startswith("--surface tsdf needs open3d") and "\n" not in str(caught.value)
