"""Parts of an instance, by hand and against brute force."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from scipy.sparse.csgraph import connected_components

from lift3d.clusters import main_part, parts


def line(*x: float) -> np.ndarray:
    return np.array([[value, 0.0, 0.0] for value in x])


def test_a_stray_is_left_out_and_a_large_part_is_kept() -> None:
    points = line(*(0.08 * n for n in range(10)), 5, 9, 9.08)
    assert main_part(points, 0.1, 0.2).tolist() == [True] * 10 + [False] + [True] * 2  # 1 < 0.2 * 10 = 2


def test_single_points_are_joined_up_to_the_gap() -> None:
    points = np.array([[0, 0, 0], [0.06, 0.06, 0], [0.17, 0.06, 0]])  # 0.085 and 0.11 apart
    first, second, third = parts(points, 0.1).tolist()
    assert first == second != third


def test_a_strand_between_two_things_is_needed_to_join_them() -> None:
    block = np.stack(np.meshgrid(*[np.linspace(0, 0.1, 6)] * 3), axis=-1).reshape(-1, 3)
    two = np.concatenate([block, block + np.array([0.22, 0, 0])])  # 12 cm apart
    assert len(set(parts(two, 0.05).tolist())) == 2
    strand = np.column_stack([np.arange(0.12, 0.22, 0.03), np.zeros(4), np.zeros(4)])
    assert len(set(parts(np.concatenate([two, strand]), 0.05).tolist())) == 1


def test_nothing_has_no_parts() -> None:
    assert parts(np.zeros((0, 3)), 0.1).tolist() == []
    assert main_part(np.zeros((0, 3)), 0.1, 0.2).tolist() == []


def refines(fine: np.ndarray, coarse: np.ndarray) -> bool:
    """Whether points of one part of `fine` are in one part of `coarse`."""
    return all(len(set(coarse[fine == number].tolist())) == 1 for number in set(fine.tolist()))


@given(nps.arrays(float, st.tuples(st.integers(1, 12), st.just(3)), elements=st.floats(-1, 1)))
def test_parts_lie_between_those_of_a_smaller_and_a_larger_gap(points: np.ndarray) -> None:
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    least, most = (connected_components(distance < share * 0.3)[1] for share in (0.13, 1.87))
    assert refines(least, parts(points, 0.3)) and refines(parts(points, 0.3), most)
