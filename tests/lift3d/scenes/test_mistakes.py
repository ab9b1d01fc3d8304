"""Tests of which mistake is named; what each does to a scene is tested with the self-test."""

from __future__ import annotations

import numpy as np
import pytest

from lift3d.scenes.mistakes import _SCALES, POSES, Shares, first_of_the_best

Y_UP = np.diag([1.0, -1.0, 1.0, 1.0])
POSE = np.array([[0.0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])


def test_of_causes_that_explain_as_much_the_simplest_is_named() -> None:
    """The second explains a little more than the first, but less than a change must bring."""
    assert first_of_the_best({"": 0.26, "a": 0.92, "a and b": 0.94}) == "a"
    assert first_of_the_best({"": 0.92, "a": 0.97}) == ""
    assert first_of_the_best({"": 0.84, "a": 0.92}) == "a"
    assert first_of_the_best({"": 0.40, "a": 0.55}) == ""  # takes a quarter of the contradictions away


def test_mistakes_of_the_unit_by_hand() -> None:
    names = list(_SCALES)
    assert len(names) == 13  # none, and each of four units taken for each other one
    assert names[:3] == [
        "",
        "the unit of depth is a millimetre, not 1/5000 m",
        "the unit of depth is 1/5000 m, not a millimetre",
    ]
    assert all("6553.5" in name for name in names[7:])  # the rarest last
    # 2 m are 2000 mm; read as 1/5000 m that is 0.4 m, so without the mistake depth is 5 times as large.
    assert _SCALES["the unit of depth is a millimetre, not 1/5000 m"] == 5


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
