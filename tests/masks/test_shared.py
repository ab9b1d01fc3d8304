"""Tests of grounding.masks.shared."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError, rle
from grounding.masks.shared import (
    box_mask,
    check_frames,
    check_size,
    finished,
    objects_of,
    put,
    read_rle,
    read_track,
)


def dense(box: tuple[float, float, float, float], size: tuple[int, int] = (4, 6)) -> np.ndarray:
    mask = box_mask(box, size)
    return np.zeros(size, bool) if mask is None else rle.decode(mask, size)


def test_a_box_becomes_the_pixels_whose_middle_lies_in_it() -> None:
    # x from 1.4 to 3.6: middles 1.5, 2.5, 3.5; y from 0.6 to 2.5: middle 1.5 (2.5 is the edge, half-open)
    assert np.argwhere(dense((1.4, 0.6, 3.6, 2.4))).tolist() == [[1, 1], [1, 2], [1, 3]]


@pytest.mark.parametrize(
    ("box", "corners"),
    [
        ((0, 0, 6, 4), (0, 0, 6, 4)),  # all
        ((2, 0, 4, 4), (2, 0, 4, 4)),  # all rows, so the runs of its columns touch
        ((-5, -5, 2, 3), (0, 0, 2, 3)),
        ((4, 3, 99, 99), (4, 3, 6, 4)),
        ((2.6, 1.6, 2.7, 1.7), (2, 1, 3, 2)),  # thinner than a pixel: still one
        ((5.9, 3.9, 7, 7), (5, 3, 6, 4)),
    ],
)
def test_boxes_are_cut_at_the_edges_and_never_vanish_within(box, corners) -> None:
    expected = np.zeros((4, 6), bool)
    expected[corners[1] : corners[3], corners[0] : corners[2]] = True
    np.testing.assert_array_equal(dense(box), expected)
    assert box_mask(box, (4, 6)) == rle.encode(expected)  # the same text, not only the same pixels


@pytest.mark.parametrize("box", [(6, 0, 8, 2), (-3, 0, 0, 2), (0, 4, 2, 8), (0, -3, 2, 0)])
def test_a_box_outside_is_no_mask(box: tuple[float, ...]) -> None:
    assert box_mask(box, (4, 6)) is None


@pytest.mark.parametrize("box", [(1, 1, 1, 2), (2, 1, 1, 2), (1, 2, 2, 1), (1, 1, math.nan, 2), (-math.inf, 1, 2, 2)])
def test_boxes_without_extent_are_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match="a box must have a width and a height above 0, got xyxy"):
        box_mask(box, (4, 6))


sides = st.floats(-3, 12, width=32)


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_any_box_gives_a_rectangle_of_its_rounded_sides(
    xs: tuple[float, float], ys: tuple[float, float], size: tuple[int, int]
) -> None:
    (x1, x2), (y1, y2) = sorted(xs), sorted(ys)
    if x1 == x2 or y1 == y2:
        return
    found = dense((x1, y1, x2, y2), size)
    middles_x, middles_y = np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5
    inside = np.outer((middles_y >= y1) & (middles_y < y2), (middles_x >= x1) & (middles_x < x2))
    if inside.any():
        np.testing.assert_array_equal(found, inside)
    else:  # no middle is within: outside the picture, or a sliver that gets a pixel across
        assert found.any() == (x1 < size[1] and y1 < size[0] and x2 > 0 and y2 > 0)
        assert found.any(axis=0).sum() <= 1 or found.any(axis=1).sum() <= 1


def test_entering_masks(video) -> None:
    tracks: dict = {}
    put(tracks, 2, 1, b"x", video())
    put(tracks, 2, 2, None, video())
    assert tracks == {2: [None, b"x", b""]}
    with pytest.raises(UserError, match="object 2 has a mask on frame 2 already"):
        put(tracks, 2, 2, b"y", video())
    with pytest.raises(UserError, match="object 2 has a mask on frame 1 already"):
        put(tracks, 2, 1, b"y", video())
    with pytest.raises(UserError, match="frame 3 is beyond the video, which has frames 0 to 2"):
        put(tracks, 2, 3, b"y", video())
    for object_id in (0, -1, 10**12):
        with pytest.raises(UserError, match=rf"ids must be 1 or more .* and below 10\^12, got {object_id}"):
            put(tracks, object_id, 0, b"y", video())


def test_finished_masklets_have_the_videos_times_and_no_empty_masks(video) -> None:
    one, none = box_mask((0, 0, 1, 1), (4, 6)), rle.encode(np.zeros((4, 6), bool))
    masklets = finished({4: [none, one, None], 5: [None] * 3}, video())
    assert masklets.tracks == {4: (None, one, None), 5: (None, None, None)}
    assert (masklets.size, masklets.fps) == ((4, 6), pytest.approx(10.0))
    assert masklets.pts.tolist() == [0.0, 0.1, 0.2]


def test_an_rle_mask(video) -> None:
    # columns of 4: 2 off, 1 on, 21 off
    mask = read_rle({"size": [4, 6], "counts": [2, 1, 21]}, video())
    assert mask is not None and np.argwhere(rle.decode(mask, (4, 6))).tolist() == [[2, 0]]
    assert read_rle(None, video()) is None


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ({"size": [4, 6], "counts": [2, 1]}, "runs must fill 4 x 6 = 24 pixels, got 3"),
        ({"size": [4, 6], "counts": "21"}, "runs must fill 4 x 6 = 24 pixels, got 3"),
        ({"size": [6, 4], "counts": [24]}, "4 x 6 pixels, the video is 6 x 4; make them from the source frames"),
        ({"size": [4], "counts": [24]}, "a mask must be RLE"),
        ({"counts": [24]}, "a mask must be RLE"),
        ({"size": [4, 6], "counts": None}, "counts must be a string or a list"),
        ([24], "a mask must be RLE"),
    ],
)
def test_broken_rle_is_refused(mask, message: str, video) -> None:
    with pytest.raises(UserError, match=message):
        read_rle(mask, video())


def test_a_track_names_the_frame(video) -> None:
    good = {"size": [4, 6], "counts": [2, 1, 21]}
    assert [mask is None for mask in read_track([None, good, None], video())] == [True, False, True]
    with pytest.raises(UserError, match=r"^frame 2: RLE runs must fill"):
        read_track([None, good, {"size": [4, 6], "counts": [2]}], video())
    with pytest.raises(UserError, match="2 frames, the video has 3; give one entry a source frame"):
        read_track([None, good], video())
    with pytest.raises(UserError, match="expected a list of masks"):
        read_track("masks", video())


def test_sizes_and_counts(video) -> None:
    check_frames(3, video())
    check_size((4, 6), video())
    with pytest.raises(UserError, match="4 frames, the video has 3"):
        check_frames(4, video())
    with pytest.raises(UserError, match="None x 4 pixels, the video is 6 x 4"):
        check_size((4, None), video())


def test_lists_of_objects() -> None:
    assert objects_of({"a": [{}]}, "a") == [{}]
    for value in ({}, {"a": None}, {"a": [1]}, {"a": {}}):
        with pytest.raises(UserError, match='"a" must be a list of objects'):
            objects_of(value, "a")
