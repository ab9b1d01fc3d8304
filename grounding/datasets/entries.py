"""The rows of any annotation or prediction file, one at a time: JSON lines, a JSON list or object, tables, text lines.

A large JSON file is never read as a whole: the values of its list or object are parsed one after another.
"""

from __future__ import annotations

import csv
import itertools
import json
import reprlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOBase
from pathlib import Path
from typing import Any

from grounding.core.checks import shown
from grounding.core.errors import UserError
from grounding.core.reading import regular_file

CHUNK = 1 << 20  # characters read at a time
MAX_VALUE = 1 << 28  # characters of one row; more is no annotation
_SPACE = " \t\r\n"
_AFTER = _SPACE + ",:]}"  # what may follow a value
_TOO_MUCH = "numbers too long or brackets too deep"


class RowDecoder(json.JSONDecoder):
    """Reads JSON and knows whether an object in it names a key twice: the last one would win in silence."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=self._object)
        self._twice: str | None = None

    def checked(self, value: Any) -> Any:
        """A value that was just read, or a `UserError` if it names a key twice."""
        twice, self._twice = self._twice, None
        return value if twice is None else UserError(f"the row names {shown(twice)} twice; remove one of the two")

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            self._twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        return value


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


def read_entries(path: Path, decoder: RowDecoder | None = None) -> Iterator[Entry]:
    """All rows of an annotation file; `.jsonl`, `.csv`, `.tsv` and `.txt` by name, otherwise a JSON list or object.

    Args:
        path: The file.
        decoder: Reads a value of JSON; a `RowDecoder` if not given.

    Raises:
        UserError: Naming the file, and the row where it stops being readable.
    """
    if path.suffix in (".csv", ".tsv"):
        yield from _table(path)
    elif path.suffix == ".txt":
        with _opened(path) as file:
            yield from (Entry(row, line.rstrip("\r\n")) for row, line in _lines(file, path) if line.strip())
    else:
        yield from json_entries(path, lines=path.suffix == ".jsonl", decoder=decoder)


def json_entries(path: Path, *, lines: bool, decoder: RowDecoder | None = None) -> Iterator[Entry]:
    """All rows of a file of JSON, whatever its name: one a line, or a JSON list or object.

    Raises:
        UserError: As `read_entries`; a line that cannot be read is an entry instead.
    """
    decoder = decoder or RowDecoder()
    with _opened(path) as file:
        if lines:
            yield from (Entry(row, _parsed(line, decoder)) for row, line in _lines(file, path) if line.strip())
        else:
            yield from _Stream(file, path, decoder).entries()


def read_member(path: Path, name: str) -> Any:
    """What stands under one key of a file that is a JSON object, such as `videos` or `questions`.

    Raises:
        UserError: If the file cannot be read, or has no such key, or has it twice.
    """
    found = [entry.value for entry in read_entries(path) if entry.key == name]
    if not found:
        raise UserError(f'{path}: "{name}" is missing; take the official annotation file')
    wrong = next((value for value in found if isinstance(value, UserError)), None)
    if wrong is not None:
        raise UserError(f"{path}: {wrong}") from wrong
    return found[0]


def object_of(value: Any, name: str = "the row") -> dict[str, Any]:
    """A JSON object.

    Raises:
        UserError: Naming it, if it is something else, or could not be read.
    """
    if isinstance(value, UserError):
        raise value
    if not isinstance(value, dict):
        raise UserError(f"{name} must be a JSON object {{...}}, got {reprlib.repr(value)}")
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
        with regular_file(path).open(encoding="utf-8-sig", newline="") as file:
            yield file
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8; save it as UTF-8") from error


def _lines(file: TextIOBase, path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines; one without an end would fill the memory."""
    for row in itertools.count(1):
        line = file.readline(MAX_VALUE + 1)
        if not line:
            return
        if len(line) > MAX_VALUE:
            raise UserError(f"{path}, line {row}: longer than 256 MB; write one row a line")
        yield row, line


def _parsed(line: str, decoder: RowDecoder) -> Any:
    try:
        line = line.rstrip()  # an end of line would put what is missing before it at column 1
        return decoder.checked(decoder.decode(line))
    except json.JSONDecodeError as error:
        return UserError(f"the line is not JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError):
        return UserError(f"the line is no JSON that can be read: {_TOO_MUCH}")


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

    def __init__(self, file: TextIOBase, path: Path, decoder: RowDecoder) -> None:
        self.file, self.path, self.decoder = file, path, decoder
        self.text, self.at, self.row = "", 0, 0
        self.lines, self.columns = 0, 0  # that were forgotten: whole lines, and characters of the line after

    def entries(self) -> Iterator[Entry]:
        """Every value, with its key in an object; instead of a value whose key came before, what is wrong with it."""
        opening = self._next()
        if not opening:
            raise UserError(f"{self.path} is empty; it should hold a JSON list or object")
        if opening not in ("[", "{"):
            raise self._wrong("expected a JSON list or object")
        closing = "]" if opening == "[" else "}"
        self.at += 1
        keys = set[str]()
        while self._next() != closing:
            self.row += 1
            key = self._key() if opening == "{" else None
            value = self._value()
            if key is not None:
                value = UserError(f"the file names {shown(key)} twice; remove one of the two") if key in keys else value
                keys.add(key)
            yield Entry(self.row, value, key)
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
                    return self.decoder.checked(value)

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
