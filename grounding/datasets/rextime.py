"""ReXTime: questions across time over ActivityNet's and QVHighlights' videos, four options and one span.

    [{"qid": "qvh_val241", "vid": "<id>", "duration": 150, "question": "...", "options": ["...", ...], "ans": "A",
      "span": [0, 28], "category": "sequential", "source": "qvhighlights_val"}, ...], or one a line

The duration may be missing, the test split has no `ans` and `span`. Not seen on real files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import video_file
from grounding.datasets.options import lettered, options_of
from grounding.datasets.records import Read, Record, checked_name, read_records


def read_rextime(path: Path) -> Read:
    """The records of a split; ids are the `qid`s."""
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    options = options_of(field(row, "options"))
    yield Record(
        entry.row,
        checked_name(field(row, "qid")),
        video_file(field(row, "vid")),
        field(row, "question"),
        {} if row.get("ans") is None else lettered(row["ans"], len(options)),
        span=row.get("span"),
        duration=row.get("duration"),
        meta={"options": options, "type": row.get("category"), "source": row.get("source")},
    )
