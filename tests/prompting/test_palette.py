from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.core.colours import id_colour
from prompting.palette import BLACK, WHITE, colours_of, contrast, text_colour_on


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
