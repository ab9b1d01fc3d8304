from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.evaluation.bootstrap import differences, estimates, macro, mean

NAN = np.nan


def test_a_mean_leaves_out_who_takes_no_part():
    figure = mean(np.array([1.0, 0.0, NAN, 1.0]))
    assert figure.count == 3
    assert figure.at(np.ones((1, 4)))[0] == pytest.approx(2 / 3)


def test_weights_say_how_often_each_sample_counts():
    # (2 x 1 + 0 x 5 + 1 x 4) / 3 = 2; with the 4 taking no part 2 x 1 / 2 = 1
    weights = np.array([[2.0, 0.0, 1.0]])
    assert mean(np.array([1.0, 5.0, 4.0])).at(weights)[0] == pytest.approx(2.0)
    assert mean(np.array([1.0, 5.0, NAN])).at(weights)[0] == pytest.approx(1.0)


def test_percent():
    figure = mean(np.array([True, False]), percent=True)
    assert figure.at(np.ones((1, 2)))[0] == 50.0
    assert figure.percent and figure.values.tolist() == [100.0, 0.0]


def test_macro_counts_categories_alike_however_many_samples_they_have():
    # 1 of one sample and 0 of two: the mean of samples is 1/3, the mean of categories 1/2.
    one, other = mean(np.array([1.0, NAN, NAN])), mean(np.array([NAN, 0.0, 0.0]))
    assert macro([one, other]).at(np.ones((1, 3)))[0] == 0.5
    assert macro([one, other]).count == 3


def test_macro_leaves_out_a_category_that_nobody_drew():
    one, other = mean(np.array([1.0, NAN])), mean(np.array([NAN, 0.0]))
    assert macro([one, other]).at(np.array([[2.0, 0.0]]))[0] == 1.0


def test_equal_values_have_an_interval_without_width():
    assert estimates({"x": mean(np.full(20, 0.25))}, 20)["x"].low == 0.25
    assert estimates({"x": mean(np.full(20, 0.25))}, 20)["x"].high == 0.25


def test_the_interval_of_a_share_is_that_of_the_normal_law():
    # 400 samples, half of them 1: standard error sqrt(0.25 / 400) = 0.025, so 0.5 -+ 1.96 x 0.025 = 0.451 to 0.549.
    one = estimates({"x": mean(np.arange(400) % 2)}, 400, resamples=4000)["x"]
    assert one.value == 0.5
    assert (one.low, one.high) == pytest.approx((0.451, 0.549), abs=0.005)


def test_nobody_takes_part():
    one = estimates({"x": mean(np.array([NAN, NAN]))}, 2, resamples=10)["x"]
    assert math.isnan(one.value) and math.isnan(one.low) and math.isnan(one.high)


def test_a_seed_gives_the_same_interval_again_and_another_one_does_not():
    figures = {"x": mean(np.arange(50.0))}
    assert estimates(figures, 50, seed=1) == estimates(figures, 50, seed=1)
    assert estimates(figures, 50, seed=1) != estimates(figures, 50, seed=2)


def test_many_samples_are_drawn_in_blocks_and_all_of_them():
    # 900,000 samples: 4 draws a block of 4 million weights, so 10 draws take three blocks.
    one = estimates({"x": mean(np.arange(900_000) % 2)}, 900_000, resamples=10)["x"]
    assert one.low < 0.5 < one.high


def test_a_paired_difference_is_sharper_than_either_value():
    # Each sample is better by 0.1, whatever it is: the difference has no spread at all.
    values = np.linspace(0, 1, 40)
    figures = {"x": mean(values)}, {"x": mean(values + 0.1)}
    gap = differences(*figures, 40, resamples=99)["x"]
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.1, 0.1, 0.1))
    assert gap.p == pytest.approx(2 / 100)  # the least that 99 draws can say: 2 x (1 + 0) / (99 + 1)
    assert estimates(figures[0], 40)["x"].high - estimates(figures[0], 40)["x"].low > 0.1


def test_the_same_predictions_do_not_differ():
    figures = {"x": mean(np.linspace(0, 1, 40))}
    gap = differences(figures, figures, 40)["x"]
    assert (gap.value, gap.low, gap.high, gap.p) == (0.0, 0.0, 0.0, 1.0)


def test_only_figures_of_both_are_compared():
    one, other = mean(np.zeros(3)), mean(np.ones(3))
    assert list(differences({"a": one, "b": one}, {"b": other, "c": other}, 3)) == ["b"]


def test_the_sign_says_which_one_is_better():
    first, second = {"x": mean(np.array([0.0, 0, 0, 1]))}, {"x": mean(np.array([1.0, 1, 1, 1]))}
    assert differences(first, second, 4)["x"].value == pytest.approx(0.75)
    assert differences(second, first, 4)["x"].value == pytest.approx(-0.75)


@given(st.lists(st.floats(0, 1) | st.just(NAN), min_size=1, max_size=30), st.integers(0, 5))
def test_an_interval_lies_within_the_values(values, seed):
    one = estimates({"x": mean(np.array(values))}, len(values), resamples=50, seed=seed)["x"]
    present = [value for value in values if not math.isnan(value)]
    if present:
        assert min(present) - 1e-9 <= one.low <= one.high <= max(present) + 1e-9
