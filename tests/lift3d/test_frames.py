"""Frames come in order, and what is wrong with one is said of that one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from grounding.core import UserError
from lift3d.frames import Frames, usable
from lift3d.labels import LabelMaps
from lift3d.scene import View

ONES = np.ones((2, 2), np.float32)
MASK = np.ones((2, 2), np.uint16)


def view(name: str, depth: Callable[[], np.ndarray] = lambda: ONES, pose: float = 0.0) -> View:
    return View(name, None, np.eye(4) + pose, np.eye(3), depth, lambda: np.zeros((2, 2, 3), np.uint8))


def broken() -> np.ndarray:
    raise UserError("cannot read depth 3.png")


def test_reasons() -> None:
    wide = np.ones((2, 9), np.uint16)
    views = [
        view("good"),
        view("lost", pose=-np.inf),
        view("broken", broken),
        view("dark", lambda: 0 * ONES),
        view("bare"),
        view("empty"),
        view("wide"),
        view("sheared", pose=0.5),
    ]
    masks = LabelMaps((MASK, MASK, MASK, MASK, None, 0 * MASK, wide, MASK))
    found = list(Frames(views, masks))
    assert [frame.view.name for frame in found] == [one.name for one in views]
    reasons = [frame.rejected for frame in found]
    assert reasons[:6] == [
        "",
        "pose is not finite (tracking was lost)",
        "cannot read depth 3.png",
        "no valid depth",
        "no masks",
        "",  # somebody looked, and marked nothing
    ]
    assert "another shape" in reasons[6]
    assert reasons[7] == "pose is no rotation with a translation"


def test_many_frames_come_in_order_and_twice() -> None:
    frames = Frames([view(str(n)) for n in range(50)], None)
    assert len(frames) == 50
    for _ in range(2):
        assert [frame.index for frame in frames] == list(range(50))


def test_few_frames_are_decoded_ahead() -> None:
    opened = []

    def depth() -> np.ndarray:
        opened.append(1)
        return ONES

    next(iter(Frames([view(str(n), depth) for n in range(100)], None)))
    assert len(opened) <= 8


def test_only_depth_between_near_and_far_counts() -> None:
    depth = np.array([[np.nan, np.inf, -1, 0], [0.01, 0.05, 20, 65.535]], np.float32)
    found = usable(depth)
    assert found.tolist() == [[0, 0, 0, 0], [0, np.float32(0.05), 20, 0]]
    assert found.dtype == np.float32


def test_if_no_frame_can_be_used_it_is_said_why() -> None:
    frames = Frames([view("0", broken), view("1", lambda: 0 * ONES)], None)
    with pytest.raises(
        UserError, match=r"none of the 2 views .*: cannot read depth 3\.png: frame 0; no valid depth: fr"
    ):
        list(frames)
    assert len(list(Frames([view("0", broken), view("1")], None))) == 2


def test_depth_in_another_unit_is_told_from_none() -> None:
    frames = list(Frames([view("0"), view("1", lambda: ONES / 1000)], None))
    assert frames[1].rejected == "no depth is from 0.05 to 20 m, its median is 0.001 m: is its unit right?"
