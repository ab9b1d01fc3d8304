"""From detections to `Masklets` in one pass over the video, and a second, bounded one backwards.

Forwards, every frame is shown to the tracker once and all followed objects are taken from it. At keyframes, and where
a scene begins, detections that are no track yet join; nothing that runs already is run again. An object that
joined late is then followed backwards (`backward.py`). So a video of T frames costs at most 2 T encoded frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grounding.core import Masklets, UserError
from grounding.core.video import VideoInfo, probe
from grounding.tracking.associate import drifted, judge, match_boxes, match_looks, unrepeated
from grounding.tracking.backward import Birth, Seen, carry_back
from grounding.tracking.cuts import with_cuts
from grounding.tracking.frames import forwards
from grounding.tracking.interfaces import Detections, Detector, Tracker
from grounding.tracking.options import TrackingOptions
from grounding.tracking.tracks import Newcomer, Track, Tracks

Show = Callable[[Iterable[tuple[int, np.ndarray, bool]], int], Iterable[tuple[int, np.ndarray, bool]]]


@dataclass
class Report:
    """What happened on the way.

    Args:
        frames: Frames of the video.
        forward_passes: Frames encoded by the tracker going forwards, at most `frames`.
        backward_passes: The same going backwards.
        keyframes: Frames on which the detector looked.
        cuts: Frames with which a new scene begins.
        duplicates: Detections that turned out to be an object followed already, or to have no mask.
        returns: How often an object that came back kept its id.
        refused: Detections for which `max_objects` left no room.
        not_carried: Objects found late that were not followed back, for the same reason.
        damaged: Frames that cannot be decoded; nothing is seen on them.
    """

    frames: int
    forward_passes: int = 0
    backward_passes: int = 0
    keyframes: int = 0
    cuts: tuple[int, ...] = ()
    duplicates: int = 0
    returns: int = 0
    refused: int = 0
    not_carried: int = 0
    damaged: int = 0


def track_video(
    video: str | Path,
    detector: Detector,
    tracker: Tracker,
    options: TrackingOptions | None = None,
    show: Show = lambda frames, total: frames,
) -> tuple[Masklets, Report]:
    """Find and follow the objects of a video.

    Args:
        video: A video file.
        detector: Looks at keyframes.
        tracker: Follows; is reset first, and left empty.
        options: The numbers that steer it.
        show: Wraps the frames of the forward pass, told how many there are; for a progress bar.

    Returns:
        One track an object, ids from 1 in order of appearance; masks of different objects may overlap.

    Raises:
        UserError: If the video cannot be read, or the detector knows about frames beyond its end.
    """
    info = probe(video)
    last = max(detector.frames or [0])
    if last >= info.frame_count:
        raise UserError(f"{video} has frames 0 to {info.frame_count - 1}, but boxes are given for frame {last}")
    run = _Run(info, detector, tracker, options or TrackingOptions())
    try:
        run.forward(show)
        run.backward()
    finally:
        tracker.reset()
    return run.masklets(), run.report


class _Run:
    """The state of one video on its way."""

    def __init__(self, info: VideoInfo, detector: Detector, tracker: Tracker, options: TrackingOptions) -> None:
        self.info, self.detector, self.tracker, self.options = info, detector, tracker, options
        self.report = Report(info.frame_count)
        self.tracks = Tracks(tracker, options)
        self.seen = Seen(info.size)
        self.births: list[Birth] = []
        self.scene = 0
        self.looked = -np.inf  # when the detector did last, seconds

    def forward(self, show: Show) -> None:
        self.tracker.reset()
        before = self.tracker.passes
        self.report.damaged = self.info.frame_count
        for frame, picture, cut in show(self._frames(), self.info.frame_count):
            self.report.damaged -= 1
            if cut:
                self._begin_scene(frame)
            self.tracker.show(frame, picture)
            time = float(self.info.pts[frame])
            self.tracks.follow(time)
            if self._is_keyframe(frame, time, cut):
                self._look(frame, picture, time)
            for track_id, region in self.tracks.visible.items():
                self.seen.add(track_id, frame, region)
        self.report.forward_passes = self._passes_since(before)

    def backward(self) -> None:
        self.tracker.reset()
        before = self.tracker.passes
        self.report.not_carried = carry_back(self.info, self.births, self.seen, self.tracker, self.options)
        self.report.backward_passes = self._passes_since(before)

    def masklets(self) -> Masklets:
        frames = range(self.info.frame_count)
        tracks = {i: tuple(at.get(t) for t in frames) for i, at in sorted(self.seen.masks.items())}
        return Masklets(self.info.size, self.info.fps, self.info.pts, tracks)

    def _frames(self) -> Iterator[tuple[int, np.ndarray, bool]]:
        if self.options.cuts:
            return with_cuts(forwards(self.info), self.options.cut_difference)
        return ((frame, picture, False) for frame, picture in forwards(self.info))

    def _passes_since(self, before: int) -> int:
        passes = self.tracker.passes - before
        if passes > self.info.frame_count:
            raise AssertionError(f"{passes} frame passes for {self.info.frame_count} frames: a frame was encoded twice")
        return passes

    def _begin_scene(self, frame: int) -> None:
        self.report.cuts += (frame,)
        self.scene = frame
        self.tracks.end_all()

    def _is_keyframe(self, frame: int, time: float, cut: bool) -> bool:
        if self.detector.frames is not None:
            return frame in self.detector.frames
        rounding = 1e-6
        return cut or time - self.looked >= self.options.every - rounding

    def _look(self, frame: int, picture: np.ndarray, time: float) -> None:
        self.looked = time
        self.report.keyframes += 1
        for track_id in drifted(self.tracks.visible, self.options.duplicate_iou):
            self.tracks.end(track_id)
        found = _within(self.detector.detect(frame, picture), self.info.size)
        found = found.take(unrepeated(found.boxes, found.scores, found.labels, self.options.duplicate_iou))
        unmatched = self._unmatched(found)
        newcomers = self._newcomers(found.take(unmatched))
        for track in self._admit(newcomers, time):
            if frame > self.scene:
                self.births.append(Birth(track.id, frame, self._earliest(frame, track)))

    def _unmatched(self, found: Detections) -> list[int]:
        visible = list(self.tracks.visible)
        boxes = np.array([self.tracks.visible[i].box for i in visible]).reshape(-1, 4)
        matched = match_boxes(found.boxes, boxes, self.options.match_iou)
        for column in matched.values():
            self.tracks.remember_look(visible[column])
        return [row for row in range(len(found)) if row not in matched]

    def _newcomers(self, found: Detections) -> list[Newcomer]:
        """Ask the tracker for the mask of each unmatched detection, and keep those that are objects of their own."""
        accepted: list[Newcomer] = []
        for row in range(len(found)):
            if not self.tracks.room(len(accepted)):
                self.report.refused += 1
                continue
            mask = None if found.masks is None else found.masks[row]
            new = self.tracks.try_start(found.boxes[row], mask, found.labels[row])
            if new is None or not self._accept(new, accepted):
                self.report.duplicates += 1
        return accepted

    def _accept(self, new: Newcomer, accepted: list[Newcomer]) -> bool:
        """Judge a newcomer beside all that is in sight and those accepted on this frame; then act on it."""
        waiting = {-1 - at: other.region for at, other in enumerate(accepted)}  # they have no id yet
        known = {**self.tracks.visible, **waiting}
        verdict = judge(new.region, known, self.options.duplicate_iou, self.options.containment)
        if verdict.kind == "duplicate":
            self.tracker.drop(new.key)
            return False
        if verdict.kind == "new":
            accepted.append(new)
        elif verdict.id > 0:
            self.tracks.replace(verdict.id, new)
        else:
            self.tracker.drop(accepted[-1 - verdict.id].key)
            accepted[-1 - verdict.id] = new
        return True

    def _admit(self, newcomers: list[Newcomer], time: float) -> list[Track]:
        """Give each newcomer its old id if it has been here, else the next one."""
        away = self.tracks.away() if self.options.reentry else []
        back = match_looks(newcomers, away, self.options.similarity)
        self.report.returns += len(back)
        return [
            self.tracks.bring_back(away[back[row]].id, new, time) if row in back else self.tracks.add(new, time)
            for row, new in enumerate(newcomers)
        ]

    def _earliest(self, frame: int, track: Track) -> int:
        """How far back a birth may be carried: not into the scene before, nor to where the object was seen last."""
        time = self.info.pts[frame] - self.options.backward
        return max(self.scene, self.seen.last(track.id) + 1, int(np.searchsorted(self.info.pts, time - 1e-6)))


def _within(found: Detections, size: tuple[int, int]) -> Detections:
    """Boxes clipped to the picture; those of no extent, or with a number that is none, left out."""
    height, width = size
    boxes = np.clip(found.boxes, 0, [width, height, width, height])
    whole = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & np.isfinite(found.scores)
    kept = Detections(boxes, found.scores, found.labels, found.masks)
    return kept.take(np.flatnonzero(whole).tolist())
