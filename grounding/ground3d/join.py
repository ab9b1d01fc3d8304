"""Boxes of several views, and tracks from several of them, joined to the one object that most of them mean.

The paper trusts one box. Here every box is a vote. The object is followed from the best box; boxes that agree with
where it goes vote for it. From the rest, if they could outvote it, the next one is followed, a few times at most.
Tracks that agree with each other are one object, and the object with most votes is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from grounding.core import rle
from grounding.core.boxes import paired_box_iou
from grounding.ground3d.follow import Track, follow
from grounding.ground3d.footage import Footage
from grounding.ground3d.seeds import Asked, seed_of
from grounding.ground3d.steps import Box

AGREES = 0.5  # least IoU of a box with that of the mask on its view, and of two tracks' masks in mean; our default


def tracks_of(
    footage: Footage,
    asked: Sequence[Asked],
    masks: Callable[[Footage, int, Box], Iterable[tuple[int, np.ndarray]]],
    most: int,
) -> list[Track]:
    """Follow the object from the boxes, at most `most` times; groups of tracks that agree, most votes first.

    Raises:
        UserError: As `masks`.
    """
    left = [one for one in asked if one.box is not None]
    groups: list[list[Track]] = []
    for _ in range(most):
        if len(left) <= max(map(_votes, groups), default=0):
            break
        track = follow(footage, seed_of(left, footage.size), masks)
        votes = [one for one in left if one in track.seeds or _agrees(one, track)]
        left = [one for one in left if one not in votes]
        track = replace(track, votes=tuple(votes))
        group = next((one for one in groups if mean_iou(one[0], track) >= AGREES), None)
        if group is None:
            groups.append(group := [])
        group.append(track)
    return [joined(group) for group in sorted(groups, key=_votes, reverse=True)]


def _votes(group: Sequence[Track]) -> int:
    return sum(len(track.votes) for track in group)


def _agrees(asked: Asked, track: Track) -> bool:
    mask = track.masks.get(asked.view)
    if mask is None:
        return False
    return bool(paired_box_iou(rle.boxes([mask], track.size), np.array([asked.box]))[0] >= AGREES)


def mean_iou(one: Track, other: Track) -> float:
    """Mean IoU of the masks of two tracks over the views on which both have one; 0 if there is none."""
    ious = []
    for view in one.masks.keys() & other.masks.keys():
        a, b = one.masks[view], other.masks[view]
        both = rle.shared(a, b, one.size)
        ious.append(both / (int(rle.areas([a, b], one.size).sum()) - both))
    return float(np.mean(ious)) if ious else 0.0


def joined(tracks: Sequence[Track]) -> Track:
    """One track of several: a pixel is in it if at least half of the tracks with a mask on its view have it.

    A view that only some tracks have a mask on is judged by those alone.
    """
    size = tracks[0].size
    masks = {}
    for view in sorted({view for track in tracks for view in track.masks}):
        given = [rle.decode(track.masks[view], size) for track in tracks if view in track.masks]
        masks[view] = rle.encode(2 * np.sum(given, axis=0) >= len(given))
    rejected = {view: why for track in tracks[::-1] for view, why in track.rejected.items() if view not in masks}
    seeds = tuple(seed for track in tracks for seed in track.seeds)
    votes = tuple(vote for track in tracks for vote in track.votes)
    return Track(size, masks, dict(sorted(rejected.items())), seeds, votes)
