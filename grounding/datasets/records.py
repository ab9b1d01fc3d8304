"""From an annotation as its file says it to a sample, with everything that is wrong with it found on the way.

What can be wrong: a span is `reversed` or `empty`, or reaches `beyond` its video (tubes too); a `box` reaches out of
the picture. For each a `Cleaning` says what is done. Nothing else is mended: such a row is refused.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from grounding.core.checks import whole
from grounding.core.errors import UserError
from grounding.core.intervals import Interval
from grounding.core.samples import Answer, Sample
from grounding.core.tubes import Tube
from grounding.datasets.entries import Entry, RowDecoder, read_entries
from grounding.datasets.fields import MAX_QUERY, RESERVED, read_words

Action = Literal["keep", "clamp", "reject"]
MAX_NAME = 3000  # characters of an id or a path; TimeRFT's ids hold a sentence
_SHOWN = 300  # characters of it in a message
_NOTHING = [None, None]  # a span that nobody said
_LARGE = 1e9  # neither seconds nor pixels come near


@dataclass(frozen=True)
class Cleaning:
    """What is done with truths that cannot be right. Official scoring reads the truth as it stands, with its own code.

    `keep` leaves the truth as it is. An `Interval` cannot be reversed, so an empty one at its start stands for such a
    span: like it, it overlaps nothing. `clamp` swaps, cuts off at the video's end or at the picture's edge; an empty
    span cannot be mended and is refused. `reject` refuses the row. What was changed is kept in `meta["raw_spans"]`.

    Raises:
        UserError: If a value is none of the three.
    """

    reversed: Action = "reject"
    empty: Action = "reject"
    beyond: Action = "clamp"
    box: Action = "clamp"

    def __post_init__(self) -> None:
        for kind, action in vars(self).items():
            if action not in get_args(Action):
                raise UserError(f"cleaning.{kind} must be one of {', '.join(get_args(Action))}, got {action!r}")


AS_IT_STANDS = Cleaning("keep", "keep", "keep", "keep")


@dataclass(frozen=True)
class Finding:
    """Something wrong with a row, and what was done about it.

    Args:
        kind: A field of `Cleaning`; or `query`, `id`, `row` (ill-formed), `time`, `duplicate`, `video`, `gold`.
        action: `kept`, `clamped` or `rejected`.
        row: Where in the file, 1-based; 0 for the file's videos.
        sample_id: The sample, or None where it has no id.
        message: In one line.
        amount: Seconds or pixels by which it was clamped.
    """

    kind: str
    action: Literal["kept", "clamped", "rejected"]
    row: int
    sample_id: str | None
    message: str
    amount: float | None = None


class Refused(UserError):
    """Why a row becomes no sample.

    Args:
        kind: See `Finding`.
        message: In one line.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Record:
    """One annotation in our units, but unchecked: what was read from the file may be anything.

    Args:
        row: Where in the file, 1-based.
        id: Unique in the dataset.
        video: Path relative to the folder of the videos.
        query: The sentence or question.
        truth: Parts of the `Answer` that are neither spans nor boxes.
        span: [start, end] in seconds, for tasks with one; None for none.
        spans: [[start, end], ...] for tasks with several; None for none.
        boxes: xyxy in pixels, shape (N, 4), one a frame from `first_frame` (0-based) on; None for none.
        first_frame: Of the boxes.
        duration: Of the video in seconds, where the annotation says it.
        frame_count: Likewise.
        size: (height, width) of the video, likewise.
        meta: What else is worth keeping.
        note: What is odd about its times but kept, to be told.
    """

    row: int
    id: str
    video: str
    query: Any
    truth: dict[str, Any] = field(default_factory=dict)
    span: Any = None
    spans: Any = None
    boxes: np.ndarray | None = None
    first_frame: int = 0
    duration: Any = None
    frame_count: Any = None
    size: tuple[Any, Any] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    note: str | None = None


Read = Iterator["Record | Finding"]


