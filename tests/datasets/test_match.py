"""Tests of grounding.datasets.match."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Masklets, rle
from grounding.datasets.match import MIN_OVERLAP, match_boxes

SIZE = (20, 40)


def rectangle(x1: int, y1: int, x2: int, y2: int) -> bytes:
    mask = np.zeros(SIZE, bool)
    mask[y1:y2, x1:x2] = True
    return rle.encode(mask)


def masklets(**tracks: tuple[bytes | None, ...]) -> Masklets:
    count = len(next(iter(tracks.values()))) if tracks else 3
    return Masklets(SIZE, 10.0, np.arange(count) / 10, {int(name[1:]): track for name, track in tracks.items()})


LEFT, RIGHT = rectangle(0, 0, 10, 10), rectangle(20, 0, 30, 10)


def test_the_masklet_that_overlaps_best_wins() -> None:
    # the box [1, 0, 11, 10] shares 9 x 10 = 90 with id 7's [0, 0, 10, 10]; the union is 100 + 100 - 90 = 110
    match = match_boxes({0: (1.0, 0.0, 11.0, 10.0)}, masklets(_7=(LEFT,), _2=(RIGHT,)))
    assert match.object_id == match.best_id == 7
    assert match.overlap == pytest.approx(90 / 110)


def test_overlap_is_averaged_over_the_given_frames_and_absence_counts_as_zero() -> None:
    # id 1 is exact in frame 0 and absent in frame 2: (1 + 0) / 2; id 2 has IoU 60 / 140 in both frames given
    drawn = {0: (0.0, 0.0, 10.0, 10.0), 2: (0.0, 0.0, 10.0, 10.0)}
    shifted = rectangle(4, 0, 14, 10)
    match = match_boxes(drawn, masklets(_1=(LEFT, LEFT, None), _2=(shifted, None, shifted)))
    assert match.best_id == 1
    assert match.overlap == pytest.approx(0.5)
    assert match_boxes(drawn, masklets(_1=(None, LEFT, None), _2=(shifted, None, shifted))).best_id == 2


@pytest.mark.parametrize(("width", "matched"), [(30.0, True), (40.0, False)])
def test_below_the_least_overlap_nothing_matches_but_the_best_is_told(width: float, matched: bool) -> None:
    # [0, 0, width, 10] around a 10 x 10 object: IoU 100 / (10 width), 0.333 above and 0.25 below 0.3
    match = match_boxes({0: (0.0, 0.0, width, 10.0)}, masklets(_4=(LEFT,)))
    assert MIN_OVERLAP == 0.3
    assert match.object_id == (4 if matched else None)
    assert (match.best_id, match.overlap) == (4, pytest.approx(10 / width))


def test_no_masklets_give_no_match() -> None:
    match = match_boxes({0: (0.0, 0.0, 1.0, 1.0)}, masklets())
    assert (match.object_id, match.best_id, match.overlap) == (None, None, 0.0)


def test_of_equal_overlaps_the_lowest_id_wins() -> None:
    assert match_boxes({0: (0.0, 0.0, 10.0, 10.0)}, masklets(_9=(LEFT,), _3=(LEFT,), _5=(LEFT,))).object_id == 3


corners = st.tuples(st.integers(0, 29), st.integers(0, 9), st.integers(1, 10), st.integers(1, 10))


@given(st.lists(corners, min_size=1, max_size=4), st.data())
def test_the_boxes_of_a_masklet_find_that_masklet(boxes: list[tuple[int, int, int, int]], data: st.DataObject) -> None:
    drawn = [(x, y, x + w, y + h) for x, y, w, h in boxes]
    other = rectangle(39, 19, 40, 20)  # beyond every box drawn above
    truth = masklets(_1=(other,) * len(drawn), _2=tuple(rectangle(*box) for box in drawn))
    frames = data.draw(st.sets(st.integers(0, len(drawn) - 1), min_size=1))
    match = match_boxes({f: tuple(map(float, drawn[f])) for f in frames}, truth)
    assert match.object_id == 2
    assert match.overlap == pytest.approx(1.0)
