"""COCO run-length masks: by hand, round trips, and text from anywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from grounding.core import UserError, rle

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20))

# Columns first: (0,0) (1,0) | (0,1) (1,1) | (0,2) (1,2) = 0 0 | 1 0 | 1 1: two off, one on, one off, two on
MASK = np.array([[0, 1, 1], [0, 0, 1]], bool)
RUNS = [2, 1, 1, 2]
# The fourth run is written as the difference to the second: 2 - 1 = 1. A number n below 16 is chr(48 + n).
TEXT = "2111"


def runs_of(mask: np.ndarray) -> list[int]:
    """Run lengths, the slow and simple way: columns first, off first."""
    runs, value = [0], False
    for pixel in mask.T.ravel():
        if bool(pixel) != value:
            runs.append(0)
            value = not value
        runs[-1] += 1
    return runs


def test_by_hand() -> None:
    assert rle.encode(MASK) == TEXT.encode()
    np.testing.assert_array_equal(rle.decode(TEXT.encode(), (2, 3)), MASK)
    assert rle.to_json(rle.encode(MASK)) == TEXT
    for form in (TEXT, RUNS, {"size": [2, 3], "counts": TEXT}, {"size": [2, 3], "counts": RUNS}):
        assert rle.from_json(form, (2, 3)) == TEXT.encode()


@pytest.mark.parametrize(
    ("runs", "size", "text"),
    [
        ([0, 100], (10, 10), "0T3"),  # 100 = 4 + 3 * 32: chr(48 + 4 + 32) = T (more follows), then chr(48 + 3)
        ([100], (10, 10), "T3"),
        ([1, 5, 1, 2], (3, 3), "151M"),  # 2 - 5 = -3 is 29 in five bits: chr(48 + 29) = M
        ([16, 0], (4, 4), "`00"),  # 16 has the sign bit: chr(48 + 16 + 32), and a second group for the sign
    ],
)
def test_compressed_text_by_hand(runs: list[int], size: tuple[int, int], text: str) -> None:
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(size[::-1]).T
    np.testing.assert_array_equal(rle.decode(rle.from_json(text, size), size), pixels)
    np.testing.assert_array_equal(rle.decode(rle.from_json(runs, size), size), pixels)


@given(masks)
def test_round_trip(mask: np.ndarray) -> None:
    size = mask.shape
    counts = rle.encode(mask)
    np.testing.assert_array_equal(rle.decode(counts, size), mask)
    assert rle.from_json(rle.to_json(counts), size) == counts  # compressed
    assert rle.from_json(runs_of(mask), size) == counts  # uncompressed
    assert rle.areas([counts], size).tolist() == [int(mask.sum())]


@given(masks)
def test_boxes_are_tight_and_half_open(mask: np.ndarray) -> None:
    box = rle.boxes([rle.encode(mask)], mask.shape)[0]
    rows, columns = np.nonzero(mask)
    if len(rows):
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@given(masks, st.data())
def test_a_part_is_that_of_the_whole(mask: np.ndarray, data: st.DataObject) -> None:
    ranges = []
    for length in mask.shape:
        first = data.draw(st.integers(0, length - 1))
        ranges.append(range(first, data.draw(st.integers(first + 1, length))))
    part = rle.decode_part(rle.encode(mask), (mask.shape[0], mask.shape[1]), *ranges)
    assert part.dtype == bool
    assert (part == mask[ranges[0].start : ranges[0].stop, ranges[1].start : ranges[1].stop]).all()


def test_a_part_of_a_huge_mask() -> None:
    # 8000 x 8000, one pixel: row 5 of column 4000. Dense it is 64 MB; its runs need more than three groups of bits.
    counts = rle.from_json([4000 * 8000 + 5, 1, 4000 * 8000 - 6], (8000, 8000))
    part = rle.decode_part(counts, (8000, 8000), range(4, 7), range(3999, 4002))
    assert part.tolist() == [[False] * 3, [False, True, False], [False] * 3]


def test_boxes_and_areas_by_hand() -> None:
    counts = [rle.encode(MASK), rle.encode(np.ones((2, 3), bool))]
    assert rle.boxes(counts, (2, 3)).tolist() == [[1, 0, 3, 2], [0, 0, 3, 2]]
    assert rle.areas(counts, (2, 3)).tolist() == [3, 6]


def test_no_masks() -> None:
    assert rle.boxes([], (2, 3)).shape == (0, 4)
    assert rle.areas([], (2, 3)).shape == (0,)


def test_encode_takes_numbers_and_strided_views() -> None:
    assert rle.encode(MASK.astype(np.int64)) == TEXT.encode()
    assert rle.encode(np.repeat(MASK, 2, axis=0)[::2]) == TEXT.encode()
    with pytest.raises(UserError, match=r"\(height, width\), got \(2, 3, 1\)"):
        rle.encode(MASK[..., None])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "fill 2 x 3 = 6 pixels, got 0"),
        ("211", "got 4"),
        ("2112", "got 7"),
        ("21T", "middle of a run"),
        ("21 1", "no compressed mask contains"),
        ("2\u00e911", "no compressed mask contains"),
        ("o" * 1000, "no compressed mask contains"),  # a number that never ends
        ("21M", "whole numbers from 0"),  # -3
        ([2, 1, 1], "got 4"),
        ([7, -1], "whole numbers from 0"),
        ([2.0, 4.0], "whole numbers"),
        ([True, 5], "whole numbers"),
        ([10**30, 6], "whole numbers from 0 to 4294967296"),
        ([2**31, 6], "got 2147483654"),
        (None, "got NoneType"),
        (7, "got int"),
        ({"size": [3, 2], "counts": TEXT}, r"= \[2, 3\], got \[3, 2\]"),
        ({"size": 6, "counts": TEXT}, "got 6"),
        ({"size": None, "counts": TEXT}, "got None"),
        ({"counts": TEXT}, "got None"),
        ({"size": [2, 3]}, "got NoneType"),
        ({"size": [2, 3], "counts": {"size": [2, 3], "counts": TEXT}}, "got dict"),
    ],
)
def test_what_is_no_mask_is_refused(value: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        rle.from_json(value, (2, 3))


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5)])
def test_sizes_without_pixels_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="expected at least 1 x 1"):
        rle.from_json([max(0, size[0] * size[1])], size)


def test_sizes_beyond_the_limit_are_refused() -> None:
    """A few bytes of runs would become a picture of a gigabyte."""
    with pytest.raises(UserError, match=r"a mask is 32768 x 32768 = 1,073,741,824 pixels, more than the limit"):
        rle.from_json([1 << 30], (1 << 15, 1 << 15))


def test_too_many_runs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rle, "MAX_COUNTS", 3)
    assert rle.from_json([2, 1, 3], (2, 3))
    with pytest.raises(UserError, match="run lengths"):
        rle.from_json(RUNS, (2, 3))


@given(masks)
def test_pycocotools_reads_the_same(mask: np.ndarray) -> None:
    counts = rle.encode(mask)
    size = [mask.shape[0], mask.shape[1]]
    np.testing.assert_array_equal(
        coco.decode({"size": size, "counts": counts}).astype(bool), rle.decode(counts, mask.shape)
    )
    assert rle.from_json(counts.decode(), mask.shape) == counts


coco_text = st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=30)


@settings(max_examples=300)
@given(st.text(max_size=30) | coco_text, st.integers(1, 12), st.integers(1, 12))
def test_any_text_is_a_mask_or_a_user_error(text: str, height: int, width: int) -> None:
    try:
        counts = rle.from_json(text, (height, width))
    except UserError:
        return
    assert rle.decode(counts, (height, width)).shape == (height, width)
    rle.boxes([counts], (height, width))


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 6), st.integers(1, 6))
def test_any_runs_are_a_mask_or_a_user_error(runs: list[int], height: int, width: int) -> None:
    try:
        counts = rle.from_json(runs, (height, width))
    except UserError:
        assert sum(runs) != height * width
        return
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T
    np.testing.assert_array_equal(rle.decode(counts, (height, width)), pixels)


def test_runs_of_no_length_do_not_loosen_the_box() -> None:
    # off 1, on 0, off 3, on 2: the mask is the last column; a run of no length is not part of it
    counts = rle.from_json([1, 0, 3, 2], (2, 3))
    assert rle.boxes([counts], (2, 3)).tolist() == [[2, 0, 3, 2]]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["size", "counts", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_json_value_is_a_mask_or_a_user_error(value: object) -> None:
    try:
        rle.from_json(value, (2, 3))
    except UserError:
        return
    assert isinstance(value, (str, list, dict))


@pytest.mark.parametrize("count", [255, 256, 600])
def test_areas_of_more_masks_than_a_byte_counts(count: int) -> None:
    # pycocotools alone fails from 256 masks on
    assert rle.areas([rle.encode(MASK)] * count, (2, 3)).tolist() == [3] * count


def test_polygons_are_filled_by_pycocotools_rule() -> None:
    """Squares of 4 pixels by corners at whole numbers and at halves (which round up), and one beyond the picture."""
    size = (8, 10)
    for corners, box in (
        ([2, 1, 6, 1, 6, 5, 2, 5], [2, 1, 6, 5]),
        ([2.5, 1.5, 6.5, 1.5, 6.5, 5.5, 2.5, 5.5], [3, 2, 7, 6]),
        ([-3, -3, 4, -3, 4, 2, -3, 2], [0, 0, 4, 2]),
        ([0, 0, 10, 0, 10, 8, 0, 8], [0, 0, 10, 8]),
    ):
        counts = rle.from_polygons([np.array(corners, float)], size)
        assert rle.boxes([counts], size)[0].tolist() == box
        assert rle.areas([counts], size).tolist() == [(box[2] - box[0]) * (box[3] - box[1])]


def test_polygons_without_area_cover_nothing() -> None:
    counts = rle.from_polygons([np.array([5.1, 5.1, 5.2, 5.1, 5.2, 5.2]), np.array([90.0, 9, 99, 9, 99, 20])], (8, 10))
    assert rle.areas([counts], (8, 10)).tolist() == [0]


@pytest.mark.parametrize("corner", [3e9, -3e9, 1e300, np.inf, np.nan])
def test_corners_far_from_the_picture_are_refused(corner: float) -> None:
    with pytest.raises(UserError, match=r"a polygon has a corner at .*, far from the picture of 10 x 8"):
        rle.from_polygons([np.array([0, 0, 1, 1, 2, corner])], (8, 10))


def test_outlines_longer_than_the_picture_can_hold_are_refused() -> None:
    """Time goes with the length: going from corner to corner a million times, 640 pixels each, would take minutes."""
    many = np.tile([0.0, 0.0, 640.0, 480.0], 500_000)  # a million corners
    with pytest.raises(UserError, match="outlines of 640000000 pixels, a picture of 640 x 480 can hold 316160"):
        rle.from_polygons([many], (480, 640))
    angle = np.linspace(0, 2 * np.pi, 100_000, endpoint=False)  # as many corners on a short way are fine
    ring = np.stack([320 + 200 * np.cos(angle), 240 + 200 * np.sin(angle)], axis=1).ravel()
    assert rle.areas([rle.from_polygons([ring], (480, 640))], (480, 640))[0] == pytest.approx(np.pi * 200**2, rel=2e-3)
