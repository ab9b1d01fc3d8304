"""The colour that belongs to an object id, the same wherever the object is drawn."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np

from grounding.core.masklets import check_id

RGB = tuple[int, int, int]

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
    return distinct()[(int(object_id) - 1) % _COUNT]


@lru_cache(maxsize=1)
def distinct() -> tuple[RGB, ...]:
    """The colours of ids 1 to 99: nine, then each time that of a coarse RGB cube farthest from all before it."""
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
