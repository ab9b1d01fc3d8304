from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompting.parting import overlapping, part, settled, within

ROOM = (200, 300)
GAPS = np.array([0.5, 0.5])  # so 1 pixel between two marks


def marks(*boxes: tuple[float, float, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centres, halves and seen of one frame from (x, y, width, height)."""
    values = np.array([boxes], float)
    return values[..., :2], values[..., 2:] / 2, np.ones((1, len(boxes)), bool)


def test_marks_apart_stay_where_they_are() -> None:
    centres, halves, seen = marks((50, 50, 20, 10), (71, 50, 20, 10), (50, 61, 20, 10))
    assert (part(centres, halves, GAPS + 0 * halves, seen, ROOM) == centres).all()


def test_two_marks_part_by_halves_along_the_shorter_way() -> None:
    # 14 pixels across would be needed, 4 + 1 for the gap down: each moves 2.5.
    centres, halves, seen = marks((100, 100, 20, 10), (106, 106, 20, 10))
    assert part(centres, halves, GAPS + 0 * halves, seen, ROOM)[0].tolist() == [[100, 97.5], [106, 108.5]]


def test_marks_on_one_spot_part_too() -> None:
    centres, halves, seen = marks((100, 100, 20, 10), (100, 100, 20, 10))
    assert part(centres, halves, GAPS + 0 * halves, seen, ROOM)[0].tolist() == [[100, 94.5], [100, 105.5]]


def test_the_frame_holds_and_the_other_one_goes_further() -> None:
    centres, halves, seen = marks((100, 5, 20, 10), (100, 9, 20, 10))
    (first, second) = part(centres, halves, GAPS + 0 * halves, seen, ROOM)[0]
    assert first.tolist() == [100, 5]
    assert second == pytest.approx([100, 5 + 10 + 1], abs=1e-3)


def test_the_unseen_push_nobody() -> None:
    centres, halves, _ = marks((100, 100, 20, 10), (106, 106, 20, 10))
    seen = np.array([[True, False]])
    assert (part(centres, halves, GAPS + 0 * halves, seen, ROOM) == centres).all()


def test_within_moves_as_little_as_needed() -> None:
    centres, halves, _ = marks((5, 100, 20, 10), (295, 199, 20, 10), (50, 50, 700, 10))
    assert within(centres, halves, ROOM)[0].tolist() == [[10, 100], [290, 195], [150, 50]]


def test_pairs_are_named_once() -> None:
    centres, halves, seen = marks((50, 50, 10, 10), (90, 50, 10, 10), (58, 50, 10, 10))
    assert [found.tolist() for found in overlapping(centres, halves, seen)] == [[0], [0], [2]]
    assert [found.tolist() for found in overlapping(centres, halves, seen, 23)] == [[0, 0], [0, 1], [2, 2]]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 300), st.floats(0, 200), st.floats(4, 30), st.floats(4, 20)), min_size=2, max_size=8
    )
)
def test_a_frame_with_room_ends_without_overlaps(boxes: list[tuple[float, float, float, float]]) -> None:
    centres, halves, seen = marks(*boxes)
    found = part(centres, halves, GAPS + 0 * halves, seen, ROOM)
    found, drawn = settled(found, halves, seen, np.ones(seen.shape), ROOM)
    assert len(overlapping(found, halves, seen)[0]) == 0 and drawn.all()
    assert (found >= halves - 1e-9).all() and (found <= np.array([300, 200]) - halves + 1e-9).all()


def test_frames_do_not_touch_one_another() -> None:
    rng = np.random.default_rng(1)
    centres, halves = rng.uniform(0, 200, (20, 6, 2)), rng.uniform(3, 12, (20, 6, 2))
    seen = rng.random((20, 6)) < 0.8
    together = part(centres, halves, GAPS + 0 * halves, seen, ROOM)
    apart = [part(centres[[t]], halves[[t]], GAPS + 0 * halves[[t]], seen[[t]], ROOM)[0] for t in range(20)]
    assert together == pytest.approx(np.array(apart), abs=1e-2)


def test_a_frame_that_is_too_full_is_given_up_on() -> None:
    centres, halves, seen = marks(*[(150, 100, 100, 100)] * 20)  # 20 x 10,000 of 60,000 pixels
    found = part(centres, halves, GAPS + 0 * halves, seen, ROOM)
    assert len(overlapping(found, halves, seen)[0]) > 0 and np.isfinite(found).all()


def test_wide_gaps_across_make_marks_part_down() -> None:
    # 20 + 2 * 6 - 12 = 20 across; 10 + 1 - 0 = 11 down is less, although 8 without the gap would be the shorter way.
    centres, halves, seen = marks((100, 100, 20, 10), (112, 100, 20, 10))
    wide = np.array([6, 0.5]) + 0 * halves
    assert part(centres, halves, wide, seen, ROOM)[0].tolist() == [[100, 94.5], [112, 105.5]]


def test_what_is_settled_stays_and_the_larger_object_has_the_first_choice() -> None:
    centres, halves, seen = marks((50, 50, 20, 10), (52, 50, 20, 10), (200, 100, 20, 10))
    found, drawn = settled(centres, halves, seen, np.array([[5.0, 9.0, 1.0]]), ROOM)
    assert drawn.all() and found[0, 1:].tolist() == [[52, 50], [200, 100]]
    # Steps of 5 pixels: up or down by 15 is the nearest that leaves 10 + 1 pixels.
    assert np.abs(found[0, 0] - (50, 50)).tolist() == [0, 15]


def test_only_what_finds_no_room_is_left_out() -> None:
    centres, halves, seen = marks(*[(150, 100, 290, 90)] * 3)  # the first, in the middle, leaves 55 pixels
    found, drawn = settled(centres, halves, seen, np.array([[1.0, 3.0, 2.0]]), ROOM)
    assert drawn.tolist() == [[False, True, False]]
    assert len(overlapping(found, halves, drawn)[0]) == 0
