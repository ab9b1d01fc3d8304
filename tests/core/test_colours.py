"""Tests of grounding.core.colours."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.core import UserError
from grounding.core.colours import id_colour

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)
WHITE_POINT = np.array([0.95047, 1.0, 1.08883])


def lab(colours: list[tuple[int, int, int]], sight: str) -> np.ndarray:
    """CIELAB of sRGB colours as somebody with this sight sees them."""
    values = np.array(colours) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ np.array(SIGHTS[sight]).T, 0, 1) @ TO_XYZ.T / WHITE_POINT
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def smallest_distance(colours: list[tuple[int, int, int]], sight: str) -> float:
    points = lab(colours, sight)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return float(distances[np.triu_indices(len(points), 1)].min())


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_first_nine_stay_apart_for_every_sight(sight: str) -> None:
    # A distance of 2.3 is just noticeable; small badges among other colours need far more.
    assert smallest_distance([id_colour(i) for i in range(1, 10)], sight) > 35


def test_no_near_duplicates_among_ninety_nine() -> None:
    assert smallest_distance([id_colour(i) for i in range(1, 100)], "normal") > 7


def test_colours_are_distinct_whole_rgb_values() -> None:
    colours = [id_colour(i) for i in range(1, 100)]
    assert len(set(colours)) == 99
    assert all(type(value) is int and 0 <= value <= 255 for colour in colours for value in colour)


def test_colours_do_not_change_between_versions() -> None:
    # Training data and legends of older runs rely on these.
    assert [id_colour(i) for i in (1, 2, 3, 9)] == [(226, 0, 0), (0, 0, 198), (113, 255, 255), (255, 85, 255)]


def test_ids_above_99_repeat() -> None:
    assert id_colour(100) == id_colour(1)
    assert id_colour(99 * 1000 + 5) == id_colour(5)


def test_numpy_ids_are_ids() -> None:
    assert id_colour(np.int64(3)) == id_colour(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [0, -1, 1.0, True, "1", None])
def test_what_is_no_id_is_refused(wrong: object) -> None:
    with pytest.raises(UserError, match="ids must be 1 or more"):
        id_colour(wrong)  # type: ignore[arg-type]
