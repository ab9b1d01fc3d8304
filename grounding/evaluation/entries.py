"""Rows of any prediction or annotation file, as JSON lines, a JSON list or a JSON object by id, with where they stand.

What is wrong with one row is told with that row; what is wrong with the whole file is a `UserError`.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from grounding.core import UserError

T = TypeVar("T")
LARGE = 1e15  # no second, pixel, metre or score comes near


class Repeated(dict[str, Any]):
    """A JSON object that names a key twice; `pairs` holds all of it."""

    pairs: list[tuple[str, Any]]


@dataclass(frozen=True)
class Entry:
    """One row.

    Args:
        row: Line of JSON lines, place in a list or an object otherwise; 1-based.
        value: What stands there.
        key: Its key in an object, else None.
        error: Why there is no value.
    """

    row: int
    value: Any
    key: str | None = None
    error: str | None = None


def read_entries(path: Path) -> list[Entry]:
    """All rows of a file: `.jsonl` one a line, otherwise a JSON list or object, or one a line after all.

    Raises:
        UserError: Naming the file, if it cannot be read, is not UTF-8, not JSON, or holds no rows.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    entries = _lines(text) if path.suffix == ".jsonl" else _whole(text, path)
    if not entries:
        raise UserError(f"{path} holds no rows; give one JSON object a line, a JSON list, or an object by id")
    return entries


def read_truths(
    path: Path,
    parse: Callable[[Any], T],
    identify: Callable[[Entry], str] | None = None,
    entries: Iterable[Entry] | None = None,
) -> dict[str, T]:
    """The rows of an annotation file by id, in their order; all of them must be right.

    Args:
        path: The file.
        parse: Reads the value of a row.
        identify: The id of a row; `id_of` if not given.
        entries: The rows, if not those of `read_entries`.

    Raises:
        UserError: Naming file and row of the first that `parse` refuses, that is not JSON, or whose id is taken.
    """
    truths: dict[str, T] = {}
    for entry in read_entries(path) if entries is None else entries:
        sample = entry.key
        try:
            if entry.error:
                raise UserError(entry.error)
            sample = (identify or id_of)(entry)
            if sample in truths:
                raise UserError("the id is taken by a row before; give each row its own")
            truths[sample] = parse(entry.value)
        except UserError as error:
            raise UserError(f"{path}, row {entry.row}{f' ({sample})' if sample else ''}: {error}") from error
    return truths


def _whole(text: str, path: Path) -> list[Entry]:
    try:
        value = _parse(text)
    except json.JSONDecodeError as error:
        entries = _lines(text)
        if len(entries) > 1 and entries[0].error is None:
            return entries
        raise UserError(f"{path}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON that can be read: numbers too long or brackets too deep") from error
    if isinstance(value, list):
        return [Entry(row, one) for row, one in enumerate(value, start=1)]
    if isinstance(value, dict):
        pairs = value.pairs if isinstance(value, Repeated) else value.items()
        return [Entry(row, one, key) for row, (key, one) in enumerate(pairs, start=1)]
    raise UserError(f"{path}: expected a JSON list, an object by id, or JSON lines, got {reprlib.repr(value)}")


def _lines(text: str) -> list[Entry]:
    return [_line(row, line) for row, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _line(row: int, line: str) -> Entry:
    try:
        return Entry(row, _parse(line))
    except json.JSONDecodeError as error:
        return Entry(row, None, error=f"the line is not JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError):
        return Entry(row, None, error="the line is not JSON that can be read: numbers too long or brackets too deep")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    repeated = Repeated(value)
    repeated.pairs = pairs
    return repeated


_parse = json.JSONDecoder(
    object_pairs_hook=_pairs
).decode  # one for all lines: making it takes longer than a short line


def text_id(value: Any) -> str:
    """An id: a text or a whole number, printable and of at most 300 characters.

    Raises:
        UserError: If it is neither.
    """
    if type(value) is int and abs(value) < 10**15:
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= 300 and value.isprintable():
        return value
    raise UserError(f"an id must be a text or a whole number, got {reprlib.repr(value)}")


def id_of(entry: Entry, names: Sequence[str] = ("id", "qid", "sample_id")) -> str:
    """The id of a row: its key in an object, or what stands under the first of the names that it has.

    Raises:
        UserError: If it has none.
    """
    if entry.key is not None:
        return text_id(entry.key)
    row = object_of(entry.value, "the row")
    for name in names:
        if name in row:
            return text_id(row[name])
    raise UserError(f'"{names[0]}" is missing; say which sample the row is about')


def object_of(value: Any, name: str) -> Mapping[str, Any]:
    """A JSON object without repeated keys.

    Raises:
        UserError: If it is something else, or names a key twice.
    """
    if isinstance(value, Repeated):
        keys = [key for key, _ in value.pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UserError(f"{name} names {reprlib.repr(twice)} twice; remove one of the two")
    if not isinstance(value, dict):
        raise UserError(f"{name} must be a JSON object {{...}}, got {reprlib.repr(value)}")
    return value


def field(row: Any, *names: str) -> Any:
    """What stands under the first of the names that a JSON object has.

    Raises:
        UserError: If it has none of them, or is no object.
    """
    if not isinstance(row, Mapping):
        raise UserError(f'expected an object with "{names[0]}", got {reprlib.repr(row)}')
    for name in names:
        if name in row:
            return row[name]
    raise UserError(f'"{names[0]}" is missing' + (f" (or {', '.join(names[1:])})" if names[1:] else ""))


def numbers(value: Any, name: str, width: int | None = None) -> np.ndarray:
    """Finite numbers, shape (n,), or (n, width) for a list of lists.

    Raises:
        UserError: Saying what came instead.
    """
    what = f"{name} must be a list of " + (f"lists of {width} finite numbers" if width else "finite numbers")
    if not isinstance(value, list):
        raise UserError(f"{what}, got {reprlib.repr(value)}")
    if not value:
        return np.zeros((0, width) if width else 0)
    try:
        array = np.array(value)
    except ValueError as error:  # lists of different lengths
        raise UserError(f"{what}, got lists of different lengths") from error
    if array.dtype.kind not in "iuf" or array.shape[1:] != ((width,) if width else ()):
        raise UserError(f"{what}, got {reprlib.repr(value)}")
    array = array.astype(float)
    good = (np.abs(array) < LARGE).reshape(len(array), -1).all(axis=1)  # False for NaN, too
    if not good.all():
        at = int(good.argmin())
        raise UserError(f"{what}, got {reprlib.repr(value[at])} at place {at + 1}")
    return array


def ordered(intervals: np.ndarray, name: str) -> np.ndarray:
    """Intervals that end no earlier than they begin, shape (n, 2 or more), given back as they are.

    Raises:
        UserError: Showing the first that is reversed.
    """
    wrong = intervals[:, 1] < intervals[:, 0]
    if wrong.any():
        start, end = intervals[int(wrong.argmax()), :2].tolist()
        raise UserError(f"{name} is reversed: it starts at {start} and ends at {end}")
    return intervals
