"""Rooms as scenes: the scan, its owners and boxes against geometry worked out by hand, and pictures as they train."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.core import Answer, Interval, Sample
from grounding.core.video import resized
from grounding.datasets.room_queries import ROOMS
from grounding.datasets.room_scenes import RoomScene, moved, room_scene
from grounding.datasets.room_views import Solid
from grounding.datasets.rooms import SIZE, Filmed, Room, RoomThing
from grounding.datasets.toy import FPS, STILL, toy_source
from lift3d.cloud import back_project
from lift3d.lift import lift
from lift3d.visibility import Points, Tolerance, visible

SOURCE = toy_source(7_770_200_000, 3, level=2, objects=4, toy=ROOMS)
SMALL = (96, 128)


def one_ball() -> Sample:
    """A room in which a still camera looks at one ball of radius 0.2 m, 2 m along x."""
    ball = Solid("sphere", "red", (2.0, 0.0, 0.2), (0.2, 0.2, 0.2))
    room = Room({5: ball}, np.zeros(4), np.zeros(4))
    filmed = Filmed(room, np.zeros((16, *SIZE), np.uint8), np.ones((16, *SIZE), np.float32))
    boxes, whole = np.zeros((16, 4)), Interval(0.0, 4.0)
    thing = RoomThing(5, "red", "sphere", STILL, 9, np.zeros((16, 2)), whole, "small", 0, boxes, filmed)
    return Sample("ball", "toy:7", "the red sphere", Answer(intervals=(whole,)), {"objects": [thing]})


@pytest.fixture(scope="module")
def room() -> RoomScene:
    return room_scene(SOURCE.samples[0], FPS, SMALL)


def test_the_box_is_around_what_the_camera_sees_of_a_ball() -> None:
    room = room_scene(one_ball(), 1.0, SMALL)
    # The eye is at (0.35, 0, 1.35): 2.011 m from the middle, 34.9 degrees up. It sees the ball up to
    # acos(0.2 / 2.011) = 84.3 degrees from the line to it: backwards to x = 2 - 0.2 cos(34.9 + 84.3), downwards to
    # z = 0.2 + 0.2 sin(34.9 - 84.3), and to either side 0.2 sin(84.3).
    assert room.boxes[5] == pytest.approx([1.8, -0.199, 0.048, 2.098, 0.199, 0.4], abs=0.02)  # a voxel


def test_points_lie_on_the_surface_of_their_owner() -> None:
    room = room_scene(one_ball(), 1.0, SMALL)
    points = moved(room.scene.points, room.scene.axis_alignment)
    away = np.linalg.norm(points[room.owners == 5] - [2.0, 0.0, 0.2], axis=1)
    assert len(away) > 300
    assert np.abs(away - 0.2).max() < 0.002  # the mean of a 2 cm patch of the ball lies so little below it


def test_the_scan_stands_elsewhere_and_the_alignment_brings_it_back(room: RoomScene) -> None:
    scene = room.scene
    assert np.abs(scene.axis_alignment - np.eye(4)).max() > 0.1
    for number, view in enumerate(scene.views):
        assert scene.axis_alignment @ view.pose == pytest.approx(room.film.room.pose(number / FPS), abs=1e-9)
        assert view.time == number / FPS
    assert len(scene.views) == 16


def test_each_point_that_a_view_sees_lies_under_the_mask_of_its_owner(room: RoomScene) -> None:
    points, right = Points.of(room.scene.points), []
    for number, view in enumerate(room.scene.views):
        (labels,) = room.film.layers(number)
        seen = visible(points, view, view.read_depth(), Tolerance(0.01, 0.0))
        right.append(labels.ravel()[seen.pixels] == room.owners[seen.points])
    assert np.mean(np.concatenate(right)) > 0.98  # all but pixels on the rim of a thing


def test_all_that_a_view_shows_is_near_a_point_of_the_scan(room: RoomScene) -> None:
    from scipy.spatial import cKDTree

    view = room.scene.views[5]
    points, _ = back_project(view, view.read_depth())
    away, _ = cKDTree(room.scene.points).query(points)
    assert np.quantile(away, 0.999) < 0.03


def test_segments_have_one_owner_each(room: RoomScene) -> None:
    assert room.scene.superpoints is not None
    pairs = np.unique(np.stack([room.scene.superpoints, room.owners]), axis=1)
    assert len(np.unique(room.scene.superpoints)) == pairs.shape[1] > len(room.things)


def test_pictures_when_shrunk_are_those_that_train() -> None:
    sample = SOURCE.samples[1]
    trained, film = SOURCE.load(sample).clip.frames, room_scene(sample, FPS).film
    assert film.size == (480, 640)
    apart = [
        np.abs(resized(film.picture(2 * number), SIZE).astype(int) - frame).mean()
        for number, frame in enumerate(trained)
    ]
    other = room_scene(SOURCE.samples[2], FPS).film.picture(0)
    assert max(apart) < 4 < 2 * 4 < np.abs(resized(other, SIZE).astype(int) - trained[0]).mean()


def test_true_masks_lift_to_the_true_points(room: RoomScene) -> None:
    lifted = lift(room.scene, room.film)
    for one in lifted.instances:
        own = room.owners == one.id
        both = own[one.points].sum()
        assert both / (own.sum() + len(one.points) - both) > 0.95


def test_the_same_sample_gives_the_same_scene(room: RoomScene) -> None:
    again = room_scene(SOURCE.samples[0], FPS, SMALL)
    assert (again.scene.points == room.scene.points).all() and (again.owners == room.owners).all()
    assert (again.film.picture(3) == room.film.picture(3)).all()
