"""Boxes of several views, and tracks from several of them, joined to the one object that most of them mean.

The paper trusts one box. Here every box is a vote. The object is followed from the best box of the most trusted
snippet; boxes that agree with where it goes vote for it. From the rest the next one is followed, a few times at most,
by turns of the snippets. Tracks that agree with each other are one object, seen twice perhaps. The object with most
votes is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from grounding.core import rle
from grounding.core.boxes import paired_box_iou
from grounding.ground3d.follow import Track, depth_under, follow
from grounding.ground3d.footage import Footage
from grounding.ground3d.seeds import Asked, seed_of
from grounding.ground3d.steps import Masks
from lift3d.cloud import back_project

AGREES = 0.5  # least IoU of a box with that of the mask on its view, and of two tracks' masks in mean; our default
LOOKED_AT = 5  # masks of a track that say where it is in 3D
APART = "the masks of several boxes have too little in common"
TRIM = 5, 95  # percentiles of their points, which leave out what a mask holds of the wall behind


def tracks_of(footage: Footage, asked: Sequence[Asked], masks: Masks, most: int) -> list[Track]:
    """Follow the object from its boxes, at most `most` times, and join the tracks that agree.

    Returns:
        What was followed, most votes first; of equal ones what was followed first.

    Raises:
        UserError: As `masks`.
    """
    left = [one for one in asked if one.box is not None]
    groups: list[list[Track]] = []
    turns: Counter[int] = Counter()  # how often an object was followed from a box of each snippet
    while left and turns.total() < most:
        turn = min((one.snippet for one in left), key=lambda snippet: (turns[snippet], snippet))
        turns[turn] += 1
        track = follow(footage, seed_of([one for one in left if one.snippet == turn], footage.size), masks)
        votes = [one for one in left if one in track.seeds or _agrees(one, track)]
        left = [one for one in left if one not in votes]
        track = replace(track, votes=tuple(votes))
        group = next((one for one in groups if _same(footage, one[0], track)), None)
        if group is None:
            groups.append(group := [])
        group.append(track)
    return sorted(map(joined, groups), key=lambda track: -len(track.votes))


def _agrees(asked: Asked, track: Track) -> bool:
    mask = track.masks.get(asked.view)
    if mask is None:
        return False
    return bool(paired_box_iou(rle.boxes([mask], track.size), np.array([asked.box]))[0] >= AGREES)


def _same(footage: Footage, one: Track, other: Track) -> bool:
    """Whether two tracks are of one object: by the views that both have a mask on, else by where they are in 3D."""
    if shared := one.masks.keys() & other.masks.keys():
        return mean_iou(one, other, shared) >= AGREES
    return bool(one.masks and other.masks) and _meet(_bounds(footage, one), _bounds(footage, other))


def mean_iou(one: Track, other: Track, views: Collection[int]) -> float:
    """Mean IoU of the masks of two tracks on some views, at least one."""
    ious = []
    for view in views:
        a, b = one.masks[view], other.masks[view]
        both = rle.shared(a, b, one.size)
        ious.append(both / (int(rle.areas([a, b], one.size).sum()) - both))
    return float(np.mean(ious))


def _bounds(footage: Footage, track: Track) -> np.ndarray:
    """Low and high corner of the points under some masks of a track, metres, (2, 3)."""
    views = list(track.masks)
    places = np.unique(np.linspace(0, len(views) - 1, min(LOOKED_AT, len(views))).round().astype(int))
    points = []
    for view in (views[place] for place in places):
        mask = rle.decode(track.masks[view], track.size)
        points.append(back_project(footage.scene.views[view], depth_under(footage, view, mask))[0])
    return np.percentile(np.concatenate(points), TRIM, axis=0)


def _meet(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the middle of each of two boxes, (2, 3), lies in the other: seen from two sides, an object differs."""
    pairs = ((one.mean(axis=0), other), (other.mean(axis=0), one))
    return all(bool(((low <= middle) & (middle <= high)).all()) for middle, (low, high) in pairs)


def joined(tracks: Sequence[Track]) -> Track:
    """One track of several: a pixel is in it if at least half of the tracks with a mask on its view have it."""
    size = tracks[0].size
    masks, rejected = {}, {view: why for track in tracks[::-1] for view, why in track.rejected.items()}
    for view in sorted({view for track in tracks for view in track.masks}):
        given = [rle.decode(track.masks[view], size) for track in tracks if view in track.masks]
        rejected.pop(view, None)
        whole = 2 * np.sum(given, axis=0) >= len(given)
        if whole.any():
            masks[view] = rle.encode(whole)
        else:
            rejected[view] = APART
    seeds = tuple(seed for track in tracks for seed in track.seeds)
    votes = tuple(vote for track in tracks for vote in track.votes)
    return Track(size, masks, dict(sorted(rejected.items())), seeds, votes)
