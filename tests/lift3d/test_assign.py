"""Owners by evidence, cases worked out by hand."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from lift3d.assign import Assigned, assign, by_superpoints, constancy
from lift3d.votes import BORDER, CLEAN


def owners(table: list[list[int]], seen: list[int], min_ratio: float = 0.5, min_hits: int = 1) -> list[int]:
    sums = sparse.csr_array(np.array(table, np.uint32))
    return assign(sums, np.array(seen, np.uint32), min_ratio, min_hits).owner.tolist()


C, B = int(CLEAN), int(BORDER)


def test_half_of_the_views_is_enough_and_less_is_not() -> None:
    assert owners([[0, 2 * C], [0, C]], [4 * C, 3 * C]) == [1, 0]


def test_the_higher_ratio_wins() -> None:
    assert owners([[0, 2 * C, 3 * C]], [4 * C]) == [2]


def test_at_a_tie_the_one_with_fewer_points_wins_then_the_smaller_id() -> None:
    # point 0 is claimed by the table (1) and the cup (2) alike; the table claims point 1, too
    assert owners([[0, C, C], [0, C, 0]], [C, C]) == [2, 1]
    assert owners([[0, C, C]], [C]) == [1]


def test_border_votes_decide_only_where_nothing_else_is() -> None:
    # first: 1 clean view says nothing, 5 at the rim say 1: 0.5 / 1.5 < 0.5; second: only rims: 3 of 5
    assert owners([[0, 5 * B], [0, 3 * B]], [C + 5 * B, 5 * B]) == [0, 1]


def test_hits_count_views_clean_or_not() -> None:
    assert owners([[0, C + B]], [C + B], min_hits=2) == [1]
    assert owners([[0, C + B]], [C + B], min_hits=3) == [0]


def test_the_evidence_is_reported() -> None:
    found = assign(sparse.csr_array(np.array([[0, 3 * C], [0, 0]], np.uint32)), np.array([4 * C, C], np.uint32), 0.5, 1)
    assert found.ratio.tolist() == [0.75, 0]
    assert found.hits.tolist() == [3, 0]
    assert found.seen.tolist() == [4, 1]
    assert {number: points.tolist() for number, points in found.groups().items()} == {1: [0]}


def test_no_votes_give_no_owners() -> None:
    assert owners([[0, 0]], [0]) == [0]


def single(owner: list[int]) -> Assigned:
    ones = np.array([1 if i else 0 for i in owner])
    return Assigned(np.array(owner, np.int32), ones.astype(np.float32), ones, np.ones(len(owner), int))


def test_a_superpoint_goes_as_a_whole() -> None:
    segments = np.array([8, 8, 8, 8, 3, 3, 3, 3])
    owner = [1, 1, 0, 2, 2, 0, 0, 0]
    visible = np.array([1, 1, 1, 1, 1, 1, 1, 0], bool)
    # segment 8: 2 of 4 say 1; segment 3: 1 of 3 visible says 2
    assert by_superpoints(single(owner), segments, visible).owner.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def test_an_object_of_one_superpoint_is_kept_and_unseen_points_do_not_count() -> None:
    visible = np.array([1, 0, 0, 0], bool)
    assert by_superpoints(single([5, 0, 0, 0]), np.array([1, 1, 1, 1]), visible).owner.tolist() == [5, 5, 5, 5]
    assert by_superpoints(single([0, 0]), np.array([1, 2]), np.ones(2, bool)).owner.tolist() == [0, 0]


def test_constancy_is_the_share_of_the_most_frequent_id() -> None:
    """Point 0: id 1 in 3 of 4 frames with a mask. 1: two layers, both in 2 of 2. 2: seen with a mask once. 3: never."""
    votes = np.array([[0, 3 * C, C], [0, C + B, 2 * C], [0, C, 0], [0, 0, 0]], np.uint32)
    assert constancy(sparse.csr_array(votes), np.array([4, 2, 1, 0])) == (3 / 4 + 2 / 2) / 2
    assert constancy(sparse.csr_array(votes[2:]), np.array([1, 0])) == 1
