"""What annotations leave of a video, and what replies agree on: all by hand."""

from __future__ import annotations

import pytest

from grounding.core import Interval
from grounding.curriculum.votes import Found, Margin, clipped, near, outside, pieces, voted


def spans(*bounds: tuple[float, float]) -> list[Interval]:
    return [Interval(*one) for one in bounds]


def test_outside() -> None:
    assert outside(spans((2, 4), (6, 7)), 10) == spans((0, 2), (4, 6), (7, 10))
    assert outside(spans((0, 4), (4, 10)), 10) == []
    assert outside(spans((3, 12)), 10) == spans((0, 3))  # it reaches past the end
    assert outside(spans((11, 12)), 10) == spans((0, 10))
    assert outside([], 10) == spans((0, 10))


def test_a_margin_is_the_larger_of_seconds_and_share() -> None:
    margin = Margin(1.0, 0.1)
    assert [margin.of(Interval(0, length)) for length in (4, 10, 30)] == [1, 1, 3]


def test_pieces_keep_away_from_the_annotation() -> None:
    # [20, 50) has a margin of 3 s, [58, 60) one of 1 s; of [53, 57) 4 s are left.
    annotated = spans((20, 50), (58, 60))
    assert pieces(annotated, 70, Margin(1, 0.1), 2) == spans((0, 17), (53, 57), (61, 70))
    assert pieces(annotated, 70, Margin(1, 0.1), 5) == spans((0, 17), (61, 70))


@pytest.mark.parametrize(
    ("annotated", "duration"),
    [
        (((0, 30),), 30),  # all of the video
        (((1, 29),), 30),  # all but the margins
        (((1, 2),), 3),  # the video is shorter than the margins
        (((0, 31),), 30),
    ],
)
def test_nowhere_is_looked_where_nothing_is_left(annotated: tuple[tuple[float, float], ...], duration: float) -> None:
    assert pieces(spans(*annotated), duration, Margin(1, 0.1), 2) == []


def test_near_is_what_goes_on_from_the_annotation() -> None:
    annotated, margin = spans((10, 20)), Margin(1, 0)
    some = spans((20, 25), (20.9, 25), (21, 25), (5, 9.1), (5, 9))
    assert [near(one, annotated, margin) for one in some] == [True, True, False, True, False]
    assert [near(one, annotated, Margin(0, 0)) for one in some[:2] + spans((19.9, 25))] == [False, False, True]
    assert near(Interval(0, 30), annotated, margin) and not near(Interval(0, 30), [], margin)


def test_clipped() -> None:
    assert clipped(Interval(3, 9), spans((0, 4), (5, 6), (9, 12))) == spans((3, 4), (5, 6))


def test_replies_agree_on_a_range() -> None:
    # [10, 20) and [12, 20) share 8 of 10 s, [12, 20) and [14, 22) 6 of 10 s, [10, 20) and [14, 22) 6 of 12 s.
    # [40, 44) is said twice by one reply (both ranges share 3 of 5 s) and counts once.
    said = [
        [(Interval(10, 20), False), (Interval(40, 44), True)],
        [(Interval(12, 20), False)],
        [(Interval(14, 22), True), (Interval(70, 80), False), (Interval(71, 80), False)],
    ]
    assert voted(said, 0.5) == [
        Found(Interval(12, 20), 3, False),
        Found(Interval(40, 44), 1, True),
        Found(Interval(70.5, 80), 1, False),
    ]


def test_ranges_that_differ_too_much_are_not_the_same() -> None:
    said = [[(Interval(0, 10), False)], [(Interval(6, 10), False)]]  # 4 of 10 s
    assert [one.votes for one in voted(said, 0.5)] == [1, 1]
    assert [one.votes for one in voted(said, 0.4)] == [2]


def test_a_range_counts_for_one_group_alone() -> None:
    # Neighbours share 8 of 12 s, the others 6 of 14 s or less. The second and the third have three votes; the first of
    # them takes its two neighbours, and the last is left alone.
    said = [[(Interval(start, start + 10), False)] for start in (0, 2, 4, 6)]
    assert [(one.span, one.votes) for one in voted(said, 0.6)] == [(Interval(2, 12), 3), (Interval(6, 16), 1)]


def test_nobody_says_anything() -> None:
    assert voted([], 0.5) == voted([[], []], 0.5) == []


def test_many_ranges_take_no_time() -> None:
    said = [[(Interval(one, one + 1.5), False) for one in range(64)] for _ in range(8)]
    assert {one.votes for one in voted(said, 0.9)} == {8}
