"""The truth of an annotation row, checked against its video and its masks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from grounding.core.errors import UserError, UserErrors
from grounding.core.intervals import Interval, frames_within
from grounding.core.masklets import Masklets
from grounding.core.samples import Answer
from grounding.core.tubes import Tube
from grounding.core.video import VideoInfo
from grounding.datasets.fields import Box
from grounding.datasets.match import MIN_OVERLAP, match_boxes
from grounding.datasets.media import Media
from grounding.datasets.problems import collecting
from grounding.datasets.rows import Row

_NO_BOX: Box = (np.nan, np.nan, np.nan, np.nan)


def checked_truth(row: Row, media: Media) -> Answer:
    """When and which object; where the annotator drew boxes, these are the tube, else it is left to the masks.

    Args:
        row: A well-formed row.
        media: Where its video and masklets are.

    Raises:
        UserError: If a file is not as it must be, or the truth does not fit it. Mistakes found together are raised
            together.
    """
    errors: list[str] = []
    with collecting(errors):
        _check_interval(row.interval, media.video(row.video))
    with collecting(errors):
        media.find(row.masklets)
    if errors:
        raise UserErrors(errors)
    masklets = media.masklets(row.masklets, row.video)
    if row.object_id is not None:
        return Answer(row.interval, _checked_id(row.object_id, row.interval, masklets))
    return Answer(row.interval, _matched(row.boxes, masklets), _drawn_tube(row.boxes, row.interval, masklets))


def _check_interval(interval: Interval, video: VideoInfo) -> None:
    shown = f"interval [{interval.start:g}, {interval.end:g}] s"
    if interval.end > video.duration + 0.5 / video.fps:  # bounds are often rounded
        lasts = f"which lasts {video.duration:.3f} s; mend it (seconds, not frames)"
        raise UserError(f"{shown} ends after the video, {lasts}")
    if not frames_within(interval, video.pts, video.fps):
        raise UserError(f"{shown} holds no frame; make it longer than 1 / fps = {1 / video.fps:.3f} s")


def _matched(boxes: Mapping[int, Box], masklets: Masklets) -> int:
    """The id of the masklet that the boxes are drawn around."""
    frames = len(masklets.pts)
    if max(boxes) >= frames:
        raise UserError(f'"boxes" name frame {max(boxes)}, the video has frames 0 to {frames - 1}; mend the frame')
    match = match_boxes(boxes, masklets)
    if match.object_id is None:
        best = "there are none" if match.best_id is None else f"best: id {match.best_id} by {match.overlap:.2f}"
        hint = "mend them (xyxy pixels of the source frame) or give object_id"
        raise UserError(f'"boxes" overlap no masklet by {MIN_OVERLAP} or more ({best}); {hint}')
    return match.object_id


def _drawn_tube(boxes: Mapping[int, Box], interval: Interval, masklets: Masklets) -> Tube:
    """The annotator's boxes on the frames of the interval, NaN where none was drawn."""
    frames = frames_within(interval, masklets.pts, masklets.fps)
    drawn = [boxes.get(frame, _NO_BOX) for frame in frames]
    if all(box is _NO_BOX for box in drawn):
        raise UserError('none of the "boxes" lies within the interval; give boxes on its frames, or mend the interval')
    return Tube(frames.start, np.array(drawn))


def _checked_id(object_id: int, interval: Interval, masklets: Masklets) -> int:
    if object_id not in masklets.tracks:
        known = ", ".join(map(str, masklets.ids[:20])) or "none"
        raise UserError(f"object_id {object_id} is not in the masks; choose from {known}")
    if np.isnan(masklets.tube(object_id, interval).boxes).all():
        raise UserError(f"object_id {object_id} is in no mask within the interval; mend the id or the interval")
    return object_id
