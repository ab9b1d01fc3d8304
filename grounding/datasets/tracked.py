"""Whose IDs are the truth, where annotators drew masks and other masklets are shown: a tracker's, with its own IDs."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from grounding.core import rle
from grounding.core.masklets import Masklets
from grounding.core.regions import Region

_SLACK = 1e-9


def nearest_ids(truth: Region, masklets: Masklets) -> frozenset[int]:
    """The IDs whose masks together have the largest mean IoU with a region: no better set is one ID larger or smaller.

    Args:
        truth: The true masks, of the same video.
        masklets: What is shown.

    Returns:
        Empty where no masklet overlaps the region.
    """
    true = [rle.union(frame, truth.size) for frame in truth.frames]
    near = [i for i in masklets.ids if _shares(masklets, i, true)]
    chosen: frozenset[int] = frozenset()
    best = _mean_iou(chosen, masklets, true)
    while True:
        ious = {one: _mean_iou(chosen ^ {one}, masklets, true) for one in near}
        one = max(near, key=lambda i: ious[i], default=0)
        if not near or ious[one] <= best + _SLACK:
            return chosen
        chosen, best = chosen ^ {one}, ious[one]


def _shares(masklets: Masklets, object_id: int, true: list[bytes]) -> bool:
    frames = zip(masklets.tracks[object_id], true, strict=True)
    return any(mask is not None and rle.shared(mask, other, masklets.size) for mask, other in frames)


def _mean_iou(ids: Collection[int], masklets: Masklets, true: list[bytes]) -> float:
    """Mean over the frames; 1 where nothing is said and nothing is."""
    size, frames = masklets.size, masklets.region(ids).frames
    said = [rle.union(frame, size) for frame in frames]
    shared = np.array([rle.shared(one, other, size) for one, other in zip(said, true, strict=True)])
    either = rle.areas(said, size) + rle.areas(true, size) - shared
    return float(np.where(either > 0, shared / np.maximum(either, 1), 1.0).mean())
