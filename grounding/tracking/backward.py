"""The second pass: objects found late are followed back to where they came into sight, within bounds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from grounding.core import rle
from grounding.core.video import VideoInfo
from grounding.tracking.associate import Region, judge
from grounding.tracking.frames import backwards
from grounding.tracking.interfaces import Tracker
from grounding.tracking.options import TrackingOptions


@dataclass(frozen=True)
class Seen:
    """All masks so far.

    Args:
        size: (height, width) of the video.
        masks: By id and frame, compressed.
        labels: What each id is.
    """

    size: tuple[int, int]
    masks: dict[int, dict[int, bytes]] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)

    def add(self, track_id: int, frame: int, region: Region) -> None:
        """Note where an object is on a frame."""
        self.masks.setdefault(track_id, {})[frame] = rle.encode(region.mask)
        self.labels[track_id] = region.label

    def last(self, track_id: int) -> int:
        """The latest frame with a mask of the object; -1 if there is none."""
        return max(self.masks.get(track_id, {}), default=-1)

    def region(self, track_id: int, frame: int) -> Region:
        """Where an object is on a frame.

        Raises:
            KeyError: If it has no mask there.
        """
        return Region(rle.decode(self.masks[track_id][frame], self.size), self.labels[track_id])

    def others(self, track_id: int, frame: int) -> dict[int, Region]:
        """All other objects of a frame."""
        return {i: self.region(i, frame) for i, at in self.masks.items() if i != track_id and frame in at}


@dataclass(frozen=True)
class Birth:
    """An object joined at a frame and may be followed back.

    Args:
        id: Whose.
        frame: Where it joined; its mask there is known.
        earliest: Last frame to go back to; at `frame` itself there is nothing to do.
    """

    id: int
    frame: int
    earliest: int


def carry_back(info: VideoInfo, births: list[Birth], seen: Seen, tracker: Tracker, options: TrackingOptions) -> int:
    """Follow all births back in one pass from the end of the video to its start, and add their masks.

    Each frame between a birth and its `earliest` is shown once, however many objects are followed over it. An object
    is let go where it is out of sight, or where its mask falls on an object that was followed there already.

    Args:
        info: The video.
        births: Who joined where.
        seen: What the forward pass found; masks are added to it.
        tracker: An empty one.
        options: The numbers that steer it.

    Returns:
        How many births were not followed back, for `max_objects` left no room.
    """
    at: dict[int, list[Birth]] = defaultdict(list)
    for birth in births:
        if birth.earliest < birth.frame:
            at[birth.frame].append(birth)
    wanted = sorted({t for group in at.values() for b in group for t in range(b.earliest, b.frame + 1)})
    live: dict[int, Birth] = {}
    left = 0
    for frame, picture in backwards(info, wanted):
        newborn = at.get(frame, [])
        if not live and not newborn:
            continue  # whoever might have needed this frame is let go already
        tracker.show(frame, picture, reverse=True)
        _step_back(frame, live, seen, tracker, options)
        room = options.max_objects - len(live)
        left += len(newborn[room:])
        for birth in newborn[:room]:
            region = seen.region(birth.id, frame)
            tracker.start(birth.id, region.box, region.mask)
            live[birth.id] = birth
        for track_id in [i for i, birth in live.items() if birth.earliest >= frame]:
            _let_go(track_id, live, tracker)
    return left


def _step_back(frame: int, live: dict[int, Birth], seen: Seen, tracker: Tracker, options: TrackingOptions) -> None:
    ids = sorted(live)
    found = tracker.follow(ids) if ids else []
    for track_id, mask in zip(ids, found, strict=True):
        region = Region(mask, seen.labels[track_id])
        if region.area >= options.smallest and _is_its_own(region, seen.others(track_id, frame), options):
            seen.add(track_id, frame, region)
        else:
            _let_go(track_id, live, tracker)


def _is_its_own(region: Region, others: dict[int, Region], options: TrackingOptions) -> bool:
    return judge(region, others, options.duplicate_iou, options.containment).kind == "new"


def _let_go(track_id: int, live: dict[int, Birth], tracker: Tracker) -> None:
    del live[track_id]
    tracker.drop(track_id)
