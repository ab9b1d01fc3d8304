"""Parts of an instance, by hand and against brute force."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from lift3d.clusters import main_part, parts


def line(*x: float) -> np.ndarray:
    return np.array([[value, 0.0, 0.0] for value in x])


def test_a_stray_is_left_out_and_a_large_part_is_kept() -> None:
    points = line(*(0.08 * n for n in range(10)), 5, 9, 9.08)
    assert main_part(points, 0.1, 0.2).tolist() == [True] * 10 + [False] + [True] * 2  # 1 < 0.2 * 10 = 2


def test_cells_that_touch_at_a_corner_are_one_part() -> None:
    points = np.array([[0.05, 0.05, 0.05], [0.15, 0.15, 0.15], [0.35, 0.05, 0.05]])
    assert len(set(parts(points, 0.1)[:2].tolist())) == 1
    assert parts(points, 0.1)[2] != parts(points, 0.1)[0]


def test_nothing_has_no_parts() -> None:
    assert parts(np.zeros((0, 3)), 0.1).tolist() == []
    assert main_part(np.zeros((0, 3)), 0.1, 0.2).tolist() == []


@given(nps.arrays(float, st.tuples(st.integers(1, 12), st.just(3)), elements=st.floats(-1, 1)))
def test_points_nearer_than_the_gap_are_in_one_part(points: np.ndarray) -> None:
    numbers = parts(points, 0.3)
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    near = distance < 0.3
    assert (numbers[:, None] == numbers[None])[near].all()
    for number in set(numbers.tolist()):  # and parts do not join what is farther than two cells' diagonals
        if (numbers != number).any():
            assert distance[np.ix_(numbers == number, numbers != number)].min() >= 0.3 - 1e-9
