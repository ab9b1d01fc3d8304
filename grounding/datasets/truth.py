"""The truth of an annotation row, checked against its video and its masks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from grounding.core.errors import UserError, UserErrors
from grounding.core.intervals import Interval, frames_within, nearest_frames
from grounding.core.masklets import Masklets
from grounding.core.samples import Answer, Sample
from grounding.core.tubes import Tube
from grounding.core.video import VideoInfo
from grounding.datasets.fields import Box
from grounding.datasets.media import Media
from grounding.datasets.problems import collecting
from grounding.datasets.rows import Row
from prompting.assign import MIN_OVERLAP, Assignment, assign, merged, tube_of_boxes

_NO_BOX: Box = (np.nan, np.nan, np.nan, np.nan)
_OWN_BOXES = "mend them (xyxy pixels of the source frame) or give object_id"


def checked_truth(row: Row, media: Media, *, marks: bool = True, merge_splits: bool = False) -> Answer:
    """The truth of a row; where the annotator drew boxes, these are the tube, else it is left to the masks.

    Args:
        row: A well-formed row.
        media: Where its video and masklets are.
        marks: Whether IDs will be drawn; otherwise masklets are not looked at.
        merge_splits: Whether `row_masklets` will merge an object that goes on under several ids, as it was told to.

    Raises:
        UserError: If a file is not as it must be, or the truth does not fit it. Mistakes found together are raised
            together.
    """
    if not marks:
        check_shown(row, media)
        return _measured(row.truth, media.video(row.video).size)
    masklets = checked_masklets(row, media)
    for object_id in row.truth.ids or ():
        _check_id(object_id, row, masklets)
    if not row.boxes:
        return _measured(row.truth, masklets.size)
    object_id = _matched(assigned(row.boxes, masklets), _OWN_BOXES, merge_splits=merge_splits)
    return replace(row.truth, object_id=object_id, tube=drawn_tube(row, masklets))


def check_seen(ids: Iterable[int], masklets: Masklets) -> None:
    """Refuse objects that are in no mask of a video.

    Raises:
        UserErrors: A line for each of them.
    """
    known = ", ".join(map(str, masklets.ids[:20])) or "none"
    if errors := [
        f"object {one} is in no mask; choose from {known}" for one in sorted(ids) if not _seen(one, masklets)
    ]:
        raise UserErrors(errors)


def _seen(object_id: int, masklets: Masklets) -> bool:
    return object_id in masklets.tracks and not np.isnan(masklets.boxes(object_id)).all()


def checked_masklets(row: Row, media: Media) -> Masklets:
    """The masklets of a row that was found to fit its video.

    Raises:
        UserError: As `checked_truth`.
    """
    errors: list[str] = []
    with collecting(errors):
        check_shown(row, media)
    with collecting(errors):
        media.find(row.masklets)
    if errors:
        raise UserErrors(errors)
    return media.masklets(row.masklets, row.video)


def row_masklets(row: Row, media: Media, *, merge_splits: bool) -> Masklets:
    """The masklets that a row is loaded with.

    Args:
        row: A row that `checked_truth` accepts.
        media: Where its masklets are.
        merge_splits: Make one of the ids that its boxes follow one after another, under the id of the truth.

    Raises:
        UserError: If they can no longer be read.
    """
    masklets = media.masklets(row.masklets, row.video)
    if not (merge_splits and row.boxes):
        return masklets
    parts = assigned(row.boxes, masklets).parts
    return merged(masklets, parts) if len(parts) > 1 else masklets


def assigned(boxes: Mapping[int, Box], masklets: Masklets) -> Assignment:
    """The masklet that the boxes of a row are drawn around.

    Raises:
        UserError: If a box is on a frame that does not exist.
    """
    frames = len(masklets.pts)
    if max(boxes) >= frames:
        raise UserError(f'"boxes" name frame {max(boxes)}, the video has frames 0 to {frames - 1}; mend the frame')
    return assign([tube_of_boxes(boxes)], masklets)[0]


def placed(row: Row, media: Media) -> Row:
    """The row with the frame that is shown at its `time`, if it has one.

    Raises:
        UserError: If the video ends before, or cannot be read.
    """
    if row.time is None:
        return row
    video = media.video(row.video)
    if row.time > video.duration:
        raise UserError(f'"time" is {row.time:g} s, the video lasts {video.duration:.3f} s; mend it')
    return replace(row, frame=int(nearest_frames(video.pts, np.array(row.time))))


def check_shown(row: Row, media: Media) -> None:
    """Check that what a row shows is in its video, and the times and the box of its truth in what it shows.

    Raises:
        UserError: If one of them does not fit, or the video cannot be read.
    """
    video, errors = media.video(row.video), list[str]()
    if row.frame is not None and row.frame >= video.frame_count:
        errors.append(f'"frame" is {row.frame}, the video has frames 0 to {video.frame_count - 1}; mend it')
    if row.segment is not None:
        with collecting(errors):
            _check_interval("segment", row.segment, video)
    for interval in row.truth.segments or ():
        with collecting(errors):
            _check_interval("interval", interval, video)
            _check_within(interval, row.segment, 0.5 / video.fps)
    if row.truth.box is not None:
        with collecting(errors):
            _check_box(row.truth.box, video.size)
    if errors:
        raise UserErrors(errors)


def _check_interval(name: str, interval: Interval, video: VideoInfo) -> None:
    shown = _shown(name, interval)
    if interval.end > video.duration + 0.5 / video.fps:  # bounds are often rounded
        lasts = f"which lasts {video.duration:.3f} s; mend it (seconds, not frames)"
        raise UserError(f"{shown} ends after the video, {lasts}")
    if not frames_within(interval, video.pts, video.fps):
        raise UserError(f"{shown} holds no frame; make it longer than 1 / fps = {1 / video.fps:.3f} s")


def _check_within(interval: Interval, segment: Interval | None, slack: float) -> None:
    if segment is not None and not segment.start - slack <= interval.start <= interval.end <= segment.end + slack:
        shown = f"{_shown('interval', interval)} reaches out of the {_shown('segment', segment)}"
        raise UserError(f"{shown}; mend one of the two (both in seconds from the start of the video)")


def _check_box(box: Box, size: tuple[int, int]) -> None:
    height, width = size
    x1, y1, x2, y2 = within = _within(box, size)
    if np.abs(np.subtract(within, box)).max() > 1 or x1 >= x2 or y1 >= y2:  # edges are often rounded
        picture = f"the picture of {width} x {height} pixels"
        raise UserError(f'"box" {list(box)} reaches out of {picture}; mend it (xyxy pixels of the source frame)')


def _within(box: Box, size: tuple[int, int]) -> Box:
    """The part of a box within a picture."""
    height, width = size
    x1, y1, x2, y2 = np.clip(box, 0, (width, height) * 2).tolist()
    return x1, y1, x2, y2


def _measured(truth: Answer, size: tuple[int, int]) -> Answer:
    """The truth with the size of the picture that its box is in, and not a rounded edge beyond."""
    return truth if truth.box is None else replace(truth, box=_within(truth.box, size), size=size)


def _shown(name: str, interval: Interval) -> str:
    return f"{name} [{interval.start:g}, {interval.end:g}] s"


def completed(sample: Sample, masklets: Masklets) -> Sample:
    """The sample with both object id and tube, where its truth and the masks tell one of the two; without a time, with
    the whole region of its objects.

    Raises:
        UserError: If no mask fits the tube.
    """
    truth = sample.truth
    if truth.interval is None and truth.ids is not None and truth.region is None:
        return replace(sample, truth=replace(truth, region=masklets.region(truth.ids)))
    if not masklets.tracks or truth.interval is None:
        return sample
    if truth.tube is None and truth.object_id is not None:
        truth = replace(truth, tube=masklets.tube(truth.object_id, truth.interval))
    elif truth.tube is not None and truth.object_id is None:
        found = assign([truth.tube], masklets)[0]
        truth = replace(truth, object_id=_matched(found, "check that boxes and masks are of this video"))
    else:
        return sample
    return replace(sample, truth=truth)


def _matched(found: Assignment, mend: str, *, merge_splits: bool = False) -> int:
    """The id that boxes are drawn around, or why there is none and how to mend it."""
    enough = found.merged_overlap if merge_splits else found.overlap
    if found.object_id is not None and enough >= MIN_OVERLAP:
        return found.object_id
    best = "none overlaps them" if found.best_id is None else f"best: id {found.best_id} by {found.overlap:.2f}"
    if found.verdict == "split":
        best += f"; ids {', '.join(map(str, found.parts))} together by {found.merged_overlap:.2f}"
        mend = "merge these ids (data.merge_splits=true)"
    elif found.overlap >= MIN_OVERLAP:
        most = f"the boxes overlap id {found.best_id} most"
        raise UserError(f"{most}, but in few frames ({found.votes:.0%}) best; {mend}")
    raise UserError(f"the boxes overlap no masklet by {MIN_OVERLAP} or more ({best}); {mend}")


def drawn_tube(row: Row, masklets: Masklets) -> Tube:
    """The annotator's boxes on the frames of the interval, NaN where none was drawn.

    Raises:
        UserError: If the row has no interval, or none of its boxes is within.
    """
    if row.truth.interval is None:
        raise UserError('"boxes" need an "interval"; add it')
    frames = frames_within(row.truth.interval, masklets.pts, masklets.fps)
    drawn = [row.boxes.get(frame, _NO_BOX) for frame in frames]
    if all(box is _NO_BOX for box in drawn):
        raise UserError('none of the "boxes" lies within the interval; give boxes on its frames, or mend the interval')
    return Tube(frames.start, np.array(drawn))


def sparse(tube: Tube) -> str | None:
    """What to say of a tube with boxes on fewer than half of its frames; None for any other."""
    frames, boxed = len(tube.boxes), int((~np.isnan(tube.boxes[:, 0])).sum())
    if 2 * boxed >= frames:
        return None
    return f"there are boxes on {boxed} of the {frames} frames of its time, and only there are tubes compared; add more"


def _check_id(object_id: int, row: Row, masklets: Masklets) -> None:
    if object_id not in masklets.tracks:
        known = ", ".join(map(str, masklets.ids[:20])) or "none"
        raise UserError(f"object_id {object_id} is not in the masks; choose from {known}")
    frames, where, mend = range(len(masklets.pts)), "", "mend the id"
    for name, stretch in (("segment", row.segment), ("interval", row.truth.interval)):
        if stretch is not None:
            frames = frames_within(stretch, masklets.pts, masklets.fps)
            where, mend = f" within the {name}", f"mend the id or the {name}"
    if row.frame is not None:
        frames, where, mend = range(row.frame, row.frame + 1), " on the frame", "mend the id or the frame"
    if np.isnan(masklets.boxes(object_id)[frames.start : frames.stop]).all():
        raise UserError(f"object_id {object_id} is in no mask{where}; {mend}")
