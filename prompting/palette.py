"""Palettes: the colours of object ids, and the text colour that can be read on each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from grounding.core import UserError
from grounding.core.colours import RGB, distinct

Palette = str | Sequence[Sequence[int]]

WHITE: RGB = (255, 255, 255)
BLACK: RGB = (0, 0, 0)

# Okabe and Ito, "Color Universal Design", 2008, in their order but for black, which comes last.
_OKABE_ITO: tuple[RGB, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
    (0, 0, 0),
)


def colours_of(palette: Palette) -> tuple[RGB, ...]:
    """The colours of ids 1, 2, ...; ids beyond the last begin anew.

    Args:
        palette: "distinct" (99 colours, the first nine apart for every kind of sight), "okabe-ito" (eight that many
            figures use), colours as the web writes them, joined by commas ("#e20000,#0000c6"), or RGB colours, each
            three whole numbers from 0 to 255.

    Raises:
        UserError: If it is none of these, empty, or a colour comes twice.
    """
    if isinstance(palette, str) and palette in _NAMED:
        return _NAMED[palette]()
    if not isinstance(palette, (str, Sequence, np.ndarray)) or not len(palette):
        raise UserError(f"a palette must be {_OFFERED}, got {palette!r}")
    colours = tuple(_colour(colour) for colour in (palette.split(",") if isinstance(palette, str) else palette))
    for colour, times in Counter(colours).items():
        if times > 1:
            raise UserError(f"a palette's colours must differ, but {colour} comes {times} times; leave it in once")
    return colours


def text_colour_on(rgb: RGB) -> RGB:
    """Black or white, whichever contrasts more; at least 4.58:1, for one of the two always does."""
    return max(WHITE, BLACK, key=lambda text: contrast(text, rgb))


def contrast(a: RGB, b: RGB) -> float:
    """WCAG 2 contrast ratio of two colours, in [1, 21]."""
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def _colour(written: str | Sequence[int]) -> RGB:
    """One colour of a palette."""
    if isinstance(written, str):
        if re.fullmatch("#?[0-9a-fA-F]{6}", written.strip()):
            red, green, blue = bytes.fromhex(written.strip()[-6:])
            return red, green, blue
        raise UserError(f"a palette must be {_OFFERED}, got {written!r}")
    values = list(written) if isinstance(written, (Sequence, np.ndarray)) else []
    whole = [int(value) for value in values if isinstance(value, (int, np.integer)) and 0 <= value <= 255]
    if len(values) != 3 or len(whole) != 3:
        raise UserError(f"a palette's colour must be three whole numbers from 0 to 255 (RGB), got {written!r}")
    red, green, blue = whole
    return red, green, blue


def _luminance(rgb: RGB) -> float:
    """Relative luminance in [0, 1], as WCAG 2 defines it."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


_NAMED: dict[str, Callable[[], tuple[RGB, ...]]] = {"distinct": distinct, "okabe-ito": lambda: _OKABE_ITO}
_OFFERED = f"one of {', '.join(_NAMED)}, colours such as '#e20000,#0000c6', or RGB colours in a row"
