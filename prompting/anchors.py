"""Where on an object its mark goes: the point that lies deepest inside."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from prompting.sampling import Sampled, sample_dense

TIE = 1e-3  # cells; depths closer than this count as equal
LOYALTY = 0.35  # depth that may be given up to stay near the last frame's point, of the greatest depth


class Pole(NamedTuple):
    """The middle of a disc inside an object.

    Args:
        x: Pixels of the mask, pixel middles at .5.
        y: Likewise.
        radius: Of the disc in pixels, > 0.
    """

    x: float
    y: float
    radius: float


def anchor(mask: np.ndarray) -> tuple[float, float] | None:
    """The middle of the mask's pixel that lies deepest inside: the pole of inaccessibility.

    Args:
        mask: bool (h, w).

    Returns:
        (x, y) in pixels of the mask, pixel middles at .5; None for an empty mask.
    """
    found = pole(sample_dense(mask))
    return found and (found.x, found.y)


def pole(mask: Sampled, near: tuple[float, float] | None = None) -> Pole | None:
    """The point deepest inside an object, to a cell of its grid.

    Of cells equally deep, the one nearest to their mean is taken (a long bar is marked in its middle, not at an
    end), and of those equally near, the first in reading order. What lies outside the picture counts as outside
    the mask.

    Args:
        mask: The object.
        near: (x, y) of the object's point in the frame before: a cell up to `LOYALTY` less deep is taken if it is
            nearer, so that the mark does not jump from limb to limb.

    Returns:
        None for an empty mask.
    """
    if not mask.area:
        return None
    depth = cv2.distanceTransform(mask.cells, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    deepest = float(depth.max())
    # Rounding in the transform must not decide between equals.
    y, x = np.nonzero(depth > (deepest - TIE if near is None else (1 - LOYALTY) * deepest - TIE))
    if near is not None:
        away = np.hypot(x + (mask.origin[0] - near[0]) / mask.step, y + (mask.origin[1] - near[1]) / mask.step)
        worth = depth[y, x] - LOYALTY * np.minimum(away, deepest)
        best = worth > worth.max() - TIE
        y, x = y[best], x[best]
    chosen = ((y - y.mean()) ** 2 + (x - x.mean()) ** 2).argmin()
    row, column = int(y[chosen]), int(x[chosen])
    radius = (float(depth[row, column]) - 0.5) * mask.step
    return Pole(mask.origin[0] + column * mask.step, mask.origin[1] + row * mask.step, radius)
