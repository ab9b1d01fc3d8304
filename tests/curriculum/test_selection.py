"""Weights of samples by their difficulty, by hand, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Interval, Sample, UserError
from grounding.curriculum.order import Draws, Weighted
from grounding.curriculum.scores import Difficulty, Scores
from grounding.curriculum.selection import Gaussian, by_spread, check_known, difficulty_of, factors_of
from grounding.datasets.toy import toy_source


def samples(*metas: dict[str, Any]) -> list[Sample]:
    return [Sample(f"s{n}", "v", "a dog", Answer(Interval(0, 1)), meta) for n, meta in enumerate(metas)]


def known(mean: list[float], std: list[float] | None = None) -> Difficulty:
    return Difficulty(np.array(mean), np.array(std or [0.0] * len(mean)))


def test_a_gaussian_around_a_difficulty() -> None:
    weights = Gaussian(0.3, 0.2)(known([0.3, 0.5, 0.1, 0.9]), 0.5)
    # 0, 1, 1 and 3 deviations away.
    assert weights == pytest.approx([1.0, math.exp(-0.5), math.exp(-0.5), math.exp(-4.5)])


def test_by_the_spread_of_scores() -> None:
    assert by_spread(known([0.5, 0.5, 1.0], [0.4, 0.1, 0.0]), 0.0).tolist() == [0.4, 0.1, 0.0]


def test_weights_are_multiplied_by_what_an_earlier_stage_says() -> None:
    factors = factors_of(samples({"weight": 0.25}, {}, {"weight": 0.0}))
    assert factors.tolist() == [0.25, 1.0, 0.0]
    scores = Scores(known([0.3, 0.3, 0.3]))
    assert Weighted(Gaussian(), scores, factors)(0, 0.0).tolist() == [0.25, 1.0, 0.0]
    assert Weighted(None, scores, factors)(0, 0.0).tolist() == [0.25, 1.0, 0.0]


def test_where_no_answers_differ_any_more_all_are_drawn_alike() -> None:
    scores = Scores(known([0.5, 0.5], [0.3, 0.0]))
    scores.add(0, [(0, 1.0, 0.0)])
    weighted = Weighted(by_spread, scores, np.array([1.0, 0.5]), refresh=1)
    assert weighted(1, 0.1).tolist() == [0.3, 0.0]
    assert weighted(2, 0.2).tolist() == [1.0, 0.5]


def test_without_a_refresh_what_was_known_before_counts() -> None:
    scores = Scores(known([0.5, 0.5], [0.3, 0.1]))
    scores.add(0, [(0, 1.0, 0.0)])
    assert Weighted(by_spread, scores, np.ones(2))(9, 0.9).tolist() == [0.3, 0.1]


def test_a_downweighted_sample_is_drawn_less_often() -> None:
    weighted = Weighted(None, Scores(known([0.0, 0.0])), np.array([1.0, 0.25]))
    seen = [Draws(2, 1, 2000, 0, weighted)[draw]["index"] for draw in range(2000)]
    assert sum(seen) == pytest.approx(400, abs=60)  # a fifth; 18 is one standard deviation


def test_what_rows_say() -> None:
    found = difficulty_of(samples({"difficulty": 0.2, "difficulty_std": 0.1}, {"difficulty": 1}, {}))
    assert found.mean.tolist()[:2] == [0.2, 1.0] and np.isnan(found.mean[2])
    assert found.std[0] == 0.1 and np.isnan(found.std[1:]).all()
    assert np.isnan(difficulty_of(toy_source(0, 10**6).samples).mean).all()  # in no time


@pytest.mark.parametrize("meta", [{"difficulty": 31.4}, {"difficulty": "easy"}, {"difficulty_std": -0.1}])
def test_a_difficulty_that_is_none_is_refused(meta: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^sample s1: difficulty"):
        difficulty_of(samples({}, meta))


def test_a_weight_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"^sample s0: weight must be from 0 to 1, got 2"):
        factors_of(samples({"weight": 2}))


def test_samples_of_which_too_little_is_known_are_refused() -> None:
    rows = samples({"difficulty": 0.2}, {})
    with pytest.raises(UserError, match="sample s1 has no difficulty to be weighed by; put the stage difficulty"):
        check_known(rows, difficulty_of(rows), Gaussian())
    with pytest.raises(UserError, match="sample s0 has no difficulty"):
        check_known(rows, difficulty_of(rows), by_spread)
    with pytest.raises(UserError, match="gives each sample the weight 0"):
        check_known(rows, known([0.5, 0.5], [0.0, 0.0]), by_spread)
    check_known(rows, known([0.5, 0.5], [0.0, 0.1]), by_spread)
