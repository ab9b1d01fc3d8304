"""VidSTG: sentences and questions about the objects of VidOR's videos; the boxes are in VidOR's own files.

    [{"vid", "fps", "frame_count", "width", "height", "subject/objects": [{"tid", "category"}, ...],
      "used_segment": {"begin_fid", "end_fid"}, "temporal_gt": {"begin_fid", "end_fid"},
      "captions": [{"description", "type", "target_id"}, ...], "questions": [the same, ...]}, ...]

Frames count from 0 and ends are exclusive. Checked on the official test file: `temporal_gt.end_fid` reaches
`frame_count`, `used_segment.end_fid` stops at `frame_count - 1`; the segment is widened to hold the truth, and where
more than that frame was missing, this is a finding. A model sees the segment only, `meta["segment"]` in seconds. Our
ids are VidOR's plus 1, as its masks are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core.checks import number, whole, within
from grounding.core.errors import UserError
from grounding.core.samples import Sample
from grounding.core.tubes import Tube
from grounding.datasets.entries import Entry, field, list_of, object_of, read_member
from grounding.datasets.moments import video_file
from grounding.datasets.records import Read, Record, checked_name, read_records

KINDS = {"captions": ("c", "declarative"), "questions": ("q", "interrogative")}
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def read_vidstg(path: Path) -> Read:
    """The records of an annotation file; ids are `12_c0`, the first caption of entry 12 (from 0), `12_q1`, ...

    Truths have id and interval; `with_boxes` adds the tubes.
    """
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    first, last = frames = _range(row, "temporal_gt")
    fps = number(field(row, "fps"), "fps")
    if fps <= 0:
        raise UserError(f"fps must be above 0, got {fps:g}")
    count = whole(field(row, "frame_count"), "frame_count", 1)
    begin, end = _range(row, "used_segment")
    note = None
    if first < begin or last > end + 1:  # the official files end a frame early
        truth = f"the truth, frames {first} to {last - 1}"
        note = f"the segment, frames {begin} to {end}, does not hold {truth}; it is widened"
    start, stop = min(begin, first), min(max(end, last), count)
    if start >= stop:
        raise UserError(f"used_segment, frames {begin} to {end}, holds none of the {count} frames of the video")
    segment = (start / fps, stop / fps)
    for key, (initial, kind) in KINDS.items():
        for place, said in enumerate(list_of(row.get(key) or [], key)):
            sentence = object_of(said)
            yield Record(
                entry.row,
                f"{entry.row - 1}_{initial}{place}",
                video_file(field(row, "vid")),
                field(sentence, "description"),
                {"object_id": whole(field(sentence, "target_id"), "target_id") + 1},
                span=[first / fps, last / fps],
                duration=count / fps,
                frame_count=count,
                size=(field(row, "height"), field(row, "width")),
                meta={"kind": kind, "segment": segment, "frames": frames, "fps": fps},
                note=note,
            )


def _range(row: dict[str, Any], key: str) -> tuple[int, int]:
    bounds = object_of(field(row, key))
    first, last = (whole(field(bounds, name), f"{key}.{name}") for name in ("begin_fid", "end_fid"))
    return first, last


def with_boxes(sample: Sample, path: Path) -> Sample:
    """The sample with its tube: the target's boxes on the frames of the truth, from VidOR's file of the video.

    Raises:
        UserError: If the file has no box of the target on these frames, or naming what is wrong with it.
    """
    first, last = sample.meta["frames"]
    tid = (sample.truth.object_id or 0) - 1
    frames = _trajectories(path)[first:last]
    boxes = np.full((len(frames), 4), np.nan)  # the row may name frames past the end of the video
    for place, entries in enumerate(frames):
        with within(f"{path}, frame {first + place}"):
            for entry in map(object_of, list_of(entries, "trajectories")):
                if entry.get("tid") == tid:
                    sides = object_of(field(entry, "bbox"))
                    boxes[place] = [number(field(sides, side), side) for side in _SIDES]
    if np.isnan(boxes).all():
        raise UserError(f"{path}: object {checked_name(tid)} has no box on frames {first} to {last - 1}")
    return replace(sample, truth=replace(sample.truth, tube=Tube(first, boxes)))


@lru_cache(maxsize=2)  # the sentences about one video follow each other
def _trajectories(path: Path) -> list[Any]:
    return list_of(read_member(path, "trajectories"), "trajectories")
