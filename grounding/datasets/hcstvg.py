"""HC-STVG v1 and v2: 20-second clips of people, one sentence a clip, a box a frame. Queries alone (v2's test), too.

    {"<video>.mp4": {"bbox": [[x, y, width, height], ...], "st_frame": 268, "st_time": 8.91, "ed_time": ...,
                     "img_num": 600, "caption" (v1) or "English" (v2): "...",
                     "width", "height" (v1) or "img_size": [height, width] (v2)}}

`st_frame` counts from 1, so the first box is on our frame `st_frame - 1`, and `st_frame - 1 + len(bbox)` is the end,
exclusive. These frames are the truth, as in the benchmark; where the seconds say otherwise, that is a finding.
TubeDETR's `*_proc.json` is read, too. Seen on real files: the test queries; the rest is the official description and
what the loaders of TubeDETR and CG-STVG read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core.checks import number, whole
from grounding.datasets.entries import Entry, RowDecoder, field, list_of, object_of
from grounding.datasets.moments import video_file
from grounding.datasets.records import Read, Record, checked_name, read_records, xyxy_of_xywh

CLIP_SECONDS = 20.0  # of every clip
ROUNDED = 1.5  # frames by which seconds and frames of the official rows differ
_LARGE = 1e9  # no pixel comes near
_NEAR = 4096  # characters before and after the boxes of a row, at most
_STAND_IN = '"\\u0000"'


def read_hcstvg(path: Path) -> Read:
    """The records of an annotation file; ids are the videos' names as the file has them."""
    return read_records(path, _records, BoxDecoder())


def _records(entry: Entry) -> Iterator[Record]:
    name = checked_name(field(entry.value, "original_video_id") if entry.key is None else entry.key)
    if isinstance(entry.value, str):
        yield Record(entry.row, name, video_file(name), entry.value)
        return
    row = object_of(entry.value)
    boxes = xyxy_of_xywh(field(row, "bbox", "trajectory"))
    first = whole(field(row, "st_frame", "tube_start_frame"), "st_frame (counted from 1)", 1) - 1
    said = [field(row, "st_time", "tube_start_time"), field(row, "ed_time", "tube_end_time")]
    count = row.get("img_num", row.get("frame_count"))
    span, note = _span(first, len(boxes), count, said)
    yield Record(
        entry.row,
        name,
        video_file(name),
        field(row, "English", "caption"),
        span=span,
        boxes=boxes,
        first_frame=first,
        duration=CLIP_SECONDS,
        frame_count=count,
        size=_size(row),
        note=note,
    )


def _span(first: int, boxes: int, count: Any, said: list[Any]) -> tuple[list[Any], str | None]:
    """The time of the boxes in seconds, and what to say where the row's own seconds differ; these without a count."""
    if count is None:
        return said, None
    fps = whole(count, "the number of frames", 1) / CLIP_SECONDS
    span = [first / fps, (first + boxes) / fps]
    apart = max(abs(number(mine, "st_time and ed_time") - other) for mine, other in zip(said, span, strict=True))
    if apart * fps <= ROUNDED:
        return span, None
    shown = [f"[{start:.2f}, {end:.2f}] s" for start, end in (said, span)]
    return span, f"the row says {shown[0]}, but its boxes stand in {shown[1]}, {apart:.2f} s apart; the boxes count"


def _size(row: dict[str, Any]) -> tuple[Any, Any] | None:
    """(height, width), where the row says it."""
    if "img_size" in row:
        size = list_of(row["img_size"], "img_size")
        return (size[0], size[1]) if len(size) == 2 else (None, None)
    return (row["height"], row["width"]) if {"height", "width"} <= row.keys() else None


class BoxDecoder(RowDecoder):
    """Gives boxes in whole pixels as an array: an object for each number would take most of the time."""

    def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
        """The value that begins at `idx` and where it ends; what is no plain row with boxes is read as ever."""
        first = s.find("[[", idx, idx + _NEAR) if s.startswith("{", idx) else -1
        after = s.find("]]", first) + 2 if first >= 0 else 0
        boxes = _boxes(s[first + 1 : after - 1]) if after > 2 else None
        if boxes is not None:
            short = s[idx:first] + _STAND_IN + s[after : after + _NEAR]
            with suppress(json.JSONDecodeError):  # it goes on for longer, or is broken
                row, end = super().raw_decode(short)
                if row.get("bbox") == "\0":
                    row["bbox"] = boxes
                    return row, after + end - (first - idx) - len(_STAND_IN)
        return super().raw_decode(s, idx)


def _boxes(text: str) -> np.ndarray | None:
    """The whole numbers of `[1, 2, 3, 4], [5, ...]`, shape (N, 4); None if it is not so."""
    inner = text.encode()
    frame = inner.translate(None, b"-0123456789 ")
    count = len(frame) // len(b"[,,,],") + 1
    between = inner.translate(None, b" ").count(b"],[")  # nothing else stands between two boxes
    if frame != b",".join([b"[,,,]"] * count) or between != count - 1:
        return None
    flat = inner.translate(None, b"[]")
    try:
        found = np.fromstring(flat, np.int64, sep=",")
    except (ValueError, DeprecationWarning):  # not a number; today's NumPy only warns, and stops before it
        return None
    # It takes nothing for 0, and a sign on its own for that of the next number. A leading 0 does no harm.
    missing = (b"-" in flat and b"- " in flat) or (not found.all() and b",," in b",%b," % flat.translate(None, b"- "))
    plain = len(found) == 4 * count and not missing and np.abs(found).max() < _LARGE  # 2 ** 63 and more are cut
    return found.reshape(count, 4) if plain else None
