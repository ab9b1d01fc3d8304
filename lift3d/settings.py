"""The thresholds of the lift, and what they may be."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from grounding.core import UserError
from lift3d.visibility import Tolerance

_LIMITS = {
    "border": (0, 100),
    "bleed": (0, 100),
    "edge": (0.001, 1000),
    "min_ratio": (0.001, 1),
    "min_hits": (1, math.inf),
    "min_views": (1, math.inf),
    "min_points": (1, math.inf),
    "voxel": (0.0001, 10),
    "gap": (0.001, 1000),
    "min_share": (0, 1),
}


@dataclass(frozen=True)
class Settings:
    """What counts as seen, as one object and as found.

    Args:
        tolerance: How far a point may lie from the depth of its pixel and still be seen.
        border: Pixels at the rim of a mask that count little, because masks are off by some; 0 or more.
        bleed: Pixels at the rim of a mask that are left out where the depth jumps on the way there; 0 leaves all in.
        edge: Share by which depths of neighbouring pixels differ where one surface ends; such pixels count little, and
            those that float between two surfaces are not in the cloud.
        min_ratio: Share of the views that see a point which must put it into the object, in (0, 1].
        min_hits: Least number of views that put a point into the object. 1 keeps what only one view sees.
        min_views: Least number of views of an object.
        min_points: Least number of points of an object.
        voxel: Side of a voxel in metres, where the depth becomes a cloud or a mesh. None: as wide as a pixel sees for a
            cloud, as four pixels see (at most 2 cm) for a tsdf mesh.
        gap: Distance in metres from which parts of an object count as separate.
        min_share: Separate parts smaller than this share of the largest are left out.
        superpoints: Give whole superpoints to an object, if the scene has them.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    border: int = 3
    bleed: int = 8
    edge: float = 0.05
    min_ratio: float = 0.5
    min_hits: int = 1
    min_views: int = 2
    min_points: int = 10
    voxel: float | None = None
    gap: float = 0.05
    min_share: float = 0.2
    superpoints: bool = False

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UserError(f"{name} must be from {low:g} to {high:g}, got {value}")
