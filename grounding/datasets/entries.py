"""The rows of any annotation or prediction file, one at a time: JSON lines, a JSON list or object, tables, text lines.

A large JSON file is never read as a whole: the values of its list or object are parsed one after another.
"""

from __future__ import annotations

import csv
import json
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOBase
from pathlib import Path
from typing import Any

from grounding.core.errors import UserError

CHUNK = 1 << 20  # characters read at a time
MAX_VALUE = 1 << 28  # characters of one row; more is no annotation
_SPACE = " \t\r\n"
_AFTER = _SPACE + ",:]}"  # what may follow a value
_TOO_MUCH = "not JSON that can be read: numbers too long or brackets too deep"


class Repeated(dict[str, Any]):
    """A JSON object that names a key twice.

    Args:
        pairs: All that it says.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.twice = next(name for name in names if names.count(name) > 1)


def pairs_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, for a decoder's `object_pairs_hook`: one that names a key twice is known as such."""
    value = dict(pairs)
    return value if len(value) == len(pairs) else Repeated(pairs)


DECODER = json.JSONDecoder(object_pairs_hook=pairs_of)


@dataclass(frozen=True)
class Entry:
    """One row.

    Args:
        row: Line of a file of lines, else place in the list or object; 1-based.
        value: What stands there, or the `UserError` that says why it cannot be read.
        key: Its key in an object, else None.
    """

    row: int
    value: Any
    key: str | None = None


def read_entries(path: Path, decoder: json.JSONDecoder = DECODER) -> Iterator[Entry]:
    """All rows of an annotation file; `.jsonl`, `.csv`, `.tsv` and `.txt` by name, otherwise a JSON list or object.

    Args:
        path: The file.
        decoder: Reads a value of JSON.

    Raises:
        UserError: Naming the file, and the row where it stops being readable.
    """
    if path.suffix in (".csv", ".tsv"):
        yield from _table(path)
    elif path.suffix == ".txt":
        with _opened(path) as file:
            yield from (Entry(row, line.rstrip("\r\n")) for row, line in enumerate(file, 1) if line.strip())
    else:
        yield from json_entries(path, lines=path.suffix == ".jsonl", decoder=decoder)


def json_entries(path: Path, *, lines: bool, decoder: json.JSONDecoder = DECODER) -> Iterator[Entry]:
    """All rows of a file of JSON, whatever its name: one a line, or a JSON list or object.

    Raises:
        UserError: As `read_entries`; a line that cannot be read is an entry instead.
    """
    with _opened(path) as file:
        if lines:
            yield from (Entry(row, _parsed(line, decoder)) for row, line in enumerate(file, 1) if line.strip())
        else:
            yield from _Stream(file, path, decoder).entries()


def read_member(path: Path, name: str) -> Any:
    """What stands under one key of a file that is a JSON object, such as `videos` or `questions`.

    Raises:
        UserError: If the file cannot be read or has no such key.
    """
    for entry in read_entries(path):
        if entry.key == name:
            return entry.value
    raise UserError(f'{path}: "{name}" is missing; take the official annotation file')


def object_of(value: Any, name: str = "the row") -> dict[str, Any]:
    """A JSON object without repeated keys.

    Raises:
        UserError: Naming it, if it is something else, names a key twice, or could not be read.
    """
    if isinstance(value, UserError):
        raise value
    if not isinstance(value, dict):
        raise UserError(f"{name} must be a JSON object {{...}}, got {reprlib.repr(value)}")
    if isinstance(value, Repeated):
        raise UserError(f"{name} names {reprlib.repr(value.twice)} twice; remove one of the two")
    return value


def list_of(value: Any, name: str) -> list[Any]:
    """A JSON list.

    Raises:
        UserError: Naming it, if it is something else.
    """
    if not isinstance(value, list):
        raise UserError(f'"{name}" must be a list, got {reprlib.repr(value)}')
    return value


def field(row: Any, *names: str) -> Any:
    """What stands under the first of the names that a JSON object has.

    Raises:
        UserError: If it has none of them, or is no object.
    """
    if not isinstance(row, dict):
        raise UserError(f'expected an object with "{names[0]}", got {reprlib.repr(row)}')
    for name in names:
        if name in row:
            return row[name]
    raise UserError(f'"{names[0]}" is missing' + (f" (or {', '.join(names[1:])})" if names[1:] else ""))


