"""Rows of a bring-your-own annotation file: JSON lines checked key by key, without looking at videos or masks.

One object a line; blank lines are allowed, null means absent, and an unknown key is refused, for it is most often a
misspelt one:

    {"id": "a", "video": "a.mp4", "query": "the red car", "interval": [0.5, 2.0], "masklets": "a_masks",
     "object_id": 3, "split": "train", "meta": {"source": "mine"}}

What is shown and asked:

    id, query    texts
    video        path relative to the dataset's root; or `image`, that of a picture
    frame        number of the one source frame (from 0) that is shown in place of the video; or `time`, its seconds
    segment      [start, end], the part of the video that is shown in place of all of it
    options      2 to 26 texts to choose from, the letter `A. ` before them or not
    previous     the progress in percent that the model is told, as it was said before
    masklets     path of the masks of all objects, relative to the root, where IDs are drawn

The truth, of which a task takes the parts that it asks for. There must be one of the keys that it can use for a part:

    interval     [start, end], when; or `intervals`, [[start, end], ...], with [] for never
    object_id    which object of the masklets, or `object_ids`, a list of several, with [] for none; or
                 `boxes`, {"6": [x1, y1, x2, y2], ...} by source frame: the object of the masklets that they fit best
    box          [x1, y1, x2, y2], where in the `image` or the `frame`
    choices      the letter of the right one of the `options`, "B", or a list of letters where several are right
    number       a count, a measure, or a progress in percent
    text         the right words, or a list where several are right, the usual first

Times are in seconds from the start of the video, also beside a `segment`; frames count from 0; boxes are xyxy in pixels
of the source frame. `episode` (a text that rows share whose progress is compared), `split`, `completion`, `thinking`
(texts for supervised training) and `meta` are optional.

    {"id": "b", "video": "a.mp4", "query": "Why does she turn?", "options": ["He calls.", "She fell."],
     "choices": "A", "intervals": [[3, 7.5]]}
    {"id": "c", "video": "a.mp4", "query": "How many people are there?", "number": 4}
    {"id": "d", "video": "a.mp4", "query": "the red car", "frame": 48, "box": [10, 20, 200, 180]}
    {"id": "g", "image": "a.jpg", "query": "the red car", "box": [10, 20, 200, 180]}
    {"id": "e", "video": "a.mp4", "query": "put the cup on the shelf", "segment": [0, 12], "number": 40}
    {"id": "f", "video": "a.mp4", "query": "the two girls who sit", "masklets": "a_masks", "object_ids": [1, 3]}
"""

from __future__ import annotations

import itertools
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grounding.core.errors import UserError
from grounding.core.intervals import Interval
from grounding.core.reading import parse_json, regular_file
from grounding.core.samples import Answer
from grounding.datasets.fields import KEPT, WHICH_AND_WHEN, Box, Needs, read_fields, read_id
from grounding.datasets.problems import Problem, collecting

_FOREIGN = "for a public dataset in its own files choose data=NAME"
MAX_LINE = 4 << 20  # bytes; boxes on 50,000 frames stay below


@dataclass(frozen=True)
class Row:
    """One annotation, well-formed; whether its files agree with it is not known yet.

    Args:
        number: Line number in the file, 1-based.
        id: Unique in the file.
        video: Path relative to the root; that of a picture, if one is given, which is a video of one frame.
        query: The sentence: not empty, at most 2000 characters, without a model's own tokens such as `<|im_end|>`.
        truth: The parts that the row was read for; an object that has `boxes` is not known yet.
        masklets: Path relative to the root; empty where no IDs are drawn.
        boxes: Source frame -> xyxy in pixels; empty where there are none.
        frame: The one source frame that is shown, from 0, if it is one.
        time: The same in seconds, until `truth.placed` has found the frame.
        segment: The part of the video that is shown, in seconds, if it is one.
        options: Texts to choose from, without letters, if there are some.
        previous: The progress in percent that the model is told, if it is.
        episode: The name that it shares with the rows that it is compared with, if any.
        split: Name of the part of the dataset, if any.
        meta: Whatever the user wants to keep.
        completion: The whole text that supervised training teaches, if it is given.
        thinking: What that text thinks, if only this is given.
    """

    number: int
    id: str
    video: str
    query: str
    truth: Answer = field(default_factory=Answer)
    masklets: str = ""
    boxes: Mapping[int, Box] = field(default_factory=dict)
    frame: int | None = None
    time: float | None = None
    segment: Interval | None = None
    options: Sequence[str] | None = None
    previous: float | None = None
    episode: str | None = None
    split: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    completion: str | None = None
    thinking: str | None = None

    @property
    def kept(self) -> Mapping[str, Any]:
        """`meta`, with what else is given but the truth, by the names of the keys."""
        given = {name: getattr(self, name) for name in KEPT}
        given["segment"] = self.segment and (self.segment.start, self.segment.end)
        return {**self.meta, **{name: value for name, value in given.items() if value is not None}}


def read_rows(
    path: Path, name: str, *, needs: Needs = WHICH_AND_WHEN, marks: bool = True
) -> tuple[list[Row], list[Problem]]:
    """Read an annotation file, keeping the good rows and a problem for each bad one.

    Args:
        path: The file, UTF-8 with or without a byte order mark.
        name: What to call it in problems.
        needs: The parts that truths must have, see `read_fields`.
        marks: Whether IDs will be drawn.

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
                row = Row(number, **read_fields(value, needs=needs, marks=marks))
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
    if not value.keys() & {"id", "video"}:
        keys = reprlib.repr(list(value))
        raise UserError(f'this is no row of data=jsonl, for it has neither "id" nor "video": {keys}; {_FOREIGN}')
    return {key: entry for key, entry in value.items() if entry is not None}


def _id_of(value: dict[str, Any]) -> str | None:
    """The id to name a broken row by, where it has one that fits a line."""
    try:
        return read_id(value.get("id"))
    except UserError:
        return None
