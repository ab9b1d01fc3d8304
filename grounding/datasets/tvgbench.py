"""TVGBench: 800 queries over the videos of five data sets, cut out beforehand.

    [{"path": ".../KWZSA.mp4", "question": "...", "answer": "13.4-28.1", "duration": 30.12, "qsemtype": "Human Pose",
      "start": null, "end": null, "dataset_name": "charades" (or missing), "source": ".../tacos_val.json"}, ...]

The answer is in seconds of the cut video. Seen on the official file: 168 rows have no `dataset_name`, the name of
their source stands for it; one question comes twice, and 11 answers have no length, so that nothing overlaps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from grounding.core.checks import shown
from grounding.core.errors import UserError
from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import number_in, video_file
from grounding.datasets.records import Read, Record, read_records


def read_tvgbench(path: Path) -> Read:
    """The records of the benchmark; ids are the places in the list, from 0."""
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    source = row.get("dataset_name") or PurePosixPath(str(row.get("source"))).stem
    yield Record(
        entry.row,
        str(entry.row - 1),
        video_file(field(row, "path")),
        field(row, "question"),
        span=_span(field(row, "answer")),
        duration=field(row, "duration"),
        meta={"type": row.get("qsemtype"), "source": source},
    )


def _span(said: Any) -> list[float]:
    parts = said.split("-") if isinstance(said, str) else []
    if len(parts) != 2:
        raise UserError(f"the answer must be 'start-end' in seconds, got {shown(said)}")
    return [number_in(parts[0], "the start"), number_in(parts[1], "the end")]
