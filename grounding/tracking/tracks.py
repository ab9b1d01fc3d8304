"""The objects of one video while it is tracked: who is followed, who is in sight, who is away."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from grounding.tracking.associate import Region
from grounding.tracking.interfaces import Tracker
from grounding.tracking.options import TrackingOptions


@dataclass(eq=False)
class Newcomer:
    """An object that the tracker has begun to follow and that has no id yet."""

    key: int
    region: Region
    look: np.ndarray

    @property
    def label(self) -> str:
        """What it is."""
        return self.region.label


@dataclass(eq=False)
class Track:
    """One object.

    Args:
        id: Its number in the result, from 1.
        label: What the detector calls it.
        look: Unit embedding, shape (C,).
        seen: When it was in sight last, seconds.
        key: What the tracker knows it by; None while it does not follow it.
    """

    id: int
    label: str
    look: np.ndarray
    seen: float
    key: int | None


class Tracks:
    """All objects so far. Only those with a key cost memory in the tracker, at most `max_objects`.

    Args:
        tracker: Follows them.
        options: The numbers that steer it.
    """

    def __init__(self, tracker: Tracker, options: TrackingOptions) -> None:
        self.tracker, self.options = tracker, options
        self.all: dict[int, Track] = {}
        self.visible: dict[int, Region] = {}  # on the current frame
        self._keys = itertools.count(1)

    def follow(self, time: float) -> None:
        """Take the masks of the current frame; stop following what has been out of sight for too long."""
        live = [track for track in self.all.values() if track.key is not None]
        masks = self.tracker.follow([track.key for track in live if track.key is not None]) if live else []
        self.visible = {}
        for track, mask in zip(live, masks, strict=True):
            if np.count_nonzero(mask) >= self.options.smallest:
                self.visible[track.id] = Region(mask, track.label)
                track.seen = time
            elif time - track.seen > self.options.patience:
                self.end(track.id)

    def room(self, reserved: int) -> bool:
        """Whether one more can be followed when `reserved` newcomers are waiting."""
        return sum(track.key is not None for track in self.all.values()) + reserved < self.options.max_objects

    def try_start(self, box: np.ndarray, mask: np.ndarray | None, label: str) -> Newcomer | None:
        """Have the tracker begin on the current frame; None if it sees nothing there."""
        key = next(self._keys)
        region = Region(self.tracker.start(key, box, mask), label)
        if region.area < self.options.smallest:
            self.tracker.drop(key)
            return None
        return Newcomer(key, region, self.tracker.embedding(region.mask))

    def add(self, new: Newcomer, time: float) -> Track:
        """Give a newcomer the next id."""
        track = Track(len(self.all) + 1, new.label, new.look, time, new.key)
        self.all[track.id] = track
        self.visible[track.id] = new.region
        return track

    def bring_back(self, track_id: int, new: Newcomer, time: float) -> Track:
        """Give a newcomer the id of an object that was away."""
        self.replace(track_id, new)
        self.all[track_id].seen = time
        return self.all[track_id]

    def replace(self, track_id: int, new: Newcomer) -> None:
        """Let a track go on with what the newcomer's key and mask say."""
        self.end(track_id)
        track = self.all[track_id]
        track.key, track.look = new.key, new.look
        self.visible[track_id] = new.region

    def remember_look(self, track_id: int) -> None:
        """Mix how it looks now into how it looked, where the detector has just confirmed it."""
        mixed = self.all[track_id].look + self.tracker.embedding(self.visible[track_id].mask)
        length = float(np.linalg.norm(mixed))
        if length > 0:
            self.all[track_id].look = mixed / length

    def away(self) -> list[Track]:
        """Those out of sight on the current frame."""
        return [track for track in self.all.values() if track.id not in self.visible]

    def end(self, track_id: int) -> None:
        """Stop following one; it is out of sight from the current frame on, until it comes back."""
        track = self.all[track_id]
        if track.key is not None:
            self.tracker.drop(track.key)
        track.key = None
        self.visible.pop(track_id, None)

    def end_all(self) -> None:
        """Stop following all."""
        for track_id in self.all:
            self.end(track_id)
