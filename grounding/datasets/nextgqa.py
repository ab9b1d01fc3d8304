"""NExT-GQA: questions with five options, and when their answer is seen (one or more spans; training has none).

    val.csv              video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4
    gsub_val.json        {video_id: {"duration": 34, "location": {qid: [[1.2, 5.8], ...]}, "fps": 29.97}}
    map_vid_vidorID.json {video_id: "<folder>/<video_id>"}, where the video is

The two JSON files are looked for beside the table. The answer is the text of an option, or its number from 0 (as in
NExT-QA). VideoChat-R1's list `[{"id", "video", "question", "options": ["(A) ...", ...], "duration", "glue": spans,
"answer": "(C)"}]` is read, too. Seen on the official validation split.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from grounding.core.errors import UserError
from grounding.core.reading import is_file
from grounding.datasets.entries import Entry, field, object_of, read_entries
from grounding.datasets.moments import video_file, whole_in
from grounding.datasets.options import letter, lettered, options_of
from grounding.datasets.records import Read, Record, checked_name, read_records


def read_nextgqa(path: Path) -> Read:
    """The records of a split; ids are `<video_id>_<qid>`."""
    if path.suffix != ".csv":
        return read_records(path, _converted)
    spans = _members(path.with_name(f"gsub_{path.stem}.json"))
    folders = _members(path.with_name("map_vid_vidorID.json"))
    return read_records(path, partial(_records, spans=spans, folders=folders))


def _members(path: Path) -> dict[str, Any]:
    return {entry.key or "": entry.value for entry in read_entries(path)} if is_file(path) else {}


def _records(entry: Entry, spans: dict[str, Any], folders: dict[str, Any]) -> Iterator[Record]:
    row = object_of(entry.value)
    video, qid = checked_name(field(row, "video_id")), checked_name(field(row, "qid"))
    options = [field(row, f"a{place}") for place in range(5)]
    known = object_of(spans.get(video, {}))
    yield Record(
        entry.row,
        f"{video}_{qid}",
        f"{checked_name(folders[video])}.mp4" if video in folders else video_file(video),
        field(row, "question"),
        {"choices": frozenset(letter(_answer(field(row, "answer"), options)))},
        spans=object_of(known.get("location", {})).get(qid),
        duration=known.get("duration"),
        frame_count=whole_in(field(row, "frame_count"), "frame_count"),
        meta={"options": options, "type": row.get("type")},
    )


def _answer(said: str, options: list[str]) -> int:
    """The place of the right option, which the table names by text or by number."""
    if said in options:
        return options.index(said)
    if said.isascii() and said.isdigit() and len(said) == 1 and int(said) < len(options):
        return int(said)
    raise UserError(f"the answer {said[:80]!r} is none of the options")


def _converted(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    options = options_of(field(row, "options"))
    yield Record(
        entry.row,
        checked_name(field(row, "id")),
        checked_name(field(row, "video")),
        field(row, "question"),
        lettered(field(row, "answer"), len(options)),
        spans=field(row, "glue"),
        duration=field(row, "duration"),
        meta={"options": options, "type": row.get("type")},
    )
