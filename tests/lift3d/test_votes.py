"""Sums of votes stay exact, whatever order and however many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift3d import votes
from lift3d.votes import BORDER, CLEAN, Votes, count, weight


def test_two_clean_and_three_border_votes() -> None:
    total = np.array([2 * CLEAN + 3 * BORDER], np.uint32)
    assert count(total).tolist() == [5]
    assert weight(total).tolist() == pytest.approx([2.3])


def test_votes_of_frames_add_up() -> None:
    found = Votes(3, 10)
    clean, border = np.full(2, CLEAN), np.array([CLEAN, BORDER])
    found.see(np.array([0, 2]), clean)
    found.see(np.array([0, 1]), border)
    found.add(np.array([0, 2]), np.array([4, 4]), clean)
    found.add(np.array([0, 1]), np.array([7, 4]), border)
    assert count(found.seen).tolist() == [2, 1, 1]
    table = found.sums().toarray()
    assert count(table[:, 4]).tolist() == [1, 1, 1]
    assert weight(table[1, 4]) == pytest.approx(0.1)
    assert count(table[:, 7]).tolist() == [1, 0, 0]


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=6, unique_by=lambda v: v[0])))
def test_blocks_do_not_change_the_sums(frames: list[list[tuple[int, int]]]) -> None:
    expected = np.zeros((6, 5), int)
    found, whole = Votes(6, 5), votes.PENDING
    try:
        votes.PENDING = 3  # adds up after nearly every frame
        for frame in frames:
            points, labels = (np.array([v[i] for v in frame], int) for i in (0, 1))
            found.add(points, labels, np.full(len(points), CLEAN))
            expected[points, labels] += 1
    finally:
        votes.PENDING = whole
    assert count(found.sums().toarray()).tolist() == expected.tolist()