@contextmanager
def _opened(path: Path) -> Iterator[TextIOBase]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8; save it as UTF-8") from error


def _parsed(line: str, decoder: json.JSONDecoder) -> Any:
    try:
        return decoder.decode(line.rstrip())  # an end of line would put what is missing before it at column 1
    except json.JSONDecodeError as error:
        return UserError(f"the line is not JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError):
        return UserError(f"the line is {_TOO_MUCH}")


def _table(path: Path) -> Iterator[Entry]:
    """Rows by the names of the first line; a row with more or fewer cells is refused."""
    with _opened(path) as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        try:
            names = next(reader, [])
            for row in reader:
                if len(row) == len(names):
                    yield Entry(reader.line_num, dict(zip(names, row, strict=True)))
                elif row:
                    yield Entry(reader.line_num, UserError(f"expected {len(names)} cells, got {len(row)}"))
        except csv.Error as error:
            raise UserError(f"{path}, line {reader.line_num}: not a table: {error}") from error


class _Stream:
    """The values of a JSON list or object, parsed while the file is read."""

    def __init__(self, file: TextIOBase, path: Path, decoder: json.JSONDecoder) -> None:
        self.file, self.path, self.decoder = file, path, decoder
        self.text, self.at, self.row = "", 0, 0
        self.lines, self.columns = 0, 0  # that were forgotten: whole lines, and characters of the line after

    def entries(self) -> Iterator[Entry]:
        """Every value, with its key in an object."""
        opening = self._next()
        if not opening:
            raise UserError(f"{self.path} is empty; it should hold a JSON list or object")
        if opening not in ("[", "{"):
            raise self._wrong("expected a JSON list or object")
        closing = "]" if opening == "[" else "}"
        self.at += 1
        while self._next() != closing:
            self.row += 1
            key = self._key() if opening == "{" else None
            yield Entry(self.row, self._value(), key)
            if self._next() == ",":
                self.at += 1
                if self._next() == closing:
                    raise self._wrong("a comma with nothing after it")
            elif self._next() != closing:
                raise self._wrong(f"expected ',' or '{closing}'")
        self.at += 1
        if self._next():
            raise self._wrong("more text after the end; name a file of JSON lines *.jsonl")

    def _key(self) -> str:
        key = self._value() if self._next() == '"' else None
        if not isinstance(key, str) or self._next() != ":":
            raise self._wrong('expected "key":')
        self.at += 1
        return key

    def _next(self) -> str:
        """The next character that is no space, or nothing at the end."""
        while True:
            while self.at < len(self.text):
                if self.text[self.at] not in _SPACE:
                    return self.text[self.at]
                self.at += 1
            if not self._more(CHUNK):
                return ""

    def _value(self) -> Any:
        self._next()
        size = CHUNK
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                if len(self.text) - self.at > MAX_VALUE:
                    raise self._wrong("one value is longer than 256 MB") from error
                if not self._more(size):
                    raise self._wrong(error.msg, error.pos) from error
                size *= 2  # so that a long value is not parsed from its beginning too often
            except (ValueError, RecursionError) as error:
                raise self._wrong(_TOO_MUCH) from error
            else:
                # A number may go on in the next chunk: 1 in 1.5, 1 in 1e5.
                if (end < len(self.text) and self.text[end] in _AFTER) or not self._more(CHUNK):
                    self.at = end
                    return value

    def _more(self, size: int) -> bool:
        """Read on, forgetting what was parsed; whether there was more."""
        read = self.file.read(size)
        if read:
            self.lines, self.columns = self._place(self.at)
            self.text, self.at = self.text[self.at :] + read, 0
        return bool(read)

    def _place(self, at: int) -> tuple[int, int]:
        """Lines before a place in the text, and characters before it in its own."""
        lines, start = self.text.count("\n", 0, at), self.text.rfind("\n", 0, at) + 1
        return self.lines + lines, at - start if lines else self.columns + at

    def _wrong(self, what: str, at: int | None = None) -> UserError:
        lines, columns = self._place(self.at if at is None else at)
        place = f"{self.path}, line {lines + 1}, column {columns + 1}"
        return UserError(f"{place}: not JSON: {what} (after row {max(self.row - 1, 0)})")
