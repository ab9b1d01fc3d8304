"""VSI-Bench: spatial questions about walks through rooms; four kinds ask for a number, six for an option.

    {"id": 0, "dataset": "arkitscenes", "scene_name": "41069025", "question_type": "object_counting",
     "question": "...", "ground_truth": "4", "options": null}                       one a line (test.jsonl)

Options read `A. left`. Not seen on real files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grounding.core.errors import UserError
from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import number_in
from grounding.datasets.options import lettered, options_of
from grounding.datasets.records import Read, Record, checked_name, read_records


def read_vsibench(path: Path) -> Read:
    """The records of the benchmark; ids are the `id`s, videos `<dataset>/<scene_name>.mp4`."""
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    options, truth = row.get("options"), field(row, "ground_truth")
    meta: dict[str, Any] = {"type": row.get("question_type")}
    if options is None:
        right: dict[str, Any] = {"number": number_in(truth, "ground_truth")}
    else:
        meta["options"] = options_of(options)
        right = lettered(truth, len(meta["options"]))
    scene = f"{checked_name(field(row, 'dataset'))}/{checked_name(field(row, 'scene_name'))}"
    if scene.count("/") != 1:
        raise UserError(f"dataset and scene_name must be names, not paths, got {scene[:80]!r}")
    yield Record(entry.row, checked_name(field(row, "id")), f"{scene}.mp4", field(row, "question"), right, meta=meta)
