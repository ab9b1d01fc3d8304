"""The object followed from one view to others, and which of its masks cannot be right.

The rules are our defaults; the paper gives none. A mask is left out if it is smaller than `SMALLEST` of the picture
(100 pixels of 640 x 480, and as large a share of other sizes), or than `SHARE` of the mask that it was followed from;
if no depth lies under it; or if its median depth differs by more than `JUMP` metres from those of both neighbours, the
camera's own way from one view to the next taken out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from grounding.core import UserError, rle
from grounding.ground3d.footage import Footage
from grounding.ground3d.seeds import Asked
from grounding.ground3d.steps import Box, Masks
from grounding.tracking.interfaces import Tracker
from lift3d.labels import resized

SMALLEST = 100 / (640 * 480)  # of the picture
SHARE = 0.02  # of the area of the mask on the seed
JUMP = 0.5  # metres
ROUNDING = 1e-9  # seconds
NOT_SEEN = "the tracker does not see the object"
UNREADABLE = "the picture cannot be read"
NO_DEPTH = "no depth under the mask"  # begins the reason


@dataclass(frozen=True)
class TrackedMasks:
    """`Steps.masks` made of a tracker: from the box forwards to the last view, then backwards to the first.

    Args:
        tracker: Any; it is reset for each direction.
        patience: Seconds without the object after which a direction ends, which bounds the reach; our default.

    Raises:
        UserError: If `patience` is no number of seconds.
    """

    tracker: Tracker
    patience: float = 2.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.patience) and self.patience >= 0):
            raise UserError(f"patience must be a finite number of seconds, 0 or more, got {self.patience}")

    def __call__(self, footage: Footage, view: int, box: Box) -> Iterator[tuple[int, np.ndarray | None]]:
        """Masks of the object, one at a time; None for a picture that cannot be read.

        Raises:
            UserError: If the picture of the box cannot be read.
        """
        mask = self._start(footage, view, box, None)
        yield view, mask
        if mask.any():
            yield from self._onwards(footage, view, range(view + 1, len(footage)))
            self._start(footage, view, box, mask, reverse=True)
            yield from self._onwards(footage, view, range(view - 1, -1, -1))
        self.tracker.reset()

    def _start(
        self, footage: Footage, view: int, box: Box, mask: np.ndarray | None, *, reverse: bool = False
    ) -> np.ndarray:
        self.tracker.reset()
        self.tracker.show(view, footage.picture(view), reverse=reverse)
        return self.tracker.start(1, np.array(box), mask)

    def _onwards(self, footage: Footage, last: int, views: range) -> Iterator[tuple[int, np.ndarray | None]]:
        """From where the object was seen `last`, until it was not for too long; the next view is always looked at."""
        for view in views:
            away = abs(float(footage.times[view] - footage.times[last]))
            if away > self.patience + ROUNDING and view - views.step != last:
                return
            try:
                picture = footage.picture(view)
            except UserError:
                yield view, None
                continue
            self.tracker.show(view, picture, reverse=views.step < 0)
            (mask,) = self.tracker.follow([1])
            yield view, mask
            if mask.any():
                last = view


@dataclass(frozen=True, eq=False)
class Track:
    """Where an object is, as followed from one view or joined from several.

    Args:
        size: (height, width) of the masks.
        masks: By view in their order, compressed (`grounding.core.rle`).
        rejected: By view in their order, why its mask was left out.
        seeds: The boxes that it was followed from.
        votes: The boxes that agree with it, those of the seeds included.
    """

    size: tuple[int, int]
    masks: dict[int, bytes]
    rejected: dict[int, str] = field(default_factory=dict)
    seeds: tuple[Asked, ...] = ()
    votes: tuple[Asked, ...] = ()


def follow(footage: Footage, seed: Asked, masks: Masks) -> Track:
    """Follow the object in the box of a seed, and leave out the masks that cannot be right.

    Raises:
        UserError: As `masks`.
    """
    assert seed.box is not None
    kept: dict[int, bytes] = {}
    rejected: dict[int, str] = {}
    middles: dict[int, np.ndarray] = {}
    seed_area = 0
    for view, mask in masks(footage, seed.view, seed.box):
        if mask is None:
            rejected[view] = UNREADABLE
            continue
        area = int(np.count_nonzero(mask))
        seed_area = area if view == seed.view else seed_area
        reason = _too_small(area, seed_area, footage.size)
        if not reason:
            middles[view], reason = _middle(footage, view, mask)
        if reason:
            rejected[view] = reason
        else:
            kept[view] = rle.encode(mask)
    for view, reason in _jumps(footage, {view: middles[view] for view in sorted(kept)}).items():
        del kept[view]
        rejected[view] = reason
    return Track(footage.size, dict(sorted(kept.items())), dict(sorted(rejected.items())), (seed,))


def _too_small(area: int, seed_area: int, size: tuple[int, int]) -> str:
    least = SMALLEST * size[0] * size[1]
    if area == 0:
        return NOT_SEEN
    if area < least:
        return f"the mask has {area} pixels, fewer than {least:.0f}"
    if area < SHARE * seed_area:
        return f"the mask has {area} pixels, fewer than {SHARE:.0%} of the {seed_area} on the seed"
    return ""


def _middle(footage: Footage, view: int, mask: np.ndarray) -> tuple[np.ndarray, str]:
    """The middle of a mask at its median depth, in metres before the camera, (3,); and why there is none, or ""."""
    try:
        depth = depth_under(footage, view, mask)
    except UserError as error:
        return np.zeros(3), f"{NO_DEPTH}: {error}"
    rows, columns = np.nonzero(depth)
    if not len(rows):
        return np.zeros(3), NO_DEPTH
    ray = np.linalg.solve(footage.scene.views[view].intrinsics, [columns.mean(), rows.mean(), 1.0])
    return ray * float(np.median(depth[rows, columns])), ""


def depth_under(footage: Footage, view: int, mask: np.ndarray) -> np.ndarray:
    """The depth of a view, metres, 0 where the mask is not.

    Raises:
        UserError: If it cannot be read, or has another shape of picture than the mask.
    """
    depth = footage.depth(view)
    return depth * (resized(mask.astype(np.uint16), (depth.shape[0], depth.shape[1])) > 0)


def _jumps(footage: Footage, middles: dict[int, np.ndarray]) -> dict[int, str]:
    """Views whose depth is far from that of the masks before and after, and what to say of them."""
    views, found = list(middles), {}
    for before, view, after in zip(views, views[1:], views[2:], strict=False):
        own = float(middles[view][2])
        beside = [_depth_from(footage, view, other, middles[other]) for other in (before, after)]
        if min(abs(own - one) for one in beside) > JUMP:
            told = " and ".join(f"{one:.2f}" for one in beside)
            found[view] = f"the mask is {own:.2f} m away; by the views beside it, it should be {told} m"
    return found


def _depth_from(footage: Footage, view: int, other: int, middle: np.ndarray) -> float:
    """How far from one view is what another one has at a place before its camera, (3,); metres."""
    poses = [footage.scene.views[one].pose for one in (view, other)]
    placed = poses[1][:3, :3] @ middle + poses[1][:3, 3]
    return float(np.linalg.inv(poses[0])[2, :3] @ placed + np.linalg.inv(poses[0])[2, 3])
