"""Tests of which mistake is named; what each does to a scene is tested with the self-test."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

from lift3d.scenes.mistakes import POSES, Shares, first_of_the_best, likely_unit
from lift3d.scenes.overlap import Sampled

Y_UP = np.diag([1.0, -1.0, 1.0, 1.0])
POSE = np.array([[0.0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])


def test_of_causes_that_explain_as_much_the_simplest_is_named() -> None:
    """The second explains a little more than the first, but less than a change must bring."""
    assert first_of_the_best({"": 0.26, "a": 0.92, "a and b": 0.94}) == "a"
    assert first_of_the_best({"": 0.92, "a": 0.97}) == ""
    assert first_of_the_best({"": 0.84, "a": 0.92}) == "a"
    assert first_of_the_best({"": 0.40, "a": 0.55}) == ""  # takes a quarter of the contradictions away


class Fake:
    """Frames whose depth, 2 m in the median, was read with so many units a metre; `true` of them would agree."""

    def __init__(self, depth_units: float, true: float, near: dict[float, float] | None = None) -> None:
        self.depth_units, self.true, self.near = depth_units, true, near or {}

    def median_depth(self) -> float:
        return 2 * self.true / self.depth_units

    def far(self, _convert: object) -> list[tuple[int, int]]:
        return []

    def agreement(self, _pairs: object, _convert: object, scale: float) -> float:
        units = round(self.depth_units / scale, 1)
        return 1.0 if units == self.true else self.near.get(units, 0.2)


@pytest.mark.parametrize(
    ("taken", "true", "near", "named"),
    [
        (1000, 1000, None, ""),
        (1000, 5000, None, "the unit of depth is 1/5000 m, not a millimetre"),
        (1000, 10000, None, "the unit of depth is 1/10000 m, not a millimetre"),
        (5000, 1000, None, "the unit of depth is a millimetre, not 1/5000 m"),
        (1, 1000, None, "the unit of depth is a millimetre, not a metre"),
        (4000, 1000, None, "the unit of depth is a millimetre, not 1/4000 m"),  # a unit of one's own
        (1000, 6553.5, {5000.0: 0.97}, "the unit of depth is 1/5000 m, not a millimetre"),  # as good, and more usual
        (1000, 6553.5, {5000.0: 0.90}, "the unit of depth is 1/6553.5 m, not a millimetre"),
        (1000, 6553.5, {1000.0: 0.97}, ""),  # not clearly better than the unit as it is
        (1000, 200, None, "depth is 5 times too small"),
        (5000, 500, None, "depth is 10 times too small"),
        (1, 10, None, "depth is 10 times too large"),
        (1000, 3000, {5000.0: 0.21, 6553.5: 0.19}, ""),  # no usual one
    ],
)
def test_mistakes_of_the_unit(taken: float, true: float, near: dict[float, float] | None, named: str) -> None:
    """What is not the unit that the depth was read with is never called so."""
    assert likely_unit(cast(Sampled, Fake(taken, true, near)), [(0, 1)], POSES[""])[2] == named


def test_the_inverse_of_a_camera_with_y_up() -> None:
    """The file holds the inverse of a pose; fy is negative, so that the reader turned the y axis."""
    inverted = POSES["the poses are world-to-camera"]
    np.testing.assert_allclose(inverted(np.linalg.inv(POSE)), POSE, atol=1e-12)
    np.testing.assert_allclose(inverted(np.linalg.inv(POSE) @ Y_UP), POSE @ Y_UP, atol=1e-12)


@pytest.mark.parametrize(
    ("shares", "mean"), [((0.8, 0.4), 0.6), ((0.8, None), 0.8), ((None, 0.4), 0.4), ((None, None), 0.0)]
)
def test_the_mean_of_the_shares_that_are_known(shares: tuple[float | None, float | None], mean: float) -> None:
    assert Shares(*shares).mean == pytest.approx(mean)
