from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError
from prompting.palette import BLACK, WHITE, colours_of, contrast, id_colour, text_colour_on

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


def test_named_palettes() -> None:
    assert colours_of("distinct") == tuple(id_colour(i) for i in range(1, 100))
    # As published: orange, sky blue, bluish green, yellow, blue, vermilion, reddish purple; and black.
    assert colours_of("okabe-ito") == colours_of("#E69F00,#56B4E9,#009E73,#F0E442,#0072B2,#D55E00,#CC79A7,#000000")


def test_palettes_of_ones_own() -> None:
    two = ((226, 0, 0), (0, 0, 198))  # 0xe2 = 226, 0xc6 = 198
    assert colours_of("#e20000, 0000C6") == two
    for same in (two, [[226, 0, 0], [0, 0, 198]], np.array(two, np.uint8), ["#e20000", "0000c6"]):
        assert colours_of(same) == two
    assert all(type(value) is int for colour in colours_of(np.array(two, np.uint8)) for value in colour)


@pytest.mark.parametrize(
    ("palette", "named"),
    [
        ("blue", "one of distinct, okabe-ito, colours such as '#e20000,#0000c6', .* got 'blue'"),
        ("#e20000,#00c", "got '#00c'"),
        ("#e20000,", "got ''"),
        ("", "got ''"),
        ([], r"got \[\]"),
        (None, "got None"),
        (7, "got 7"),
        ([(0, 0, 1), (0, 0, 256)], r"three whole numbers from 0 to 255 \(RGB\), got \(0, 0, 256\)"),
        ([(0, 0, -1)], "three whole numbers"),
        ([(0, 0)], "three whole numbers"),
        ([(0, 0, 1, 255)], "three whole numbers"),
        ([(0.5, 0, 0)], "three whole numbers"),
        ([(0, 0, (1, 2))], "three whole numbers"),
        ((1, 2, 3), "three whole numbers"),
        ([(1, 2, 3), (0, 0, 0), [1, 2, 3]], r"must differ, but \(1, 2, 3\) comes 2 times"),
    ],
)
def test_what_is_no_palette_is_refused(palette: object, named: str) -> None:
    with pytest.raises(UserError, match=named):
        colours_of(palette)  # type: ignore[arg-type]


def test_contrast_of_known_pairs() -> None:
    assert contrast(WHITE, BLACK) == pytest.approx(21)  # (1 + .05) / (0 + .05)
    assert contrast((9, 99, 200), (9, 99, 200)) == 1
    # The greys on either side of WCAG's 4.5 on white: #767676 passes with 4.54, #777777 fails with 4.48.
    assert contrast(WHITE, (0x76, 0x76, 0x76)) == pytest.approx(4.54, abs=0.005)
    assert contrast((0x77, 0x77, 0x77), WHITE) == pytest.approx(4.48, abs=0.005)
    # Pure red: luminance .2126, so 1.05 / .2626 against white.
    assert contrast((255, 0, 0), WHITE) == pytest.approx(1.05 / 0.2626)


def test_text_is_the_one_that_contrasts_more() -> None:
    assert text_colour_on((0, 0, 198)) == WHITE
    assert text_colour_on((198, 255, 0)) == BLACK
    # Pure red: white 1.05 / .2626 = 4.0, black .2626 / .05 = 5.3.
    assert text_colour_on((255, 0, 0)) == BLACK


@pytest.mark.parametrize("object_id", range(1, 100))
def test_numbers_can_be_read_on_every_badge(object_id: int) -> None:
    colour = id_colour(object_id)
    assert contrast(colour, text_colour_on(colour)) >= 4.5


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_black_or_white_can_be_read_on_any_colour(colour: tuple[int, int, int]) -> None:
    # The worst luminance L has 1.05 / (L + .05) = (L + .05) / .05, so the contrast there is sqrt(21) = 4.58.
    assert contrast(colour, text_colour_on(colour)) >= 4.58
