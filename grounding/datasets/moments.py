"""What the readers of temporal grounding datasets share: names of video files, and sentences with their spans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grounding.core.checks import shown
from grounding.core.errors import UserError
from grounding.datasets.entries import Entry, field, list_of, object_of
from grounding.datasets.records import Record, checked_name

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v")


def video_file(name: Any) -> str:
    """The file of a video that an annotation names by id, by file or by somebody's path; `.mp4` where it has no ending.

    Raises:
        UserError: If it is no name.
    """
    file = checked_name(name).rpartition("/")[2]
    return file if file.lower().endswith(VIDEO_SUFFIXES) else f"{file}.mp4"


def stem(video: str) -> str:
    """The name of a video without folder and ending; an id with dots, such as QVHighlights', keeps them."""
    file = video.rpartition("/")[2]
    return file.rpartition(".")[0] if file.lower().endswith(VIDEO_SUFFIXES) else file


def moments(entry: Entry) -> Iterator[Record]:
    """The records of a row of either form: `video_moments`, or QVHighlights', as `window_moment` reads it."""
    if entry.key is None:
        row = object_of(entry.value)
        yield window_moment(entry.row, row, **windows(row.get("relevant_windows")))
    else:
        yield from video_moments(entry)


def window_moment(place: int, row: dict[str, Any], **more: Any) -> Record:
    """The record of `{"qid", "query", "vid", "duration", ...}`; its id is the qid.

    Args:
        place: Of the row in the file.
        row: The annotation.
        more: Other arguments of the record: when, and what else is known.
    """
    name, video = checked_name(field(row, "qid")), video_file(field(row, "vid"))
    return Record(place, name, video, field(row, "query"), duration=field(row, "duration"), **more)


def windows(said: Any) -> dict[str, Any]:
    """The `span` of a record, from [start, end] or [[start, end]], or its `spans`, from a longer list."""
    if not isinstance(said, list) or not said or not isinstance(said[0], list):
        return {"span": said}
    return {"span": said[0]} if len(said) == 1 else {"spans": said}


def video_moments(entry: Entry, spans: str = "timestamps", sentences: str = "sentences") -> Iterator[Record]:
    """The records of `{video: {"duration": s, spans: [[start, end], ...], sentences: ["...", ...]}}`.

    Ids are `<video>_<place in the list, from 0>`. Charades-CD and ActivityNet-CD call the duration `video_duration`.

    Raises:
        UserError: If the two lists are not of one length.
    """
    row = object_of(entry.value)
    said, times = list_of(field(row, sentences), sentences), list_of(field(row, spans), spans)
    if len(said) != len(times):
        raise UserError(f'"{sentences}" has {len(said)} entries and "{spans}" {len(times)}; they belong together')
    name, duration = checked_name(entry.key), field(row, "duration", "video_duration")
    for place, (sentence, span) in enumerate(zip(said, times, strict=True)):
        yield Record(entry.row, f"{name}_{place}", video_file(name), sentence, span=span, duration=duration)


def number_in(value: Any, name: str) -> float:
    """A number that a file may write as text.

    Raises:
        UserError: Naming it, if it is none.
    """
    try:
        plain = isinstance(value, str) and len(value) < 40 and value.isascii() and "_" not in value
        if plain or type(value) in (int, float):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise UserError(f"{name} must be a number, got {shown(value)}")


def whole_in(value: Any, name: str) -> int:
    """A whole number of 0 or more that a file may write as text.

    Raises:
        UserError: Naming it, if it is none.
    """
    found = number_in(value, name)
    if not 0 <= found < 1e9 or found != int(found):
        raise UserError(f"{name} must be a whole number of 0 or more, got {shown(value)}")
    return int(found)
