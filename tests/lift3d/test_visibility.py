"""The z-test by hand: a camera at the origin that looks along z, f = 100, middle at pixel (2, 1), 5 x 3 pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError
from lift3d.scene import View
from lift3d.visibility import Points, Tolerance, in_image, looked_through, visible

K = np.array([[100.0, 0, 2], [0, 100, 1], [0, 0, 1]])
TIGHT = Tolerance(absolute=0.05, relative=0.02)


def view(pose: np.ndarray | None = None) -> View:
    nothing = np.zeros((3, 5), np.float32)
    return View("0", None, np.eye(4) if pose is None else pose, K, lambda: nothing, lambda: nothing)


def seen(points: list[list[float]], depth: np.ndarray) -> list[int]:
    return visible(Points.of(np.array(points)), view(), depth, TIGHT).points.tolist()


def test_a_point_falls_on_the_pixel_that_the_lens_says() -> None:
    # u = 100 * 0.02 / 2 + 2 = 3, v = 100 * -0.02 / 2 + 1 = 0: row 0, column 3 of 5 -> 3. The middle: 1 * 5 + 2 = 7.
    found = in_image(Points.of(np.array([[0.02, -0.02, 2.0], [0.0, 0.0, 1.0]])), view(), (3, 5))
    assert found.points.tolist() == [0, 1]
    assert found.pixels.tolist() == [3, 7]
    assert found.depths.tolist() == pytest.approx([2.0, 1.0])


def test_pixels_reach_half_a_pixel_to_either_side() -> None:
    # at z = 1 the picture spans u from -0.5 to 4.5, so x from -0.025 to 0.025
    inside = [[-0.0249, 0, 1], [0.0249, 0, 1]]
    outside = [[-0.0251, 0, 1], [0.0251, 0, 1], [0, 0.0151, 1], [0, 0, -1], [0, 0, 0.01]]
    assert in_image(Points.of(np.array(inside + outside)), view(), (3, 5)).points.tolist() == [0, 1]


def test_tolerance_is_5_cm_near_and_2_percent_far() -> None:
    near = np.full((3, 5), 1.0, np.float32)
    assert seen([[0, 0, 1.04], [0, 0, 1.06], [0, 0, 0.96], [0, 0, 0.94]], near) == [0, 2]
    far = np.full((3, 5), 10.0, np.float32)  # 2 % of 10.19 is 0.204, of 10.25 is 0.205
    assert seen([[0, 0, 10.19], [0, 0, 10.25]], far) == [0]


def test_no_depth_is_no_sight() -> None:
    for nothing in (0.0, np.nan):
        found = visible(Points.of(np.array([[0, 0, 0.06]])), view(), np.full((3, 5), nothing, np.float32), TIGHT)
        assert (len(found.points), found.tested) == (0, 0)


def test_tested_counts_hidden_points_too() -> None:
    found = visible(Points.of(np.array([[0, 0, 1.0], [0, 0, 3.0]])), view(), np.ones((3, 5), np.float32), TIGHT)
    assert (found.points.tolist(), found.tested) == ([0], 2)


def through(points: list[list[float]], depth: np.ndarray) -> list[int]:
    return looked_through(in_image(Points.of(np.array(points)), view(), (3, 5)), depth, TIGHT).tolist()


def test_a_view_looks_through_a_point_before_what_it_sees() -> None:
    deep = np.full((3, 5), 2.0, np.float32)
    # 2 m are seen: 1 m is looked through, 1.96 m is seen, 3 m is hidden
    assert through([[0, 0, 1.0], [0, 0, 1.96], [0, 0, 3.0]], deep) == [0]
    assert through([[0, 0, 1.0]], np.zeros((3, 5), np.float32)) == []  # no depth, nothing known


def test_what_is_as_near_two_pixels_beside_could_be_the_point() -> None:
    depth = np.full((3, 5), 2.0, np.float32)
    depth[1, 0] = 1.0  # the point falls on column 2
    assert through([[0, 0, 1.0]], depth) == []
    # one at x = 0.015 falls on column 3.5, so 4: three pixels away
    assert through([[0.0151, 0, 1.0]], depth) == [0]


def test_points_that_are_not_finite_are_never_seen() -> None:
    points = np.array([[0, 0, 1.0], [np.nan, 0, 1], [0, np.inf, 1]])
    assert in_image(Points.of(points), view(), (3, 5)).points.tolist() == [0]
    senseless = np.array([[0, 0, 1.0], [0, 1e300, 1], [-np.inf, np.inf, 1]])
    assert in_image(Points.of(senseless), view(), (3, 5)).points.tolist() == [0]
    assert len(in_image(Points.of(points[1:]), view(), (3, 5)).points) == 0


def test_a_far_origin_costs_no_precision() -> None:
    """Coordinates as of a map, 500 km away; float32 alone would be 3 cm coarse there."""
    origin = np.array([500_000.0, 4_000_000.0, 100.0])
    pose = np.eye(4)
    pose[:3, 3] = origin
    found = in_image(Points.of(origin + np.array([[0.0, 0, 1], [0.02, 0, 2]])), view(pose), (3, 5))
    assert found.pixels.tolist() == [7, 8]
    assert found.depths.tolist() == pytest.approx([1.0, 2.0], abs=1e-6)


@given(st.integers(0, 4), st.integers(0, 2), st.floats(0.1, 15), st.floats(-3, 3))
def test_what_a_pixel_shows_projects_back_to_it(column: int, row: int, depth: float, turn: float) -> None:
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    pose[:3, 3] = [turn, -turn, 2 * turn]
    camera = np.array([(column - 2) * depth / 100, (row - 1) * depth / 100, depth])
    world = pose[:3, :3] @ camera + pose[:3, 3]
    found = in_image(Points.of(np.array([world, world])), view(pose), (3, 5))
    assert found.pixels.tolist() == [row * 5 + column] * 2


@pytest.mark.parametrize(("absolute", "relative"), [(-1, 0.02), (float("nan"), 0.02), (0.05, float("inf"))])
def test_a_tolerance_that_means_nothing_is_refused(absolute: float, relative: float) -> None:
    with pytest.raises(UserError, match=r"tolerance\.(absolute|relative) must be from 0 to 20, got"):
        Tolerance(absolute, relative)
