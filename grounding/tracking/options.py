"""The numbers that steer tracking, checked once."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from grounding.core import UserError


@dataclass(frozen=True)
class TrackingOptions:
    """How detections become tracks. All shares and similarities are in [0, 1].

    Args:
        every: Seconds between two frames on which the detector looks; also after each cut.
        backward: Seconds that an object found late is followed back; 0 switches the second pass off.
        patience: Seconds that an object out of sight is still looked for by the tracker itself.
        match_iou: Least IoU of a detection's box with a track's for them to be one object.
        duplicate_iou: Least IoU of two masks for them to be one object.
        containment: Least share of a mask inside another of the same label for it to be a part of that one.
        reentry: Whether an object that comes back gets its old id if it looks the same.
        similarity: Least cosine of two appearances for them to be one object.
        cuts: Whether scene cuts end all tracks (ids go on through reentry).
        cut_difference: Least mean shift of the picture's colours, in [0, 1], for a cut.
        smallest: Fewest pixels of a mask; smaller ones count as not seen.
        max_objects: Most objects followed at a time; bounds memory.

    Raises:
        UserError: If a number is outside its range.
    """

    every: float = 0.5
    backward: float = 2.0
    patience: float = 2.0
    match_iou: float = 0.5
    duplicate_iou: float = 0.6
    containment: float = 0.8
    reentry: bool = True
    similarity: float = 0.8
    cuts: bool = True
    cut_difference: float = 0.1
    smallest: int = 16
    max_objects: int = 50

    def __post_init__(self) -> None:
        for name in ("match_iou", "duplicate_iou", "containment", "similarity", "cut_difference"):
            self._check(name, 0 < getattr(self, name) <= 1, "more than 0 and at most 1")
        for name in ("backward", "patience"):
            self._check(name, getattr(self, name) >= 0, "0 or more seconds")
        self._check("every", self.every > 0, "more than 0 seconds")
        for name in ("smallest", "max_objects"):
            self._check(name, getattr(self, name) >= 1, "1 or more")
        for field in fields(self):
            self._check(field.name, math.isfinite(getattr(self, field.name)), "finite")

    def _check(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise UserError(f"{name} must be {wanted}, got {getattr(self, name)!r}")
