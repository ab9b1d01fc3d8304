"""Masklets: per object id, its mask (or nothing) in every source frame of a video; and their file.

File `*.masklets.json`, `schema_version` 1:

    {"schema_version": 1, "size": [height, width], "fps": 24.0, "pts": [0.0, 0.0417, ...],
     "tracks": {"1": ["<COCO counts>" or null, one a frame ...], ...}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import rle
from grounding.core.checks import LARGEST, shown, whole_text, within
from grounding.core.errors import UserError
from grounding.core.files import write_text
from grounding.core.intervals import Interval, frames_within, nearest_frames
from grounding.core.limits import check_frames, check_pixels
from grounding.core.reading import read_json
from grounding.core.regions import Region
from grounding.core.tubes import Tube

SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class Masklets:
    """The masks of all objects of one video.

    Args:
        size: (height, width) of the source frames in pixels.
        fps: Average frame rate, > 0.
        pts: Presentation time of every source frame in seconds, ascending, shape (T,), T >= 1.
        tracks: For each id (>= 1) one entry a source frame: compressed COCO counts, or None where it is not seen.

    Raises:
        UserError: If an id is none (`check_id`), a track's length differs from T, pts are not ascending, or size or T
            are beyond the limits.
    """

    size: tuple[int, int]
    fps: float
    pts: np.ndarray
    tracks: Mapping[int, tuple[bytes | None, ...]]
    _boxes: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        pts = np.array(self.pts, dtype=np.float64)
        if pts.ndim != 1 or len(pts) == 0 or not np.isfinite(pts).all() or (np.diff(pts) <= 0).any():
            raise UserError("masklets pts must be finite and strictly ascending, one a source frame, at least one")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise UserError(f"masklets fps must be a finite number > 0, got {self.fps}")
        check_pixels(self.size, "masklets: a frame")
        check_frames(len(pts), "masklets: the video")
        for object_id, track in self.tracks.items():
            check_id(object_id)
            if len(track) != len(pts):
                raise UserError(f"track {object_id} must have one entry a frame ({len(pts)}), got {len(track)}")
        pts.setflags(write=False)
        object.__setattr__(self, "pts", pts)

    @property
    def ids(self) -> list[int]:
        """All object ids, ascending."""
        return sorted(self.tracks)

    def frame_at(self, time: float) -> int:
        """Index of the source frame whose presentation time is nearest to `time` (seconds)."""
        return int(nearest_frames(self.pts, np.asarray(time)))

    def counts_at(self, frame: int) -> dict[int, bytes]:
        """Compressed masks of the objects seen in a source frame."""
        return {i: counts for i in self.ids if (counts := self.tracks[i][frame]) is not None}

    def masks_at(self, frame: int) -> dict[int, np.ndarray]:
        """Dense masks, bool (H, W), of the objects seen in a source frame."""
        return {i: rle.decode(counts, self.size) for i, counts in self.counts_at(frame).items()}

    def boxes(self, object_id: int) -> np.ndarray:
        """Tight xyxy boxes of one object on all source frames, shape (T, 4); NaN rows where it is not seen.

        Raises:
            KeyError: If there is no such id.
        """
        if object_id not in self._boxes:
            track = self.tracks[object_id]
            seen = [t for t, counts in enumerate(track) if counts]
            boxes = np.full((len(track), 4), np.nan)
            if seen:
                tight = rle.boxes([c for c in track if c], self.size)
                tight[rle.areas([c for c in track if c], self.size) == 0] = np.nan
                boxes[seen] = tight
            boxes.setflags(write=False)
            self._boxes[object_id] = boxes
        return self._boxes[object_id]

    def tube(self, object_id: int, interval: Interval) -> Tube:
        """The object's own boxes over the frames of the interval; empty rows stay empty, nothing is borrowed.

        Raises:
            UserError: If there is no such id.
        """
        frames = frames_within(interval, self.pts, self.fps)
        if object_id not in self.tracks:
            raise UserError(f"there is no object {object_id}; the ids are {shown(self.ids)}")
        return Tube(frames.start, self.boxes(object_id)[frames.start : frames.stop])

    def region(self, ids: Iterable[int]) -> Region:
        """The pixels of several objects taken together; an id that does not exist has none."""
        tracks = [self.tracks[i] for i in sorted(self.tracks.keys() & set(ids))]
        return Region.of(tracks, self.size, len(self.pts))


def check_id(object_id: int) -> None:
    """Refuse what can be no id of an object.

    Raises:
        UserError: If it is no whole number, below 1, or a million million or more.
    """
    is_whole = isinstance(object_id, (int, np.integer)) and not isinstance(object_id, bool)
    if not is_whole or not 1 <= object_id < LARGEST:
        what = "1 or more (0 means 'no object'), whole, and below 10^12"
        raise UserError(f"object ids must be {what}, got {shown(object_id)}")


def save_masklets(path: str | Path, masklets: Masklets, *, overwrite: bool = False) -> None:
    """Write a `*.masklets.json` file whole or not at all."""
    tracks = {str(i): [c and rle.to_json(c) for c in masklets.tracks[i]] for i in masklets.ids}
    value = {
        "schema_version": SCHEMA_VERSION,
        "size": list(masklets.size),
        "fps": masklets.fps,
        "pts": masklets.pts.tolist(),
        "tracks": tracks,
    }
    write_text(path, json.dumps(value, allow_nan=False) + "\n", overwrite=overwrite)


def load_masklets(path: str | Path) -> Masklets:
    """Read a `*.masklets.json` file, checking every mask.

    Raises:
        UserError: Naming the file, the track and the frame of the first thing that is not as documented above.
    """
    value = read_json(path, "masklets")
    with within(f"masklets {path}"):
        return _from_json(value)


def _from_json(value: Any) -> Masklets:
    if not isinstance(value, dict) or value.get("schema_version") != SCHEMA_VERSION:
        version = value.get("schema_version") if isinstance(value, dict) else type(value).__name__
        raise UserError(f"expected an object with schema_version {SCHEMA_VERSION}, got {str(version)[:40]}")
    size, fps, pts, tracks = (value.get(key) for key in ("size", "fps", "pts", "tracks"))
    if not (isinstance(size, list) and len(size) == 2 and all(type(n) is int and n > 0 for n in size)):
        raise UserError(f"size must be [height, width], got {shown(size)}")
    if fps is None or not isinstance(pts, list) or not all(_is_number(t) for t in [fps, *pts]):
        raise UserError("fps must be a number and pts a list of seconds")
    if not isinstance(tracks, dict):
        raise UserError(f"tracks must be an object of id: masks, got {type(tracks).__name__}")
    read = dict(_read_track(name, masks, size) for name, masks in tracks.items())
    return Masklets((size[0], size[1]), fps, np.array(pts, float), read)


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 1 << 53)


def _read_track(name: str, masks: Any, size: list[int]) -> tuple[int, tuple[bytes | None, ...]]:
    object_id = whole_text(name, "the id of a track", least=1)
    if str(object_id) != name:
        raise UserError(f"the id of a track has zeros in front: {name!r}; write {object_id}")
    if not isinstance(masks, list):
        raise UserError(f"track {name} must be a list of masks, one a frame, got {shown(masks)}")
    read: list[bytes | None] = []
    for frame, mask in enumerate(masks):
        with within(f"track {name}, frame {frame}"):
            read.append(None if mask is None else rle.from_json(mask, (size[0], size[1])))
    return object_id, tuple(read)
