"""Whose IDs are the truth, where annotators drew masks and other masklets are shown: a tracker's, with its own IDs."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from grounding.core import rle
from grounding.core.masklets import Masklets
from grounding.core.regions import Region

_SLACK = 1e-9


def nearest_ids(truth: Region, masklets: Masklets) -> frozenset[int]:
    """The IDs whose masks together have the largest mean IoU with a region.

    Found step by step: no set with one ID more, one less, or another one in place of one is better.

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
        steps = [{one} for one in near] + [{one, other} for one in chosen for other in near if other not in chosen]
        ious = [_mean_iou(chosen ^ step, masklets, true) for step in steps]
        if max(ious, default=0.0) <= best + _SLACK:
            return chosen
        best = max(ious)
        chosen ^= steps[ious.index(best)]


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
