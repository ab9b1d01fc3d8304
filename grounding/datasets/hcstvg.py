"""HC-STVG v1 and v2: 20-second clips of people, one sentence a clip, a box a frame. Queries alone (v2's test), too.

    {"<video>.mp4": {"bbox": [[x, y, width, height], ...], "st_frame": 268, "st_time": 8.91, "ed_time": ...,
                     "img_num": 600, "caption" (v1) or "English" (v2): "...",
                     "width", "height" (v1) or "img_size": [height, width] (v2)}}

`st_frame` counts from 1, so the first box is on our frame `st_frame - 1`, and `st_frame - 1 + len(bbox)` is the end,
exclusive. Seen on real files: the test queries; the rest is the official description.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grounding.datasets.entries import Entry, field, list_of, object_of
from grounding.datasets.masks.shared import whole
from grounding.datasets.moments import video_file
from grounding.datasets.records import Read, Record, checked_name, read_records, xyxy_of_xywh

CLIP_SECONDS = 20.0  # of every clip


def read_hcstvg(path: Path) -> Read:
    """The records of an annotation file; ids are the videos' names as the file has them."""
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    name = checked_name(entry.key)
    if isinstance(entry.value, str):
        yield Record(entry.row, name, video_file(name), entry.value)
        return
    row = object_of(entry.value)
    yield Record(
        entry.row,
        name,
        video_file(name),
        field(row, "English", "caption"),
        span=[field(row, "st_time"), field(row, "ed_time")],
        boxes=xyxy_of_xywh(field(row, "bbox")),
        first_frame=whole(field(row, "st_frame"), "st_frame (counted from 1)", 1) - 1,
        duration=CLIP_SECONDS,
        frame_count=row.get("img_num"),
        size=_size(row),
    )


def _size(row: dict[str, Any]) -> tuple[Any, Any] | None:
    """(height, width), where the row says it."""
    if "img_size" in row:
        size = list_of(row["img_size"], "img_size")
        return (size[0], size[1]) if len(size) == 2 else (None, None)
    return (row["height"], row["width"]) if {"height", "width"} <= row.keys() else None
