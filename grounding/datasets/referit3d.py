"""Nr3D and Sr3D (ReferIt3D): utterances that tell one object of a ScanNet scene from others of its class.

    assignmentid,stimulus_id,utterance,scan_id,instance_type,target_id,...           a table; Sr3D has no assignmentid

`stimulus_id` is `<scene>-<class>-<objects of the class>-<target>-<others>`; more than two are hard. Our id is
`target_id + 1`, as for ScanRefer. Not seen on real files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grounding.core.errors import UserError
from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import whole_in
from grounding.datasets.records import Read, Record, checked_name, read_records


def read_referit3d(path: Path) -> Read:
    """The records of a table; ids are `nr3d_<assignmentid>`, in Sr3D `sr3d_<row, from 1>`; videos the scenes' names."""
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    scene, target = checked_name(field(row, "scan_id")), whole_in(field(row, "target_id"), "target_id")
    stimulus = checked_name(field(row, "stimulus_id"), "stimulus_id")
    parts = stimulus.split("-")
    if len(parts) < 4 or parts[0] != scene or whole_in(parts[3], "the target in stimulus_id") != target:
        raise UserError(f"stimulus_id {stimulus[:80]!r} is not of {scene} and target {target}")
    name = f"nr3d_{checked_name(row['assignmentid'])}" if row.get("assignmentid") else f"sr3d_{entry.row - 1}"
    yield Record(
        entry.row,
        name,
        scene,
        field(row, "utterance"),
        {"object_id": target + 1},
        meta={
            "object_name": row.get("instance_type"),
            "hard": whole_in(parts[2], "the number in stimulus_id") > 2,
            "mentions_target_class": row.get("mentions_target_class"),
        },
    )
