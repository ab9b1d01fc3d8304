"""Back-projection and the voxel hash, by hand and against brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError
from lift3d import cloud
from lift3d.cloud import VoxelCloud, back_project, depth_cloud, pixel_width, solid
from lift3d.scene import Scene, View

K = np.array([[100.0, 0, 1], [0, 200, 0], [0, 0, 1]])


def view(depth: list[list[float]], colour: np.ndarray | None = None, pose: np.ndarray | None = None) -> View:
    image = np.array(depth, np.float32)

    def picture() -> np.ndarray:
        if colour is None:
            raise UserError("no picture")
        return colour

    return View("0", None, np.eye(4) if pose is None else pose, K, lambda: image, picture)


def test_pixels_with_depth_go_where_the_lens_says() -> None:
    pose = np.eye(4)
    pose[:3, 3] = [10, 0, 0]
    points, pixels = back_project(view([]), np.array([[2.0, 0], [0, 4]], np.float32))
    assert pixels.tolist() == [0, 3]
    # (0 - 1) * 2 / 100 = -0.02, 0; (1 - 1), 1 * 4 / 200 = 0.02
    assert points.tolist() == [pytest.approx([-0.02, 0, 2]), pytest.approx([0, 0.02, 4])]
    moved, _ = back_project(view([], pose=pose), np.array([[2.0]], np.float32))
    assert moved.tolist() == [pytest.approx([9.98, 0, 2])]


def test_a_voxel_is_the_mean_of_its_points() -> None:
    found = VoxelCloud(1.0)
    found.add(np.array([[0.2, 0, 0], [0.4, 0, 0], [1.5, 0, 0]]), np.array([[0, 0, 0], [10, 20, 30], [7, 7, 7]]))
    found.add(np.array([[0.6, 0, 0.9]]), np.array([[20, 40, 60]]))
    points, colours, pixels, _ = found.result()
    assert pixels.tolist() == [3, 1]
    assert points.tolist() == [pytest.approx([0.4, 0, 0.3]), pytest.approx([1.5, 0, 0])]
    assert colours.tolist() == [[10, 20, 30], [7, 7, 7]]


def test_points_too_far_apart_are_refused() -> None:
    found = VoxelCloud(0.001)
    found.add(np.zeros((1, 3)), np.zeros((1, 3)))
    with pytest.raises(UserError, match="check the poses' unit"):
        found.add(np.array([[2000.0, 0, 0]]), np.zeros((1, 3)))


@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=30), st.integers(1, 5))
def test_blocks_do_not_change_the_cloud(cells: list[tuple[int, int, int]], block: int) -> None:
    points = np.array(cells) + 0.25
    found, held = VoxelCloud(1.0), cloud.PENDING
    try:
        cloud.PENDING = block
        for point in points:
            found.add(point[None], np.zeros((1, 3)))
    finally:
        cloud.PENDING = held
    assert {tuple(p) for p in found.result()[0].tolist()} == {tuple(p) for p in points.tolist()}
    assert len(found.result()[0]) == len(set(cells))


def test_too_many_voxels_grow() -> None:
    """Eight in a row at 0.05, 0.15, ...: 0.1 m becomes 0.1 * sqrt(8 / 2) = 0.2 and there are four, at 0.1, 0.3, ...

    0.2 * sqrt(4 / 2) = 0.283 gives 0.1 | 0.3, 0.5 | 0.7; 0.283 * sqrt(3 / 2) = 0.346 gives 0.1 | 0.4 | 0.7; and 0.424
    gives 0.1, 0.4 | 0.7. Means are of all that was put in: 0.3 of the first six points, 0.7 of the last two.
    """
    found = VoxelCloud(0.1, most=2)
    found.add(np.array([[0.05 + 0.1 * n, 0, 0] for n in range(8)]), np.full((8, 3), 9))
    points, colours, pixels, _ = found.result()
    assert pixels.tolist() == [6, 2]
    assert points.tolist() == [pytest.approx([0.3, 0, 0]), pytest.approx([0.7, 0, 0])]
    assert found.voxel == pytest.approx(0.1 * 2 * 2**0.5 * 1.5**0.5 * 1.5**0.5)
    assert colours.tolist() == [[9, 9, 9]] * 2


def test_what_comes_after_goes_into_the_larger_voxels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "PENDING", 1)
    found = VoxelCloud(1.0, most=1)
    found.add(np.array([[0.5, 0, 0], [1.5, 0, 0]]), np.zeros((2, 3)))  # of 1 m, of 1.41 m still two, of 2 m one
    found.add(np.array([[1.0, 0, 0]]), np.zeros((1, 3)))
    assert found.result()[0].tolist() == [pytest.approx([1.0, 0, 0])]
    assert found.voxel >= 1.5


def test_a_pixels_width_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # f = 100; medians of 2, 4 and 6 are 4; of 1 alone 1; of the three views, 4, 1 and 3 m: 3 m / 100 pixels
    views = [view([[2.0, 0], [4, 6]]), view([[1.0]]), view([[3.0]]), view([[0.0]])]

    def broken() -> np.ndarray:
        raise UserError("cannot read it")

    assert pixel_width([*views, replace(views[0], read_depth=broken)]) == pytest.approx(0.03)
    assert pixel_width([view([[0.06]])]) == 0.001  # 0.6 mm is finer than sensors count
    assert pixel_width([view([[0.0]])]) == 0.02
    monkeypatch.setattr(cloud, "SAMPLED", 2)  # of five views every second: 4, 3 and 9 m
    assert pixel_width([*views, view([[9.0]])]) == pytest.approx(0.04)


def test_the_side_is_found_if_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels at 1 m are 1 cm apart along x and, with f = 200, 5 mm along y: voxels of 1 cm hold two of a column."""
    scene = Scene([view([[1.0, 1.0], [1.0, 1.0]])])
    assert len(depth_cloud(scene, 0.001)[0]) == 4
    assert len(depth_cloud(scene)[0]) == 2
    monkeypatch.setattr(cloud, "MOST_POINTS", 1)
    assert len(depth_cloud(scene)[0]) == 1
    assert len(depth_cloud(scene, 0.001)[0]) == 4  # a side that was asked for is kept


