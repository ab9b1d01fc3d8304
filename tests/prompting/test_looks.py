from __future__ import annotations

import pytest

from grounding.core import UserError
from prompting.looks import NUMBERS, REGIONS, parse_style
from prompting.palette import BLACK, WHITE, contrast


@pytest.mark.parametrize(
    ("style", "number", "regions"),
    [
        ("outline", "outline", ()),
        ("badge+box", "badge", ("box",)),
        ("box+contour+digit+tint", "digit", ("tint", "contour", "box")),  # drawn in this order, whatever the spelling
        ("contour", None, ("contour",)),
    ],
)
def test_styles_are_sums(style: str, number: str | None, regions: tuple[str, ...]) -> None:
    assert parse_style(style) == (number, regions)


@pytest.mark.parametrize("style", ["outline+badge", "tint+tint", "Outline", "outline +box", "+", 3])
def test_what_is_no_style_is_refused(style: str) -> None:
    with pytest.raises(UserError, match="joined by '\\+'"):
        parse_style(style)


def test_what_is_offered_can_be_had() -> None:
    for number in NUMBERS:
        assert parse_style("+".join([number, *REGIONS])) == (number, REGIONS)


def test_outlined_digits_contrast_with_their_edge() -> None:
    assert contrast(WHITE, BLACK) >= 4.5


def test_the_papers_digits_have_the_papers_share() -> None:
    # cv2.putText's digits are 21 pixels high at fontScale 1, the paper's scale is 20 / 30 * longest / 336.
    assert NUMBERS["digit"].share == pytest.approx(21 * 20 / 30 / 336)
