"""A scene as a video: times, the views of some seconds, and clips that decode no more than they show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from grounding.core import Interval, UserError
from grounding.ground3d.footage import Footage
from lift3d.scene import Scene, View
from lift3d.scenes.raw import NoFrames


def timed(*times: float | None) -> Footage:
    picture, depth = np.zeros((4, 6, 3), np.uint8), np.ones((2, 3), np.float32)
    views = [View(str(n), time, np.eye(4), np.eye(3), lambda: depth, lambda: picture) for n, time in enumerate(times)]
    return Footage.of(Scene(views), fps=10.0)


def test_times_are_those_of_the_views_from_the_first_one_on() -> None:
    footage = timed(100.0, 100.5, 102.0)
    assert footage.times.tolist() == [0.0, 0.5, 2.0]
    assert footage.rate == 1.0 and footage.duration == 3.0  # two views in two seconds; the last one stays a second


@pytest.mark.parametrize("times", [(None, None, None), (1.0, None, 3.0), (1.0, 1.0, 2.0), (3.0, 2.0, 1.0)])
def test_without_a_clock_that_runs_views_come_at_a_rate(times: tuple[float | None, ...]) -> None:
    footage = timed(*times)
    assert np.allclose(footage.times, [0, 0.1, 0.2])
    assert footage.duration == pytest.approx(0.3)


def test_views_are_counted_by_their_names_as_derived_labels_count_them() -> None:
    picture, depth = np.zeros((4, 6, 3), np.uint8), np.ones((2, 3), np.float32)
    views = [View(name, None, np.eye(4), np.eye(3), lambda: depth, lambda: picture) for name in ("100", "130", "190")]
    assert Footage.of(Scene(views), fps=30.0).times == pytest.approx([0.0, 1.0, 3.0])


def test_one_view_is_a_video() -> None:
    footage = timed(None)
    assert len(footage) == 1 and footage.duration > 0 and footage.within(Interval(0, 1)) == range(1)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(fps: float) -> None:
    with pytest.raises(UserError, match=r"fps must be a number from 0\.001 to 1000"):
        Footage.of(timed(None).scene, fps=fps)


@pytest.mark.parametrize(
    ("interval", "views"),
    [((0.1, 0.2), range(3, 6)), ((0.0, 99.0), range(10)), ((0.1, 0.1), range(3, 4)), ((0.4, 1.0), range(0))],
)
def test_views_of_some_seconds(wall: Callable, interval: tuple[float, float], views: range) -> None:
    assert list(wall(10).footage.within(Interval(*interval))) == list(views)


@pytest.mark.parametrize(("most", "views"), [(64, [0, 15, 30, 45]), (2, [0, 30])])
def test_a_clip_decodes_what_it_shows(wall: Callable, most: int, views: list[int]) -> None:
    made = wall(60)
    clip = made.footage.clip(2.0, most, (12, 20))
    assert made.reads == views
    assert clip.frames.shape == (len(views), 12, 20, 3) and clip.size == (48, 64)
    assert np.allclose(clip.pts, np.array(views) / 30) and clip.duration == pytest.approx(2.0)


def test_unreadable_views_are_left_out_of_a_clip(wall: Callable) -> None:
    clip = wall(60, unreadable=[15]).footage.clip(2.0, 64, (48, 64))
    assert np.allclose(clip.pts, [0, 1, 1.5])


def test_a_clip_of_unreadable_views_is_none(wall: Callable) -> None:
    footage = wall(61, unreadable=[view for view in range(61) if view != 1]).footage
    with pytest.raises(UserError, match="none of the 5 views that are shown can be read"):
        footage.clip(2.0, 64, (48, 64))


def test_a_still_is_one_frame(wall: Callable) -> None:
    still = wall(10).footage.still(4, (24, 32))
    assert still.frames.shape == (1, 24, 32, 3) and still.size == (48, 64) and still.pts.tolist() == [0.0]


def test_pictures_of_another_size_are_brought_to_the_first_one_s() -> None:
    sizes = [(4, 6), (8, 12)]
    views = [
        View(str(n), None, np.eye(4), np.eye(3), lambda: np.ones((2, 3)), lambda s=s: np.zeros((*s, 3), np.uint8))
        for n, s in enumerate(sizes)
    ]
    assert Footage.of(Scene(views)).picture(1).shape == (4, 6, 3)


def test_depth_that_is_too_near_or_far_is_none(wall: Callable) -> None:
    footage = wall(2, deep={0: 0.01, 1: 30.0}).footage
    assert not footage.depth(0).any() and not footage.depth(1).any()


def test_a_scene_without_pictures_has_no_footage(wall: Callable) -> None:
    with pytest.raises(NoFrames, match="none of its 3 views has a colour picture that can be read"):
        wall(3, unreadable=range(3))
