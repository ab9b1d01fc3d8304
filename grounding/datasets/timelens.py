"""TimeLens: the benches (Charades, ActivityNet and QVHighlights annotated again) and the 100K training set.

    {"3MSZA": {"duration": 31.0, "spans": [[25, 30], ...], "queries": ["...", ...]}}              a bench
    {"source": "cosmo_cap", "video_path": "cosmo_cap/BVs52yd-RUQ.mp4", "duration": 117.42,
     "events": [{"query": "...", "span": [[0.0, 5.0]]}, ...]}                                     a line of training

Not seen on real files; from the authors' loading code.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grounding.datasets.entries import Entry, field, list_of, object_of
from grounding.datasets.moments import stem, video_moments, windows
from grounding.datasets.records import Read, Record, checked_name, read_records


def read_timelens(path: Path) -> Read:
    """The records of a bench (`.json`) or of training (`.jsonl`); ids are `<video>_<place of the query, from 0>`."""
    return read_records(path, _training if path.suffix == ".jsonl" else _bench)


def _bench(entry: Entry) -> Iterator[Record]:
    return video_moments(entry, "spans", "queries")


def _training(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    video = checked_name(field(row, "video_path"))
    for place, value in enumerate(list_of(field(row, "events"), "events")):
        event = object_of(value)
        yield Record(
            entry.row,
            f"{stem(video)}_{place}",
            video,
            field(event, "query"),
            **windows(field(event, "span")),
            duration=field(row, "duration"),
            meta={"source": row.get("source")},
        )
