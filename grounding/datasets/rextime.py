"""ReXTime: questions across time over ActivityNet's and QVHighlights' videos, four options and one span.

    [{"qid": "qvh_val241", "vid": "<id>", "duration": 150, "question": "...", "options": ["...", ...], "ans": "A",
      "span": [0, 28], "category": "sequential", "source": "qvhighlights_val"}, ...], or one a line
    {"qid": "qvh_val241", "query": "...", "duration": 150, "vid": "<id>", "relevant_windows": [[0, 28]], "ans": "A"}

The second form is that of the official evaluation's `rextime_val.jsonl`, on which this was run; the first follows the
description of the data set. The duration may be missing, the test split has no `ans` and `span`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import video_file, windows
from grounding.datasets.options import lettered, options_of
from grounding.datasets.records import Read, Record, checked_name, read_records

OPTIONS = 4  # of every question


def read_rextime(path: Path) -> Read:
    """The records of a split; ids are the `qid`s."""
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    options = None if row.get("options") is None else options_of(row["options"])
    yield Record(
        entry.row,
        checked_name(field(row, "qid")),
        video_file(field(row, "vid")),
        field(row, "question", "query"),
        {} if row.get("ans") is None else lettered(row["ans"], OPTIONS if options is None else len(options)),
        **windows(row.get("span", row.get("relevant_windows"))),
        duration=row.get("duration"),
        meta={"options": options, "type": row.get("category"), "source": row.get("source")},
    )
