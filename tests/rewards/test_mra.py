from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.mra import mean_relative_accuracies


def mra(prediction, truth):
    return float(mean_relative_accuracies(np.array([prediction], float), np.array([truth], float))[0])


@pytest.mark.parametrize(
    ("prediction", "truth", "expected"),
    [
        (100, 100, 1.0),
        (88, 100, 0.8),  # off by 0.12: within 0.50, 0.45, 0.40, 0.35, 0.30, 0.25, 0.20, 0.15
        (112, 100, 0.8),
        (58, 100, 0.2),  # off by 0.42: within 0.50 and 0.45
        (3, 2, 0.0),  # off by 0.5 exactly: not below any limit
        (3, 4, 0.5),  # off by 0.25: below 0.50, 0.45, 0.40, 0.35, 0.30
        (2.99, 2, 0.1),  # off by 0.495: below 0.50
        (40, 100, 0.0),
        (1000, 100, 0.0),
        (-100, 100, 0.0),
        (np.nan, 100, 0.0),
        (np.inf, 100, 0.0),
        (0, 0, 1.0),
        (1, 0, 0.0),
    ],
)
def test_mra_by_hand(prediction, truth, expected):
    assert mra(prediction, truth) == pytest.approx(expected)


@pytest.mark.parametrize("truth", [1, 2, 3, 7, 10, 0.3, 1.7, 12.6, 1000, 33333])
@pytest.mark.parametrize("hundredths", range(5, 55, 5))
@pytest.mark.parametrize("sign", [1, -1])
def test_an_error_of_exactly_a_limit_is_not_below_it(truth, hundredths, sign):
    # Of the limits 0.05, 0.10, ..., 0.50 those above 0.05 k are 10 - k. Either way of computing has rounding errors.
    expected = (10 - hundredths // 5) / 10
    assert mra(truth + sign * truth * hundredths / 100, truth) == pytest.approx(expected)
    assert mra(truth * (100 + sign * hundredths) / 100, truth) == pytest.approx(expected)


@pytest.mark.parametrize("hundredths", range(5, 55, 5))
def test_a_hair_below_a_limit_is_below_it(hundredths):
    assert mra(10 - hundredths / 10 + 1e-9, 10) == pytest.approx((11 - hundredths // 5) / 10)


@given(st.floats(0.1, 100), st.floats(0.1, 100), st.floats(0.1, 100))
def test_nearer_is_no_worse(truth, one, other):
    near, far = sorted((one, other), key=lambda value: abs(value - truth))
    assert 0 <= mra(far, truth) <= mra(near, truth) <= 1


def test_huge_numbers_are_no_warning():
    assert mra(1e308, -1e308) == 0.0