def test_colours_come_from_pictures_of_another_size_and_grey_without_one() -> None:
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[:, 2:] = 200  # twice as wide as the depth: its second pixel is the picture's right half
    points, colours = depth_cloud(Scene([view([[1.0, 1.0]], picture)]), 0.001)[:2]
    assert colours[np.argsort(points[:, 0])].tolist() == [[0, 0, 0], [200, 200, 200]]
    assert depth_cloud(Scene([view([[1.0]])]), 0.1)[1].tolist() == [[128, 128, 128]]


def test_a_pixel_between_two_surfaces_floats() -> None:
    """In a window of five, 1.5 has itself alone to agree with; the others have three of five, or two of three."""
    row = np.array([[1, 1, 1, 1.5, 2, 2, 2]], np.float32)
    assert solid(row, 0.05).tolist() == [[1, 1, 1, 0, 1, 1, 1]]
    assert solid(row, 0.5).tolist() == [[1] * 7]  # 0.5 m are 50 % of 1 m


def test_holes_are_no_neighbours() -> None:
    # a sensor that fills every second pixel: the neighbours of 1 m are the ones two pixels away
    sparse = np.array([[1, 0, 1, 0, 3, 0, 1, 0, 1]], np.float32)
    assert solid(sparse, 0.05).tolist() == [[1, 0, 1, 0, 0, 0, 1, 0, 1]]
    assert solid(np.array([[0, 0, 0, 2, 0, 0, 0]], np.float32), 0.05).tolist() == [[0, 0, 0, 1, 0, 0, 0]]
    assert not solid(np.zeros((3, 3), np.float32), 0.05).any()


def test_floating_pixels_are_not_in_the_cloud() -> None:
    scene = Scene([view([[1.0, 1.0, 1.0, 1.5, 2.0, 2.0, 2.0]])])
    assert depth_cloud(scene, 0.001)[0][:, 2].tolist() == pytest.approx([1, 1, 1, 1.5, 2, 2, 2])
    assert depth_cloud(scene, 0.001, edge=0.05)[0][:, 2].tolist() == pytest.approx([1, 1, 1, 2, 2, 2])


def test_no_depth_at_all_is_said() -> None:
    lost = np.full((4, 4), -np.inf)
    views = [view([[0.0]]), replace(view([[1.0]], pose=lost), name="1")]
    with pytest.raises(UserError, match="none of the 2 views can be used: no valid depth: frame 0; pose is not finite"):
        depth_cloud(Scene(views), 0.1)
