"""What a sample loses where its video is shorter than its annotation says, or where only a segment of it is meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from grounding.core.errors import UserError
from grounding.core.intervals import Interval, frames_within, nearest_frames
from grounding.core.masklets import Masklets
from grounding.core.regions import Region
from grounding.core.samples import Answer, LoadedSample
from grounding.core.tubes import Tube
from grounding.core.video import VideoInfo
from grounding.datasets.records import Action


def timed(truth: Answer, video: VideoInfo) -> Answer:
    """The truth with the time at which the file shows its tube's frames.

    It stays as it is without a tube, with one past the end, and where its interval holds just these frames.
    """
    frames = range(0) if truth.tube is None else truth.tube.frames
    if not frames or frames.stop > video.frame_count:
        return truth
    if truth.interval is not None and frames_within(truth.interval, video.pts, video.fps) == frames:
        return truth
    ends = np.append(video.pts, video.pts[-1] + 1 / video.fps)
    return replace(truth, interval=Interval(float(video.pts[frames.start]), float(ends[frames.stop])))


def within_video(truth: Answer, video: VideoInfo, beyond: Action) -> Answer:
    """The truth within the video file itself, which may be shorter than its annotation says.

    Args:
        truth: When and where.
        video: The file.
        beyond: `clamp` cuts off time and boxes past its end, `keep` leaves them.

    Raises:
        UserError: If there is something past the end and `beyond` is "reject".
    """
    tube, slack = truth.tube, 0.5 / video.fps  # ends are often rounded
    late = any(one.end > video.duration + slack for one in truth.segments or ())
    if beyond == "keep" or not (late or (tube is not None and tube.frames.stop > video.frame_count)):
        return truth
    if beyond == "reject":
        raise UserError(f"the truth reaches past the video, which has {video.frame_count} frames, {video.duration:g} s")
    truth = _retimed(truth, lambda time: min(time, video.duration))
    if tube is not None:
        tube = Tube(tube.start_frame, tube.boxes[: max(video.frame_count - tube.start_frame, 0)])
    return timed(replace(truth, tube=tube), video)


def _retimed(truth: Answer, moved: Callable[[float], float]) -> Answer:
    """The truth with every second that it names moved."""

    def of(one: Interval) -> Interval:
        return Interval(moved(one.start), moved(one.end))

    interval = None if truth.interval is None else of(truth.interval)
    intervals = None if truth.intervals is None else tuple(map(of, truth.intervals))
    return replace(truth, interval=interval, intervals=intervals)


def cut(loaded: LoadedSample, segment: Interval) -> LoadedSample:
    """A sample as if its video were one segment of it alone: times and frames count from the segment's first frame.

    Args:
        loaded: With all of the video.
        segment: When, in seconds; the truth lies within.

    Raises:
        UserError: If it holds no frame.
    """
    clip, masklets, truth = loaded.clip, loaded.masklets, loaded.sample.truth
    frames = frames_within(segment, masklets.pts, masklets.fps)
    inside = np.isin(nearest_frames(masklets.pts, clip.pts), frames)
    if not inside.any():
        raise UserError(f"no frame of the video was sampled {when(segment)}; check the video")
    begin, end = float(masklets.pts[frames.start]), min(segment.end, clip.duration)
    tracks = {i: track[frames.start : frames.stop] for i, track in masklets.tracks.items()}
    truth = _retimed(truth, lambda time: min(max(time - begin, 0.0), end - begin))
    if truth.tube is not None:
        first = max(truth.tube.start_frame, frames.start)
        boxes = truth.tube.boxes[first - truth.tube.start_frame : max(frames.stop - truth.tube.start_frame, 0)]
        truth = replace(truth, tube=Tube(first - frames.start, boxes))
    if truth.region is not None:
        truth = replace(truth, region=Region(truth.region.size, truth.region.frames[frames.start : frames.stop]))
    return LoadedSample(
        replace(loaded.sample, truth=truth),
        replace(clip, frames=clip.frames[inside], pts=(clip.pts[inside] - begin).clip(0), duration=end - begin),
        Masklets(masklets.size, masklets.fps, masklets.pts[frames.start : frames.stop] - begin, tracks),
    )


def when(interval: Interval) -> str:
    """An interval in the words of a message."""
    return f"within [{interval.start:g}, {interval.end:g}] s"
