"""The keys of an annotation row: which there are, and how each is read and checked."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Callable
from typing import Any

from grounding.core.errors import UserError, UserErrors
from grounding.core.intervals import Interval
from grounding.core.tags import TAGS
from grounding.datasets.problems import collecting

_LARGE = 1e9  # neither seconds nor pixels come near
MAX_QUERY = 2000  # characters; a sentence has 200, and a model's context holds no book beside the video

# What chat models write their own tokens like, such as <|im_end|>, and the tags of our answers; prompts are lower case.
RESERVED = re.compile("|".join([r"<\|[^|]{0,100}\|>", *map(re.escape, TAGS)]), re.IGNORECASE)

Box = tuple[float, float, float, float]


def read_fields(value: dict[str, Any], *, marks: bool = True) -> dict[str, Any]:
    """Read the keys of a row.

    Args:
        value: The JSON object, without keys that are null.
        marks: Whether IDs will be drawn; only then a row must have masklets and say which object it is about.

    Returns:
        The arguments of `grounding.datasets.rows.Row`, but its number.

    Raises:
        UserErrors: All that is wrong: missing, unknown and ill-formed keys.
    """
    errors = [_unknown(key) for key in value if key not in _READERS]
    required = ["id", "video", "query"]
    required += ["interval"] if marks or "intervals" not in value else []
    required += ["masklets"] if marks else []
    errors += [f'"{key}" is missing; add it' for key in required if key not in value]
    if "interval" in value and "intervals" in value:
        errors.append('the times must be either "interval" or "intervals", got both')
    truths = [key for key in ("object_id", "boxes") if key in value]
    if marks and len(truths) != 1:
        errors.append(f'the truth must be either "object_id" or "boxes", got {" and ".join(truths) or "neither"}')
    fields = {}
    for key, reader in _READERS.items():
        if key in value:
            with collecting(errors):
                fields[key] = reader(value[key])
    if errors:
        raise UserErrors(errors)
    return fields


def _unknown(key: str) -> str:
    close = difflib.get_close_matches(key[:100], _READERS, n=1)
    hint = f'did you mean "{close[0]}"? Otherwise ' if close else ""
    return f'unknown key {reprlib.repr(key)}; {hint}put it into "meta"'


def _read_text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UserError(f'"{key}" must be a text that is not empty, got {reprlib.repr(value)}')
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise UserError(f'"{key}" holds half of a surrogate pair, which is no character; write the text again')
    return value


def _read_line(key: str, value: Any) -> str:
    """A text for names and paths, which end up in messages and file systems: no control characters."""
    if not _read_text(key, value).isprintable():
        raise UserError(f'"{key}" holds control characters: {reprlib.repr(value)}; remove them')
    return value


def _read_query(value: Any) -> str:
    """A text that cannot be taken for what a model says itself, nor for the place of its video."""
    query = _read_text("query", value)
    if len(query) > MAX_QUERY:
        raise UserError(f'"query" must have at most {MAX_QUERY} characters, got {len(query)}; shorten it')
    if found := RESERVED.search(query):
        raise UserError(f'"query" holds {found.group()!r}, which is a token or tag of the model\'s own; reword it')
    return query


def read_id(value: Any) -> str:
    """An id that fits a line: printable, at most 200 characters.

    Raises:
        UserError: If it does not, or is not a text.
    """
    if len(_read_line("id", value)) > 200:
        raise UserError(f'"id" must have at most 200 characters, got {len(value)}')
    return value


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -_LARGE < value < _LARGE


def _read_interval(value: Any) -> Interval:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):
        raise UserError(f'"interval" must be two finite numbers [start_s, end_s], got {reprlib.repr(value)}')
    return Interval(float(value[0]), float(value[1]))


def _read_intervals(value: Any) -> tuple[Interval, ...]:
    if not isinstance(value, list):
        raise UserError(f'"intervals" must be a list [[start_s, end_s], ...], [] for never, got {reprlib.repr(value)}')
    return tuple(map(_read_interval, value))


def _read_object_id(value: Any) -> int:
    if type(value) is not int or not 1 <= value < _LARGE:
        raise UserError(f'"object_id" must be a whole number >= 1 (0 is the background), got {reprlib.repr(value)}')
    return value


def _read_boxes(value: Any) -> dict[int, Box]:
    if not isinstance(value, dict) or not value:
        form = '{"frame": [x1, y1, x2, y2], ...} with at least one frame'
        raise UserError(f'"boxes" must be an object {form}, got {reprlib.repr(value)}')
    boxes = dict(_read_box(frame, box) for frame, box in value.items())
    if len(boxes) < len(value):
        raise UserError('"boxes" name a frame twice, with and without leading zeros; remove one of the two')
    return boxes


def _read_box(frame: str, box: Any) -> tuple[int, Box]:
    if not (frame.isascii() and frame.isdigit() and len(frame) < 10):
        raise UserError(f'"boxes" must be named by source frames "0", "1", ..., got {reprlib.repr(frame)}')
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise UserError(f'"boxes", frame {frame}: expected four finite numbers, got {reprlib.repr(box)}')
    x1, y1, x2, y2 = map(float, box)
    if not (x1 < x2 and y1 < y2):
        raise UserError(f'"boxes", frame {frame}: expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2, got {box}')
    return int(frame), (x1, y1, x2, y2)


def _read_meta(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f'"meta" must be an object, got {reprlib.repr(value)}')
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "id": read_id,
    "video": lambda value: _read_line("video", value),
    "query": _read_query,
    "interval": _read_interval,
    "intervals": _read_intervals,
    "masklets": lambda value: _read_line("masklets", value),
    "object_id": _read_object_id,
    "boxes": _read_boxes,
    "split": lambda value: _read_line("split", value),
    "completion": lambda value: _read_text("completion", value),
    "thinking": lambda value: _read_text("thinking", value),
    "meta": _read_meta,
}
