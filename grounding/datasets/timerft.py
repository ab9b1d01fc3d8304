"""TimeRFT, Time-R1's training rows, with how hard a model found them.

    {"video": "<id>", "duration": 60.2, "timestamp": [3.0, 9.5], "sentence": "...", "qid": "...",
     "video_start": null, "video_end": null, "difficulty": 31.4, "pred": [...]}      one a line, or a JSON list

`difficulty` is a zero-shot IoU in percent, and from 0 to 1 in a sample's meta: low is hard. A `qid` holds the whole
sentence. Seen on the official `train_2k5.json` (48 of its 2,500 ends lie beyond the video).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grounding.core.checks import number
from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import video_file
from grounding.datasets.records import Read, Record, checked_name, read_records


def read_timerft(path: Path) -> Read:
    """The records; ids are the `qid`s."""
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    percent = row.get("difficulty")
    difficulty = None if percent is None else number(percent, "difficulty") / 100
    yield Record(
        entry.row,
        checked_name(field(row, "qid")),
        video_file(field(row, "video")),
        field(row, "sentence"),
        span=field(row, "timestamp"),
        duration=field(row, "duration"),
        meta={"difficulty": difficulty, **{key: row.get(key) for key in ("video_start", "video_end")}},
    )
