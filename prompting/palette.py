"""The colour that belongs to an object id, and the text colour that can be read on it."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np

from grounding.core import UserError

RGB = tuple[int, int, int]

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


def id_colour(object_id: int) -> RGB:
    """The RGB colour of an id: distinct for ids 1 to 99, repeating after that, the same on every machine.

    Raises:
        UserError: If the id is not a whole number >= 1.
    """
    check_id(object_id)
    return _palette()[(int(object_id) - 1) % _COUNT]


def text_colour_on(rgb: RGB) -> RGB:
    """Black or white, whichever contrasts more; at least 4.58:1, for one of the two always does."""
    return max(WHITE, BLACK, key=lambda text: contrast(text, rgb))


def contrast(a: RGB, b: RGB) -> float:
    """WCAG 2 contrast ratio of two colours, in [1, 21]."""
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


def check_id(object_id: int) -> None:
    """Refuse what cannot be an object id.

    Raises:
        UserError: If the id is not a whole number >= 1.
    """
    if isinstance(object_id, bool) or not isinstance(object_id, (int, np.integer)) or object_id < 1:
        raise UserError(f"object ids must be whole numbers of 1 or more (0 means 'no object'), got {object_id!r}")


def _luminance(rgb: RGB) -> float:
    """Relative luminance in [0, 1], as WCAG 2 defines it."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@lru_cache(maxsize=1)
def _palette() -> tuple[RGB, ...]:
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