def read_records(path: Path, convert: Callable[[Entry], Iterator[Record]], decoder: RowDecoder | None = None) -> Read:
    """The records of every row of a file, and a finding for each row that is none.

    Args:
        path: The annotation file, see `read_entries`.
        convert: Makes the records of a row; its `UserError`s become findings.
        decoder: See `read_entries`.
    """
    for entry in read_entries(path, decoder):
        try:
            if isinstance(entry.value, UserError):
                raise entry.value
            yield from convert(entry)
        except UserError as error:
            name = None if entry.key is None else one_line(entry.key)
            yield Finding("row", "rejected", entry.row, name, str(error))


def sample_of(record: Record, cleaning: Cleaning) -> tuple[Sample, list[Finding]]:
    """Check a record and mend it as the cleaning says.

    Returns:
        The sample, and what was found and kept or mended.

    Raises:
        Refused: Why there is no sample.
    """
    found = [Finding("time", "kept", record.row, one_line(record.id), record.note)] if record.note else []
    try:
        query = _query(record.query)
        record.duration = _positive(record.duration, "duration")
        record.meta.update(_known(record))
        raw = [record.span] if record.spans is None else record.spans
        truth = Answer(**record.truth, **_times(record, cleaning, found), tube=_tube(record, cleaning, found))
        if any(one.kind != "box" and one.action == "clamped" for one in found):
            record.meta["raw_spans"] = raw
        said = {"option": record.meta.get("options"), "text": truth.text and [truth.text], "right text": truth.also}
        for name, texts in said.items():
            for one in texts or ():
                read_words(name, one)
        return Sample(checked_name(record.id), _path(record.video), query, truth, record.meta), found
    except Refused:
        raise
    except UserError as error:
        raise Refused("row", str(error)) from error


def checked_name(value: Any, what: str = "an id or name") -> str:
    """An id or a path: a printable text of at most 3,000 characters, or a whole number.

    Args:
        value: What the file says.
        what: How to call it in the message.

    Raises:
        UserError: If it is something else.
    """
    if type(value) in (int, float) and abs(value) < 10**15 and value == int(value):  # tables write 76 as 76.0
        return str(int(value))
    if isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable():
        return value
    form = f"a text of at most {MAX_NAME} characters or a whole number"
    raise UserError(f"{what} must be {form}, got {reprlib.repr(value)}")


def one_line(name: str) -> str:
    """An id of whatever kind, to name a row by: printable and short."""
    return name[:_SHOWN] if name.isprintable() else ascii(name[:_SHOWN])


def xyxy_of_xywh(boxes: Any) -> np.ndarray:
    """[left, top, width, height] in pixels to xyxy, shape (N, 4).

    Raises:
        UserError: If it is no list (or array) of four finite numbers each.
    """
    try:
        found = np.asarray(boxes)
    except ValueError as error:  # lists of different lengths
        raise UserError("boxes must be a list of [x, y, width, height], some have more or fewer numbers") from error
    if found.ndim != 2 or found.shape[1] != 4 or found.dtype.kind not in "iuf":
        raise UserError(f"boxes must be a list of [x, y, width, height] in pixels, got {reprlib.repr(boxes)}")
    found = found.astype(float)
    if not (np.abs(found) < _LARGE).all():  # NaN, too
        raise UserError("boxes must be finite numbers of pixels, got one that is infinite, too large or no number")
    found[:, 2:] += found[:, :2]
    return found


