"""ScanRefer: descriptions of one object of a ScanNet scene.

    [{"scene_id": "scene0000_00", "object_id": "39", "object_name": "cabinet", "ann_id": "0",
      "description": "..."}, ...]

ScanNet counts objects from 0: our id is `object_id + 1`, as in its benchmark's `label * 1000 + instance`. The box is in
the scene's own files. Seen on the test file, and on a thousand rows each of training and validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import whole_in
from grounding.datasets.records import Read, Record, checked_name, read_records


def read_scanrefer(path: Path) -> Read:
    """The records of a split; ids are `<scene>-<object_id>-<ann_id>`, videos the scenes' names."""
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    scene, thing = checked_name(field(row, "scene_id")), whole_in(field(row, "object_id"), "object_id")
    yield Record(
        entry.row,
        f"{scene}-{thing}-{checked_name(field(row, 'ann_id'))}",
        scene,
        field(row, "description"),
        {"object_id": thing + 1},
        meta={"object_name": row.get("object_name")},
    )
