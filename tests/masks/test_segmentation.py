from __future__ import annotations

import math
import time

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.masks.segmentation import boundary, boundary_similarity, region_similarity

SIZE = 100  # pixels; the diagonal is 141.4 and 0.8 % of it 1.13, so boundaries may lie 2 pixels apart


def left(columns, rows=SIZE):
    mask = np.zeros((SIZE, SIZE), bool)
    mask[:rows, :columns] = True
    return mask


def test_region_by_hand():
    assert region_similarity(left(40), left(50)) == pytest.approx(40 / 50)
    assert region_similarity(left(50), left(0)) == 0.0
    assert region_similarity(left(0), left(0)) == 1.0


def test_the_boundary_is_one_pixel_on_the_near_side():
    assert np.argwhere(boundary(left(50)))[:, 1].tolist() == [49] * SIZE
    assert not boundary(left(0)).any() and not boundary(left(SIZE)).any()


def test_the_boundary_of_a_pixel():
    # The pixel itself, and those above, to the left and above left of it, which differ from it.
    mask = np.zeros((5, 5), bool)
    mask[2, 2] = True
    assert np.argwhere(boundary(mask)).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


@pytest.mark.parametrize(("columns", "expected"), [(50, 1.0), (48, 1.0), (52, 1.0), (53, 0.0), (47, 0.0)])
def test_boundaries_within_two_pixels_are_the_same(columns, expected):
    assert boundary_similarity(left(columns), left(50)) == expected


def test_boundary_by_hand():
    # Truth: the left half, its boundary column 49 with 100 pixels. Predicted: the upper half of it, with the boundary
    # column 49 rows 0..49 (50 pixels) and row 49 columns 0..48 (49 pixels).
    # Precision: 50 on the line, and columns 47 and 48 of the row within 2 of it: 52 / 99.
    # Recall: rows 0..49, and 50 and 51 within 2: 52 / 100.
    precision, recall = 52 / 99, 52 / 100
    value = boundary_similarity(left(50, rows=50), left(50))
    assert value == pytest.approx(2 * precision * recall / (precision + recall))


def test_without_boundaries():
    assert boundary_similarity(left(0), left(0)) == 1.0
    assert boundary_similarity(left(0), left(50)) == 0.0
    assert boundary_similarity(left(50), left(0)) == 0.0


def test_the_tolerance_grows_with_the_picture():
    # 480 x 854: 0.008 x 979.7 = 7.84, so 8 pixels are near and 9 are not.
    truth, near, far = (np.zeros((480, 854), bool) for _ in range(3))
    truth[:, :400], near[:, :408], far[:, :409] = True, True, True
    assert boundary_similarity(near, truth) == 1.0
    assert boundary_similarity(far, truth) == 0.0


rectangles = st.tuples(*[st.integers(0, 30)] * 4)


def rectangle(sides):
    mask = np.zeros((30, 30), bool)
    mask[min(sides[:2]) : max(sides[:2]), min(sides[2:]) : max(sides[2:])] = True
    return mask


@given(rectangles, rectangles)
def test_both_are_bounded_symmetric_and_1_for_the_same(one, other):
    for similarity in (region_similarity, boundary_similarity):
        a, b = rectangle(one), rectangle(other)
        assert 0 <= similarity(a, b) <= 1
        assert similarity(a, b) == pytest.approx(similarity(b, a))
        assert similarity(a, a) == 1.0


masks = st.tuples(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32 - 1), st.sampled_from([0, 0.01, 0.3, 1]))


@given(masks, st.integers(0, 2**32 - 1))
def test_boundaries_near_each_other_are_those_that_a_disk_reaches(one, seed):
    """The same as with the official code's dilation."""
    height, width, first, share = one
    a, b = (np.random.default_rng(n).random((height, width)) < share for n in (first, seed))
    radius = math.ceil(0.008 * math.hypot(height, width))
    steps = np.arange(-radius, radius + 1)
    disk = (np.add.outer(steps**2, steps**2) <= radius**2).astype(np.uint8)
    mine, theirs = boundary(a), boundary(b)
    if not mine.any() or not theirs.any():
        expected = float(mine.any() == theirs.any())
    else:
        near, far = (cv2.dilate(edge.astype(np.uint8), disk).astype(bool) for edge in (theirs, mine))
        precision, recall = (mine & near).sum() / mine.sum(), (theirs & far).sum() / theirs.sum()
        expected = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    assert boundary_similarity(a, b) == pytest.approx(expected)


def test_a_small_mask_in_a_large_picture_takes_no_time():
    mask = np.zeros((8000, 8000), bool)
    mask[10:50, 10:50] = True
    started = time.process_time()
    assert boundary_similarity(mask, mask) == 1.0
    assert time.process_time() - started < 2  # dilated by a disk of 91 pixels: minutes
