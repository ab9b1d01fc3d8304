"""The order of samples: by hand, and the laws that make a resumed run see the same ones."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.curriculum.order import Draws, Rows


def drawn(draws: Draws) -> list[int]:
    return [draws[place]["index"] for place in range(len(draws))]


@given(st.integers(1, 7), st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
def test_every_pass_has_every_sample_once(samples: int, groups: int, generations: int, seed: int) -> None:
    seen = drawn(Draws(samples, groups, generations, seed))
    assert len(seen) == groups * generations
    for start in range(0, len(seen) - samples + 1, samples):
        assert sorted(seen[start : start + samples]) == list(range(samples))


@given(st.integers(0, 5), st.integers(6, 9))
def test_a_longer_run_begins_like_a_shorter_one(short: int, long: int) -> None:
    one, other = (drawn(Draws(5, 2, generations, 0)) for generations in (short, long))
    assert other[: len(one)] == one


def test_a_draw_is_the_same_whatever_was_asked_before() -> None:
    forwards, backwards = Draws(7, 4, 5, 0), Draws(7, 4, 5, 0)
    assert [forwards[n] for n in range(20)] == [backwards[n] for n in reversed(range(20))][::-1]


def test_passes_and_seeds_differ() -> None:
    def passes(seed: int) -> list[tuple[int, ...]]:
        seen = drawn(Draws(20, 20, 3, seed))
        return [tuple(seen[start : start + 20]) for start in (0, 20, 40)]

    assert len({*passes(0), *passes(1)}) == 6
    assert passes(0) == passes(0)


def test_rows_of_two_generations_by_hand() -> None:
    rows = Rows(groups=2, members=3, repeats=2, generations=2)
    first, second = [0, 0, 0, 1, 1, 1], [2, 2, 2, 3, 3, 3]
    assert list(rows) == [*first, *first, *second, *second]  # all of a generation is asked for twice
    assert len(rows) == 24


def test_fewer_samples_than_groups_still_fill_a_generation() -> None:
    assert sorted(Counter(drawn(Draws(3, 8, 1, 0))).values()) == [2, 3, 3]


def test_weights_follow_generation_and_progress() -> None:
    asked: list[tuple[int, float]] = []

    def more_and_more(generation: int, progress: float) -> np.ndarray:
        asked.append((generation, progress))
        return (np.array([0.0, 0.0, 0.5, 0.9]) <= progress).astype(float)

    draws = Draws(4, 2, 4, 0, more_and_more)
    seen = drawn(draws)
    assert {*seen[:2]} == {*seen[2:4]} == {0, 1}  # at 0 and 1/4 only these weigh anything
    assert {*seen[4:]} <= {0, 1, 2}  # 1/2 and 3/4; the last comes after the end
    assert asked == [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.75)]  # once a generation
    assert [draws.progress(place) for place in (0, 2, 4, 6)] == [0.0, 0.25, 0.5, 0.75]


def test_a_sample_of_three_times_the_weight_is_drawn_three_times_as_often() -> None:
    seen = drawn(Draws(2, 1, 4000, 0, lambda generation, progress: np.array([3.0, 1.0])))
    assert Counter(seen)[0] == pytest.approx(3000, abs=100)  # 27 is one standard deviation


def test_no_sample_comes_twice_while_another_is_left() -> None:
    seen = drawn(Draws(3, 6, 20, 0, lambda generation, progress: np.array([100.0, 1.0, 1.0])))
    assert all(sorted(seen[start : start + 3]) == [0, 1, 2] for start in range(0, len(seen), 3))


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -1.0], [1.0, np.nan], [np.inf, 1.0]])
def test_weights_that_cannot_be_drawn_from_are_refused(weights: list[float]) -> None:
    with pytest.raises(UserError, match="must be finite, 0 or more, and not all 0"):
        Draws(2, 1, 1, 0, lambda generation, progress: np.array(weights))[0]


def test_further_draws_differ_by_purpose_and_keep_to_the_weights() -> None:
    draws = Draws(1000, 4, 3, 0)
    assert draws.others(1, 5, "refill", 0) == draws.others(1, 5, "refill", 0) != draws.others(1, 5, "refill", 1)
    assert {one["draw"] for one in draws.others(2, 5, "refill")} == {8}
    heavy = Draws(1000, 4, 3, 0, lambda generation, progress: np.arange(1000) == 7.0)
    assert [one["index"] for one in heavy.others(0, 3, "refill")] == [7, 7, 7]