def _query(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Refused("query", f"the query must be a text that is not empty, got {reprlib.repr(value)}")
    query = value.strip()
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise Refused("query", "the query holds half of a surrogate pair, which is no character") from error
    if len(query) > MAX_QUERY:
        raise Refused("query", f"the query must have at most {MAX_QUERY} characters, got {len(query)}")
    if reserved := RESERVED.search(query):
        raise Refused("query", f"the query holds {reserved.group()!r}, a token or tag of the model's own")
    return query


def _path(value: Any) -> str:
    path = checked_name(value)
    if path.startswith(("/", "~")) or "\\" in path or ".." in path.split("/"):
        raise UserError(f"the video {path!r} must be a path inside the folder of the videos")
    return path


def _positive(value: Any, name: str) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 < value < _LARGE:
        raise UserError(f"the {name} must be a number above 0 and below {_LARGE:,.0f}, got {reprlib.repr(value)}")
    return float(value)


def _known(record: Record) -> dict[str, Any]:
    """What the annotation says of its video, for whoever checks or samples it."""
    if record.frame_count is not None:
        record.frame_count = whole(record.frame_count, "the number of frames", 1)
    if record.size is not None:
        record.size = (whole(record.size[0], "the height", 1), whole(record.size[1], "the width", 1))
    told = {"row": record.row, "duration": record.duration, "frame_count": record.frame_count, "size": record.size}
    return {name: value for name, value in told.items() if value is not None}


def _times(record: Record, cleaning: Cleaning, found: list[Finding]) -> dict[str, Any]:
    if record.spans is not None:
        if not isinstance(record.spans, list):
            raise UserError(f"the spans must be a list of [start, end], got {reprlib.repr(record.spans)}")
        if record.spans == [_NOTHING]:
            return {}
        return {"intervals": tuple([_interval(span, record, cleaning, found) for span in record.spans])}
    return {} if record.span in (None, _NOTHING) else {"interval": _interval(record.span, record, cleaning, found)}


def _interval(span: Any, record: Record, cleaning: Cleaning, found: list[Finding]) -> Interval:
    """One span as an interval within the video."""
    if not isinstance(span, (list, tuple)) or len(span) != 2 or not all(map(_finite, span)):
        raise UserError(f"a span must be two finite numbers [start, end] in seconds, got {reprlib.repr(span)}")
    start, end = float(span[0]), float(span[1])
    shown = f"[{start:g}, {end:g}] s"
    backwards = end < start
    if backwards:
        _act("reversed", cleaning.reversed, record, f"span {shown} ends before it starts", found, start - end)
        start, end = (start, start) if cleaning.reversed == "keep" else (end, start)
    latest = math.inf if record.duration is None else record.duration
    over = max(end - latest, -start, 0.0)
    if over > 0:
        message = f"span {shown} is not within the video of {latest:g} s"
        _act("beyond", cleaning.beyond, record, message, found, over)
        start = max(start, 0.0)
        end = max(end, start)
        if cleaning.beyond == "clamp":
            start, end = min(start, latest), min(end, latest)
    if start == end and not (backwards and cleaning.reversed == "keep"):
        _act("empty", "keep" if cleaning.empty == "keep" else "reject", record, f"span {shown} has no length", found)
    return Interval(start, end)


def _tube(record: Record, cleaning: Cleaning, found: list[Finding]) -> Tube | None:
    if record.boxes is None:
        return None
    boxes = record.boxes
    if record.first_frame < 0:
        raise UserError(f"the first frame of the boxes must be 0 or later (counted from 0), got {record.first_frame}")
    over = record.first_frame + len(boxes) - (record.frame_count or math.inf)
    if over > 0:
        message = f"boxes on {int(over)} frames past the {record.frame_count} of the video"
        _act("beyond", cleaning.beyond, record, message, found, over)
        boxes = boxes[: max(len(boxes) - int(over), 0)] if cleaning.beyond == "clamp" else boxes
    if record.size is not None and len(boxes):
        height, width = record.size
        edge = np.array([width, height, width, height], float)
        out = 0.0
        if not boxes.min() >= 0 or (boxes > edge).any():  # also where a frame has no box, NaN
            out = float(np.fmax(-np.fmin.reduce(boxes), np.fmax.reduce(boxes) - edge).max())
        if out > 0:
            _act("box", cleaning.box, record, f"a box reaches {out:g} pixels out of the picture", found, out)
            boxes = boxes.clip(0, edge) if cleaning.box == "clamp" else boxes
    if not len(boxes):
        raise UserError("there is no box on any frame of the video")
    return Tube(record.first_frame, boxes)


def _act(
    kind: str, action: Action, record: Record, message: str, found: list[Finding], amount: float | None = None
) -> None:
    """Note what was found and is kept or clamped; refuse it otherwise."""
    if action == "reject":
        raise Refused(kind, message)
    if action == "keep":
        found.append(Finding(kind, "kept", record.row, record.id, message))
    else:
        found.append(Finding(kind, "clamped", record.row, record.id, message, amount))


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and -_LARGE < value < _LARGE


def renamed(sample: Sample, video: str) -> Sample:
    """The sample with another path of its video."""
    return sample if sample.video == video else replace(sample, video=video)
