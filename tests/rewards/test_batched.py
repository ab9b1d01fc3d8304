from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grounding.core import Interval, Tube, UserError
from rewards import interval_ious, tube_vious


def with_gaps(raw):
    boxes = np.concatenate([raw[:, :2], raw[:, :2] + raw[:, 2:4]], axis=1)
    boxes[raw[:, 4] < 0.3] = np.nan
    return boxes


raw_boxes = hnp.arrays(float, st.tuples(st.integers(0, 9), st.just(5)), elements=st.floats(0, 1))
tubes = st.builds(lambda start, raw: Tube(start, with_gaps(raw)), st.integers(0, 8), raw_boxes)


def test_tubes_hand_worked():
    full, half = [0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0]
    truth = Tube(10, np.array([full] * 4))
    said = [
        Tube(10, np.array([full] * 4)),  # 4 / 4
        Tube(14, np.array([full])),  # too late
        Tube(12, np.array([full] * 4)),  # frames 12, 13 of 10..15: 2 / 6
        Tube(10, np.zeros((0, 4))),
        Tube(12, np.array([full, half])),  # (1 + 0.5) / 4
        Tube(10, np.array([full, [np.nan] * 4])),  # 1 / 4
    ]
    assert tube_vious(said, [truth] * 6) == pytest.approx([1.0, 0.0, 1 / 3, 0.0, 0.375, 0.25])
    sparse = Tube(10, np.array([full, [np.nan] * 4, full, [np.nan] * 4]))
    # All; too late; on frames 12 and 13 of 10..15, one box compared; nothing; on 2 of 4 frames, one box compared.
    assert tube_vious(said[:5], [sparse] * 5) == pytest.approx([1.0, 0.0, 2 / 6, 0.0, 0.5])


def test_no_tubes_and_nothing_shared():
    assert tube_vious([], []).shape == (0,)
    assert tube_vious([Tube(0, np.zeros((2, 4)))], [Tube(5, np.zeros((2, 4)))]).tolist() == [0.0]
    with pytest.raises(UserError, match="got 1 said and 0 true"):
        tube_vious([Tube(0, np.zeros((2, 4)))], [])


@given(st.lists(st.tuples(tubes, tubes), max_size=6))
def test_tubes_are_those_of_the_single_form(pairs):
    said, true = [a for a, _ in pairs], [b for _, b in pairs]
    before = [tube.boxes.copy() for tube in said + true]
    values = tube_vious(said, true)
    assert values == pytest.approx([a.viou(b) for a, b in pairs])
    assert ((values >= 0) & (values <= 1)).all()
    for tube, boxes in zip(said + true, before, strict=True):  # what was given stays as it was
        np.testing.assert_array_equal(tube.boxes, boxes)


def test_intervals_hand_worked():
    said = np.array([[2.0, 6.0], [4.0, 8.0], [6.0, 9.0], [np.nan, np.nan], [3.0, 3.0]])
    assert interval_ious(said, np.array([2.0, 6.0])) == pytest.approx([1.0, 1 / 3, 0.0, 0.0, 0.0])
    assert interval_ious(np.array([[3.0, 3.0]]), np.array([[3.0, 3.0]])).tolist() == [0.0]


seconds = st.floats(0, 1e6)
intervals = st.tuples(seconds, seconds).map(lambda pair: Interval(min(pair), max(pair)))


@given(st.lists(st.tuples(intervals, intervals), min_size=1, max_size=8))
def test_intervals_are_those_of_the_single_form(pairs):
    said, true = (np.array([[one.start, one.end] for one in side]) for side in zip(*pairs, strict=True))
    assert interval_ious(said, true) == pytest.approx([a.iou(b) for a, b in pairs])
