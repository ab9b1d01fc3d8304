from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from prompting.anchors import anchor, pole
from prompting.sampling import sample_dense


def block(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


def test_middle_of_a_bar() -> None:
    # Rows 2-4, columns 1-5: columns 2, 3 and 4 of row 3 are all 2 pixels deep; their mean is column 3.
    assert anchor(block((8, 9), slice(2, 5), slice(1, 6))) == (3.5, 3.5)


def test_one_pixel() -> None:
    assert anchor(block((6, 7), slice(1, 2), slice(4, 5))) == (4.5, 1.5)


def test_first_in_reading_order_of_four_equals() -> None:
    assert anchor(block((6, 6), slice(2, 4), slice(3, 5))) == (3.5, 2.5)


def test_the_picture_ends_the_object() -> None:
    # A mask that fills the picture is deepest in the middle, not everywhere.
    assert anchor(np.ones((5, 9), bool)) == (4.5, 2.5)


def test_the_thick_part_of_a_lollipop() -> None:
    mask = block((20, 30), slice(9, 10), slice(0, 20))  # a stick of one pixel
    mask[5:14, 20:29] = True  # 9 x 9 pixels, middle at column 24, row 9
    assert anchor(mask) == (24.5, 9.5)


def test_the_larger_of_two_pieces() -> None:
    mask = block((20, 20), slice(0, 3), slice(0, 3))
    mask[10:15, 10:15] = True
    assert anchor(mask) == (12.5, 12.5)


def test_a_ring_is_marked_on_its_band() -> None:
    y, x = np.ogrid[:41, :41]
    radius = np.hypot(y - 20, x - 20)
    ring = (radius <= 18) & (radius >= 10)
    at = anchor(ring)
    assert at is not None
    assert ring[int(at[1]), int(at[0])]


@pytest.mark.parametrize("shape", [(4, 5), (0, 0), (0, 5)])
def test_nothing_has_no_anchor(shape: tuple[int, int]) -> None:
    assert anchor(np.zeros(shape, bool)) is None


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_no_pixel_lies_deeper(mask: np.ndarray) -> None:
    at = anchor(mask)
    if at is None:
        assert not mask.any()
        return
    outside = np.argwhere(~np.pad(mask, 1)) - 1
    inside = np.argwhere(mask)
    depth = {(int(y), int(x)): np.hypot(*(outside - (y, x)).T).min() for y, x in inside}
    assert depth[int(at[1]), int(at[0])] == pytest.approx(max(depth.values()), abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(arrays(bool, (7, 11)))
def test_memory_order_and_position_do_not_matter(mask: np.ndarray) -> None:
    at = anchor(mask)
    assert anchor(np.asfortranarray(mask)) == at
    moved = np.zeros((20, 30), bool)
    moved[5:12, 9:20] = mask
    assert anchor(moved) == (at and (at[0] + 9, at[1] + 5))


def test_the_radius_is_that_of_the_disc_inside() -> None:
    found = pole(sample_dense(block((40, 60), slice(10, 25), slice(5, 50))))  # 15 pixels high
    assert found is not None and found.radius == 7.5


def test_a_large_object_is_found_to_a_cell_of_its_grid() -> None:
    y, x = np.ogrid[:720, :1280]
    found = pole(sample_dense((x - 700) ** 2 + (y - 300) ** 2 <= 250**2))
    # 501 pixels in 48 cells: every tenth.
    assert found is not None and np.hypot(found.x - 700.5, found.y - 300.5) <= 10
    assert abs(found.radius - 250) <= 10


def dumb_bell(left: int, right: int) -> np.ndarray:
    """Two discs of the given radii, 40 pixels apart, joined by a bar."""
    y, x = np.ogrid[:40, :80]
    discs = ((x - 20) ** 2 + (y - 20) ** 2 <= left**2) | ((x - 60) ** 2 + (y - 20) ** 2 <= right**2)
    return discs | ((np.abs(y - 20) <= 2) & (x >= 20) & (x <= 60))


def test_it_stays_on_its_limb_until_another_is_much_deeper() -> None:
    # Up to 0.35 of the greatest depth is given up to stay: of 12 pixels that is 4.2, so 9 are enough and 7 are not.
    for left, stays in ((12, True), (10, True), (9, True), (7, False)):
        found = pole(sample_dense(dumb_bell(left, 12)), near=(20.5, 20.5))
        assert found is not None and (found.x < 40) == stays
    anew = pole(sample_dense(dumb_bell(10, 12)))
    assert anew is not None and anew.x == 60.5


def test_staying_does_not_hold_back_an_object_that_moves() -> None:
    # All within reach of the old point pays the same for each pixel, less than a pixel of depth: the middle wins.
    found = pole(sample_dense(dumb_bell(12, 5)), near=(12.5, 20.5))
    assert found is not None and (found.x, found.y) == (20.5, 20.5)
