"""Rows of a bring-your-own annotation file: JSON lines checked key by key, without looking at videos or masks.

One object a line; blank lines are allowed:

    {"id": "a", "video": "a.mp4", "query": "the red car", "interval": [0.5, 2.0], "masklets": "a_masks",
     "object_id": 3, "split": "train", "meta": {"source": "mine"}}

`video` and `masklets` are relative to the dataset's root, `interval` is in seconds. The truth is `object_id` or
`boxes`, an object of source frame (0-based): [x1, y1, x2, y2] in pixels. Tasks that draw no IDs need neither these
nor `masklets`, and may have several segments, `"intervals": [[0.5, 2.0], ...]`, in place of `interval`. `split`,
`completion`, `thinking` (texts for supervised training) and `meta` are optional, and null means absent. An unknown key
is refused: it is most often a misspelt one.
"""

from __future__ import annotations

import itertools
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grounding.core.errors import UserError
from grounding.core.intervals import Interval
from grounding.core.reading import parse_json, regular_file
from grounding.datasets.fields import Box, read_fields, read_id
from grounding.datasets.problems import Problem, collecting

MAX_LINE = 4 << 20  # bytes; boxes on 50,000 frames stay below


@dataclass(frozen=True)
class Row:
    """One annotation, well-formed; whether its files agree with it is not known yet.

    Args:
        number: Line number in the file, 1-based.
        id: Unique in the file.
        video: Path relative to the root.
        query: The sentence: not empty, at most 2000 characters, without a model's own tokens such as `<|im_end|>`.
        interval: When, in seconds; None where there are `intervals`.
        masklets: Path relative to the root; empty where no IDs are drawn.
        object_id: Which masklet, >= 1, or None where there are boxes.
        boxes: Source frame -> xyxy in pixels; empty where there is an object id.
        split: Name of the part of the dataset, if any.
        meta: Whatever the user wants to keep.
        intervals: When, in several segments, () for never; never where IDs are drawn.
        completion: The whole text that supervised training teaches, if it is given.
        thinking: What that text thinks, if only this is given.
    """

    number: int
    id: str
    video: str
    query: str
    interval: Interval | None = None
    masklets: str = ""
    object_id: int | None = None
    boxes: Mapping[int, Box] = field(default_factory=dict)
    split: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    intervals: tuple[Interval, ...] | None = None
    completion: str | None = None
    thinking: str | None = None

    @property
    def only_interval(self) -> Interval:
        """The interval of a row that was read for a task that draws IDs."""
        assert self.interval is not None
        return self.interval

    @property
    def kept(self) -> Mapping[str, Any]:
        """`meta`, with the texts that are given."""
        given = {"completion": self.completion, "thinking": self.thinking}
        return {**self.meta, **{name: text for name, text in given.items() if text is not None}}


def read_rows(path: Path, name: str, *, marks: bool = True) -> tuple[list[Row], list[Problem]]:
    """Read an annotation file, keeping the good rows and a problem for each bad one.

    Args:
        path: The file, UTF-8 with or without a byte order mark.
        name: What to call it in problems.
        marks: Whether IDs will be drawn, see `read_fields`.

    Raises:
        UserError: If the file cannot be read or holds no row at all.
    """
    rows: dict[str, Row] = {}
    problems: list[Problem] = []
    try:
        for number, line in _lines(path):
            sample_id, errors = None, list[str]()
            with collecting(errors):
                value = _parse_object(line)
                sample_id = _id_of(value)
                row = Row(number, **read_fields(value, marks=marks))
                if row.id in rows:
                    raise UserError(f"id is used by row {rows[row.id].number} already; give each row its own")
                rows[row.id] = row
            if errors:
                problems.append(Problem(name, number, sample_id, "; ".join(errors)))
    except OSError as error:
        raise UserError(f"cannot read annotations {path}: {error.strerror or error}") from error
    if not rows and not problems:
        raise UserError(f"annotations {path} hold no rows; give one JSON object a line")
    return list(rows.values()), problems


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank; of one that is too long only the beginning, so that memory stays bounded."""
    with regular_file(path, "annotations").open("rb") as file:
        for number in itertools.count(1):
            line = part = file.readline(MAX_LINE + 1)
            if not line:
                return
            while part and not part.endswith(b"\n"):
                part = file.readline(MAX_LINE + 1)
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield number, line


def _parse_object(line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE:
        raise UserError(f"the line is longer than {MAX_LINE >> 20} MB; write one JSON object a line, with fewer boxes")
    value = parse_json(line.rstrip(), "the line", finite=True)
    if not isinstance(value, dict):
        raise UserError(f"the line must be a JSON object {{...}}, got {reprlib.repr(value)}")
    return {key: entry for key, entry in value.items() if entry is not None}


def _id_of(value: dict[str, Any]) -> str | None:
    """The id to name a broken row by, where it has one that fits a line."""
    try:
        return read_id(value.get("id"))
    except UserError:
        return None
