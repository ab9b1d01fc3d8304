"""The order of samples: by hand, and the laws that make a resumed run see the same ones."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from grounding.training.order import GroupOrder


@given(st.integers(1, 7), st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
def test_every_pass_has_every_sample_once(samples: int, groups: int, generations: int, seed: int) -> None:
    order = GroupOrder(samples, groups, 1, 1, generations, seed)
    seen = [index for number in range(generations) for index in order.of_generation(number)]
    assert len(seen) == groups * generations
    for start in range(0, len(seen) - samples + 1, samples):
        assert sorted(seen[start : start + samples]) == list(range(samples))
    assert list(order) == seen
    assert len(order) == len(seen)


@given(st.integers(0, 5), st.integers(6, 9))
def test_a_longer_run_begins_like_a_shorter_one(short: int, long: int) -> None:
    one, other = (list(GroupOrder(5, 2, 3, 2, generations, 0)) for generations in (short, long))
    assert other[: len(one)] == one


def test_rows_of_a_generation_by_hand() -> None:
    order = GroupOrder(samples=4, groups=2, members=3, repeats=2, generations=2, seed=1)
    a, b = order.of_generation(0)
    c, d = order.of_generation(1)
    assert {a, b, c, d} == {0, 1, 2, 3}
    rows = [a, a, a, b, b, b]  # three members of each group, and all of it asked for twice
    more = [c, c, c, d, d, d]
    assert list(order) == [*rows, *rows, *more, *more]


def test_passes_and_seeds_differ() -> None:
    def passes(seed: int) -> list[tuple[int, ...]]:
        order = GroupOrder(20, 20, 1, 1, 3, seed)
        return [tuple(order.of_generation(number)) for number in range(3)]

    assert len({*passes(0), *passes(1)}) == 6
    assert passes(0) == passes(0)


def test_fewer_samples_than_groups_still_fill_a_generation() -> None:
    counts = Counter(GroupOrder(3, 8, 2, 1, 1, 0))
    assert sorted(counts.values()) == [4, 6, 6]  # 8 groups of 2 rows over 3 samples: 3, 3 and 2 groups
