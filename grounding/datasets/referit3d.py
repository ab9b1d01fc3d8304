"""Nr3D and Sr3D (ReferIt3D): utterances that tell one object of a ScanNet scene from others of its class.

    stimulus_id,utterance,scan_id,instance_type,target_id,mentions_target_class,...   a table
    Input.stimulus_id,Answer.response,assignmentid,...                                Nr3D as it was collected

`stimulus_id` is `<scene>-<class>-<objects of the class>-<target>-<others>`; more than two are hard. What it says need
not stand in columns of its own. Our id is `target_id + 1`, as for ScanRefer. Seen on tables of Nr3D (test) and Sr3D
(test, by kinds of reference); the second form is from the authors' loading code.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from grounding.core.errors import UserError
from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import whole_in
from grounding.datasets.records import Read, Record, checked_name, read_records


def read_nr3d(path: Path) -> Read:
    """The records of Nr3D; ids are `nr3d_<assignmentid, or else the row, from 1>`, videos the scenes' names."""
    return read_records(path, partial(_records, "nr3d"))


def read_sr3d(path: Path) -> Read:
    """The records of Sr3D; ids are `sr3d_<row, from 1>`, videos the scenes' names."""
    return read_records(path, partial(_records, "sr3d"))


def _records(dataset: str, entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    stimulus = checked_name(field(row, "stimulus_id", "Input.stimulus_id"), "stimulus_id")
    parts = stimulus.split("-")
    if len(parts) < 4:
        raise UserError(f"stimulus_id must be <scene>-<class>-<objects>-<target>, got {stimulus[:80]!r}")
    scene, target = checked_name(parts[0]), whole_in(parts[3], "the target in stimulus_id")
    if row.get("scan_id", scene) != scene or whole_in(row.get("target_id", target), "target_id") != target:
        raise UserError(f"stimulus_id {stimulus[:80]!r} is not of {row.get('scan_id')} and {row.get('target_id')}")
    yield Record(
        entry.row,
        f"{dataset}_{checked_name(row['assignmentid']) if row.get('assignmentid') else entry.row - 1}",
        scene,
        field(row, "utterance", "Answer.response"),
        {"object_id": target + 1},
        meta={
            "object_name": row.get("instance_type", parts[1]),
            "hard": whole_in(parts[2], "the number in stimulus_id") > 2,
            "mentions_target_class": row.get("mentions_target_class"),
        },
    )
