"""The colour that belongs to an object id, from one of several palettes, and the text colour that can be read on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import product

import numpy as np

from grounding.core import UserError
from grounding.core.masklets import check_id

RGB = tuple[int, int, int]
Palette = str | Sequence[Sequence[int]]

WHITE: RGB = (255, 255, 255)
BLACK: RGB = (0, 0, 0)

# Nine colours whose smallest CIELAB distance is as large as a search over sRGB could make it in normal vision and
# under full protanopia, deuteranopia and tritanopia at once: 37 (the eight of Okabe and Ito reach 16). Near-black,
# near-white and greys were left out, for a badge must show that it has a colour. Each is the farthest from those
# before it, so few objects get the most distinct colours.
_FIRST: tuple[RGB, ...] = (
    (226, 0, 0),
    (0, 0, 198),
    (113, 255, 255),
    (113, 0, 28),
    (198, 255, 0),
    (85, 0, 113),
    (0, 141, 141),
    (255, 198, 141),
    (255, 85, 255),
)
_COUNT = 99

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


def id_colour(object_id: int) -> RGB:
    """The RGB colour of an id: distinct for ids 1 to 99, repeating after that, the same on every machine.

    Raises:
        UserError: If the id is not a whole number >= 1.
    """
    check_id(object_id)
    return _distinct()[(int(object_id) - 1) % _COUNT]


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


@lru_cache(maxsize=1)
def _distinct() -> tuple[RGB, ...]:
    """The first nine, then again and again the colour of a coarse RGB cube farthest from all before it."""
    cube = np.array(list(product(range(0, 256, 51), repeat=3)))
    chosen = [np.array(colour) for colour in _FIRST]
    nearest = np.min([_distance(cube, colour) for colour in chosen], axis=0)
    while len(chosen) < _COUNT:
        chosen.append(cube[nearest.argmax()])
        nearest = np.minimum(nearest, _distance(cube, chosen[-1]))
    return tuple((int(r), int(g), int(b)) for r, g, b in chosen)


def _distance(colours: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared 'redmean' distance; whole numbers only, so that ties fall alike on every machine."""
    red = (colours[:, 0] + other[0]) // 2
    squares = (colours - other) ** 2
    return ((512 + red) * squares[:, 0] >> 8) + 4 * squares[:, 1] + ((767 - red) * squares[:, 2] >> 8)


_NAMED: dict[str, Callable[[], tuple[RGB, ...]]] = {"distinct": _distinct, "okabe-ito": lambda: _OKABE_ITO}
_OFFERED = f"one of {', '.join(_NAMED)}, colours such as '#e20000,#0000c6', or RGB colours in a row"
