"""From a frame as it is stored to one as it is shown: turned by quarters and mirrored, as phones write it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np


class Upright(NamedTuple):
    """What brings a stored frame to how it is shown.

    Args:
        turns: Quarter turns counter-clockwise, 0 to 3.
        mirrored: Whether left and right change places before.
    """

    turns: int = 0
    mirrored: bool = False

    def shown(self, pixels: np.ndarray) -> np.ndarray:
        """A stored picture (H, W, 3) as it is shown."""
        return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if self.mirrored else pixels, self.turns))

    def size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the shown picture, from those of the stored one."""
        return (width, height) if self.turns % 2 else (height, width)


def upright(frame: Any) -> Upright:
    """How a frame of PyAV is shown, from its display matrix; angles between quarters go to the nearest."""
    try:
        found = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # beside data of a kind that PyAV does not know it finds none
        return Upright(round(frame.rotation / 90) % 4)
    if found is None:
        return Upright()
    # x' = a x + c y, y' = b x + d y, with y downwards; both columns in three numbers, the third for perspective
    a, b, _, c, d = np.frombuffer(found, np.int32)[:5].astype(float).tolist()
    mirrored = a * d - b * c < 0
    clockwise = math.degrees(math.atan2(-b, -a) if mirrored else math.atan2(b, a))
    return Upright(round(-clockwise / 90) % 4, mirrored)
