"""Tests of grounding.datasets.tracked."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.core import Masklets, Region, rle
from grounding.datasets.tracked import _mean_iou, nearest_ids

SIZE = (4, 10)


def columns(first: int, last: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[:, first:last] = True
    return mask


def masklets(tracks: dict[int, list[np.ndarray | None]]) -> Masklets:
    count = len(next(iter(tracks.values())))
    encoded = {i: tuple(None if mask is None else rle.encode(mask) for mask in track) for i, track in tracks.items()}
    return Masklets(SIZE, 10.0, np.arange(count) / 10, encoded)


def region(*frames: list[np.ndarray]) -> Region:
    return Region(SIZE, tuple(tuple(map(rle.encode, frame)) for frame in frames))


def test_several_objects_are_several_ids() -> None:
    tracks = masklets({3: [columns(0, 2)], 5: [columns(4, 6)], 7: [columns(8, 9)]})
    assert nearest_ids(region([columns(0, 2), columns(8, 9)]), tracks) == {3, 7}


def test_one_object_under_two_ids_one_after_another() -> None:
    tracks = masklets({3: [columns(0, 2), None], 5: [None, columns(0, 2)]})
    assert nearest_ids(region([columns(0, 2)], [columns(0, 2)]), tracks) == {3, 5}


def test_an_id_that_was_good_alone_goes_when_better_ones_came() -> None:
    # 9 is taken first, 6 of 9 columns; with 1 it is 7 of 9. Then 2 in place of 9 makes it 7 of 7.
    tracks = masklets({1: [columns(0, 3)], 2: [columns(3, 7)], 9: [columns(1, 9)]})
    assert nearest_ids(region([columns(0, 7)]), tracks) == {1, 2}


def test_nothing_near_and_nothing_meant() -> None:
    tracks = masklets({3: [columns(0, 2)]})
    assert nearest_ids(region([columns(4, 6)]), tracks) == frozenset()
    assert nearest_ids(region([]), tracks) == frozenset()


masks = st.one_of(st.none(), st.tuples(st.integers(0, 9), st.integers(1, 4)).map(lambda s: columns(s[0], sum(s))))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(masks, masks), min_size=1, max_size=4), st.tuples(masks, masks))
def test_no_set_that_is_one_step_away_is_better(tracks: list[tuple], true: tuple) -> None:
    found = masklets({place: list(track) for place, track in enumerate(tracks, 1)})
    truth = region(*[[] if mask is None else [mask] for mask in true])
    counts = [rle.union(frame, SIZE) for frame in truth.frames]
    chosen = nearest_ids(truth, found)
    best = _mean_iou(chosen, found, counts)
    steps = [set(pair) for pair in itertools.combinations_with_replacement(found.ids, 2)]
    steps = [step for step in steps if len(step) == 1 or len(step & chosen) == 1]
    assert all(_mean_iou(chosen ^ step, found, counts) <= best + 1e-6 for step in steps)


def test_the_mean_iou_by_hand() -> None:
    # Frame 0: columns 0 to 3 against 0 and 1, 2 / 4. Frame 1: nothing said, nothing there, 1. Frame 2: 0.
    tracks = masklets({3: [columns(0, 4), None, columns(0, 1)]})
    true = [rle.union([rle.encode(mask)], SIZE) for mask in (columns(0, 2), columns(0, 0), columns(0, 0))]
    assert _mean_iou({3}, tracks, true) == pytest.approx((1 / 2 + 1 + 0) / 3)
