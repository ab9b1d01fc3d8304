"""The styles: which pictures a style is made of, and how high its number is."""

from __future__ import annotations

from dataclasses import dataclass

from grounding.core import UserError

REGIONS = ("tint", "contour", "box")  # in the order of drawing


@dataclass(frozen=True)
class Look:
    """How high the numbers of a style are, pixels at the model's size.

    Args:
        smallest: Least height of the mark.
        largest: Greatest height of the mark.
        per_radius: Height of the mark for each pixel of the disc inside its object.
        figure: Height of the digits, of the mark's.
        space: What a mark keeps clear on its left and right, of its height.
        share: Height of the mark, of the frame's longest side, whatever the object; None: by the object.
    """

    smallest: float
    largest: float
    per_radius: float
    figure: float = 1.0
    space: float = 0.2
    share: float | None = None


NUMBERS = {
    # What was measured best: legible, little hidden.
    "outline": Look(9.0, 16.0, 1.1),
    # Below 12 pixels its number cannot be read and its colour hardly be seen; the number is 0.61 of its height.
    "badge": Look(12.0, 18.0, 1.6, figure=0.61, space=0.0),
    # STVG-R1: fontScale 20/30 * longest / 336, and digits of 21 pixels at fontScale 1: longest / 24.
    "digit": Look(1.0, float("inf"), 0.0, share=1 / 24),
}


def parse_style(style: str) -> tuple[str | None, tuple[str, ...]]:
    """A style such as "outline", "contour" or "outline+contour+tint": its number's look, if any, and its regions.

    Raises:
        UserError: If a part is unknown, comes twice, or there are two numbers.
    """
    parts = style.split("+") if isinstance(style, str) else [style]
    unknown = [part for part in parts if part not in NUMBERS and part not in REGIONS]
    numbers = [part for part in parts if part in NUMBERS]
    if unknown or len(numbers) > 1 or len(set(parts)) < len(parts):
        raise UserError(
            f"marker style must be one of {', '.join(NUMBERS)} and any of {', '.join(REGIONS)}, joined by '+' "
            f"(as in 'outline+contour'), got {style!r}"
        )
    return (numbers[0] if numbers else None), tuple(region for region in REGIONS if region in parts)
