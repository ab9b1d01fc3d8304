"""Time lines and lines of numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import Interval
from grounding.evaluation.bars import BARS_HEIGHT, LABELS, VALUES, number_line, time_line
from grounding.evaluation.drawing import GREY, PREDICTED, TRUE


class TestTimeLine:
    WIDTH = LABELS + VALUES + 100  # 100 pixels of ground

    def bars(self, true: Interval | None, *predicted: Interval) -> tuple[list[int], list[int]]:
        """Ground columns that are coloured in each bar."""
        picture = time_line(self.WIDTH, 10.0, [true] if true else None, predicted)
        ground = picture[:, LABELS : LABELS + 100]
        found = [np.nonzero((ground[row] == c).all(-1))[0].tolist() for row, c in ((8, TRUE), (28, PREDICTED))]
        assert all(
            (ground[row] == GREY).all(-1).sum() == 100 - len(bar) for row, bar in zip((8, 28), found, strict=True)
        )
        return found[0], found[1]

    def test_bars(self) -> None:
        # 10 s on 100 pixels: 10 pixels a second, half-open.
        assert self.bars(Interval(1, 3), Interval(2.5, 10)) == ([*range(10, 30)], [*range(25, 100)])

    def test_several(self) -> None:
        assert self.bars(None, Interval(1, 2), Interval(6, 7)) == ([], [*range(10, 20), *range(60, 70)])

    def test_past_the_end(self) -> None:
        assert self.bars(Interval(9, 99), Interval(20, 30)) == ([*range(90, 100)], [97, 98, 99])

    def test_a_moment_is_still_seen(self) -> None:
        assert self.bars(Interval(5, 5)) == ([50, 51, 52], [])

    def test_cursor_and_ticks(self) -> None:
        plain = time_line(self.WIDTH, 10.0, [Interval(1, 3)], None)
        marked = time_line(self.WIDTH, 10.0, [Interval(1, 3)], None, ticks=[2.0, 7.0], cursor=5.0)
        changed = (plain != marked).any(axis=-1)
        assert set(np.nonzero(changed[8])[0] - LABELS) <= {49, 50, 51} and changed[8].any()
        assert (np.nonzero(changed[41])[0] - LABELS).tolist() == [20, 70]

    def test_numbers_are_not_cut_off(self) -> None:
        numbers = [time_line(self.WIDTH, 10.0, None, [Interval(20, end)])[20:36, LABELS + 100 :] for end in (30, 40)]
        assert (numbers[0] != numbers[1]).any()  # both bars are the same, what is said differs


class TestNumberLine:
    WIDTH = LABELS + VALUES + 100  # 100 pixels of ground

    def bars(self, true: float | None, predicted: float | None) -> tuple[list[int], list[int]]:
        """Ground columns that are coloured in each bar."""
        ground = number_line(self.WIDTH, true, predicted)[:, LABELS : LABELS + 100]
        upper, lower = (np.nonzero((ground[row] == c).all(-1))[0].tolist() for row, c in ((8, TRUE), (28, PREDICTED)))
        return upper, lower

    @pytest.mark.parametrize(
        ("true", "predicted", "columns"),
        [
            (40, 75, (range(40), range(75))),  # to 100
            (3, 4, (range(30), range(40))),  # to 10
            (10, 5, (range(100), range(50))),
            (0.25, 1, (range(25), range(100))),
            (40, -10, (range(9, 45), range(9))),  # -10 to 100: 0 is at 9.1 of 100, 40 at 45.5
            (-3, -5, (range(70, 100), range(50, 100))),  # -10 to 0
            (40, None, (range(40), range(0))),
            (None, None, (range(0), range(0))),
        ],
    )
    def test_bars(self, true: float | None, predicted: float | None, columns: tuple[range, range]) -> None:
        assert self.bars(true, predicted) == tuple(map(list, columns))

    def test_nothing_is_still_seen(self) -> None:
        assert self.bars(0, 100) == ([0, 1, 2], [*range(100)])
        assert self.bars(0, 0) == ([0, 1, 2], [0, 1, 2])

    @given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300) | st.none())
    def test_any_number_has_a_place(self, true: float, predicted: float | None) -> None:
        assert number_line(self.WIDTH, true, predicted).shape == (BARS_HEIGHT, self.WIDTH, 3)
