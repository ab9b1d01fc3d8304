"""How a step is split."""

from __future__ import annotations

import pytest

from grounding.training.learning import split_step


@pytest.mark.parametrize(
    ("whole", "asked", "processes", "expected"),
    [
        (16, 16, 1, (16, 1)),
        (16, 16, 2, (8, 1)),  # a process has 8 groups of its own
        (16, 4, 2, (4, 2)),
        (12, 4, 2, (3, 2)),  # 4 does not divide 6
        (8, 1, 8, (1, 1)),
    ],
)
def test_a_pass_holds_what_was_asked_for_where_it_divides(
    whole: int, asked: int, processes: int, expected: tuple[int, int]
) -> None:
    assert split_step(whole, asked, processes) == expected
