"""Masks that went over an edge of the depth, on small pictures; rims are two pixels wide."""

from __future__ import annotations

import numpy as np
import pytest

from lift3d.bleed import without_bleed

EDGE = 0.05


def wall(size: tuple[int, int] = (14, 20), split: int = 12) -> np.ndarray:
    """Depth of 2 m in the columns left of `split`, and of 3 m in the others."""
    depth = np.full(size, 2.0, np.float32)
    depth[:, split:] = 3.0
    return depth


def mask(rows: slice, columns: slice, size: tuple[int, int] = (14, 20), number: int = 4) -> np.ndarray:
    layer = np.zeros(size, np.uint16)
    layer[rows, columns] = number
    return layer


def test_what_went_onto_the_wall_behind_is_left_out() -> None:
    bled = mask(slice(2, 12), slice(3, 14))  # two columns of it lie on the wall
    assert (without_bleed(bled, wall(), 2, EDGE) == mask(slice(2, 12), slice(3, 12))).all()


def test_what_went_further_than_the_rim_stays() -> None:
    bled = mask(slice(2, 12), slice(3, 17))  # of five columns on the wall, three lie inside
    assert (without_bleed(bled, wall(), 2, EDGE) == bled).all()


def test_a_step_forwards_is_an_edge_too() -> None:
    bled = mask(slice(2, 12), slice(3, 14))
    assert (without_bleed(bled, 5 - wall(), 2, EDGE) == mask(slice(2, 12), slice(3, 12))).all()


def test_a_slope_is_no_edge() -> None:
    depth = np.tile(np.linspace(2, 3, 20, dtype=np.float32), (14, 1))  # 2.6 % a pixel at most, a third over the mask
    layer = mask(slice(2, 12), slice(3, 14))
    assert without_bleed(layer, depth, 2, EDGE) is layer


def test_an_edge_at_the_border_of_the_mask_changes_nothing() -> None:
    layer = mask(slice(2, 12), slice(3, 12))
    assert without_bleed(layer, wall(), 2, EDGE) is layer


def test_a_mask_without_an_inside_stays_as_it_is() -> None:
    thin = mask(slice(2, 12), slice(10, 14))  # four wide: nothing is more than two pixels from its rim
    assert without_bleed(thin, wall(), 2, EDGE) is thin


def test_a_thin_part_of_a_thick_mask_stays() -> None:
    layer = mask(slice(2, 12), slice(3, 10))
    layer[6, 10:18] = 4  # a leg that reaches over the edge; the inside ends at column 7
    found = without_bleed(layer, wall(), 2, EDGE)
    assert (found == layer).all()


def test_a_floor_that_the_object_stands_on_is_no_edge() -> None:
    depth = np.full((14, 20), 3.0, np.float32)
    depth[2:10, 5:15] = 2.0
    depth[10:] = np.float32(2.0) - 0.05 * np.arange(4, dtype=np.float32)[:, None]  # nearer by 2.5 % a row
    bled = mask(slice(1, 12), slice(4, 16))
    found = without_bleed(bled, depth, 3, EDGE)
    assert not found[1].any() and not found[2:10, 4].any() and not found[2:10, 15].any()
    assert found[2:12, 5:15].all()  # two rows of the floor too


def test_depth_is_passed_on_where_there_is_none() -> None:
    depth = wall()
    depth[:, 12] = 0
    bled = mask(slice(2, 12), slice(3, 15))  # one column without a depth, two on the wall
    assert (without_bleed(bled, depth, 3, EDGE) == mask(slice(2, 12), slice(3, 13))).all()


def test_labels_side_by_side_do_not_help_each_other() -> None:
    layer = mask(slice(2, 12), slice(3, 14))
    layer[2:12, 14:20] = 7  # it lies on the wall, and has its own inside
    expected = layer.copy()
    expected[2:12, 12:14] = 0
    assert (without_bleed(layer, wall(), 2, EDGE) == expected).all()


def test_a_thin_label_beside_a_thick_one_stays() -> None:
    layer = mask(slice(2, 12), slice(3, 11))
    layer[2:12, 11:13] = 7  # two wide, half of it on the wall
    assert (without_bleed(layer, wall(), 2, EDGE) == layer).all()


@pytest.mark.parametrize("width", [0, 2])
def test_an_empty_map_and_a_rim_of_nothing_stay_as_they_are(width: int) -> None:
    empty, bled = np.zeros((14, 20), np.uint16), mask(slice(2, 12), slice(3, 14))
    assert without_bleed(empty, wall(), width, EDGE) is empty
    if width == 0:
        assert without_bleed(bled, wall(), width, EDGE) is bled


def test_a_mask_cut_by_the_picture_has_no_rim_there() -> None:
    layer = mask(slice(0, 14), slice(0, 14))
    assert (without_bleed(layer, wall(), 2, EDGE) == mask(slice(0, 14), slice(0, 12))).all()
