"""Tests of grounding.core.regions, and of what makes regions of masks."""

from __future__ import annotations

import numpy as np

from grounding.core import Masklets, Region, rle


def mask(first: int, last: int) -> bytes:
    pixels = np.zeros((4, 10), bool)
    pixels[:, first:last] = True
    return rle.encode(pixels)


def test_the_masks_of_several_tracks_frame_by_frame() -> None:
    tracks = [(mask(0, 2), None, b""), (mask(5, 6), mask(5, 6), None)]
    region = Region.of(tracks, (4, 10), 3)
    assert region == Region((4, 10), ((mask(0, 2), mask(5, 6)), (mask(5, 6),), ()))
    assert Region.of([], (4, 10), 2).frames == ((), ())


def test_the_region_of_objects_by_their_ids() -> None:
    video = Masklets((4, 10), 10.0, np.arange(2) / 10, {3: (mask(0, 2), None), 1: (mask(5, 6),) * 2})
    assert video.region([3, 1, 9]).frames == ((mask(5, 6), mask(0, 2)), (mask(5, 6),))  # in the order of their ids
    assert video.region([]).frames == ((), ())


def test_the_union_of_masks_and_the_pixels_that_two_share() -> None:
    size = (4, 10)
    assert rle.union([mask(0, 3), mask(2, 5)], size) == mask(0, 5)
    assert rle.areas([rle.union([], size)], size).tolist() == [0]
    assert rle.shared(mask(0, 3), mask(2, 5), size) == 4 * 1
    assert rle.shared(mask(0, 3), mask(3, 5), size) == 0
