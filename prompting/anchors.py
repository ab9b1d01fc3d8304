"""Where on an object its mark goes."""

from __future__ import annotations

import cv2
import numpy as np

TIE = 1e-3  # pixels; depths closer than this count as equal


def anchor(mask: np.ndarray) -> tuple[float, float] | None:
    """The middle of the mask's pixel that lies deepest inside: the pole of inaccessibility.

    Of pixels equally deep, the one nearest to their mean is taken (a long bar is marked in its middle, not at an
    end), and of those equally near, the first in reading order. What lies outside the picture counts as outside
    the mask.

    Args:
        mask: bool (h, w).

    Returns:
        (x, y) in pixels of the mask, pixel middles at .5; None for an empty mask.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    # The depth needs only the box around the object: beyond it nothing belongs to the mask.
    top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    framed = np.zeros((bottom - top + 2, right - left + 2), np.uint8)
    framed[1:-1, 1:-1] = mask[top:bottom, left:right]
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Rounding in the transform must not decide between equals.
    y, x = np.nonzero(depth > depth.max() - TIE)
    nearest = ((y - y.mean()) ** 2 + (x - x.mean()) ** 2).argmin()
    return left + float(x[nearest]) - 0.5, top + float(y[nearest]) - 0.5
