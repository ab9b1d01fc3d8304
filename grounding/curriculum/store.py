"""The file in which replies are kept: a line is added for each, and none is ever changed."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from grounding.core import UserError
from grounding.core.checks import shown
from grounding.core.files import writing
from grounding.core.locks import lock, unlock
from grounding.core.reading import parse_json, regular_file

Texts = tuple[str, ...]

LONGEST = 1 << 26  # bytes of a line
_BEGIN = b'{"key": "'

_log = logging.getLogger(__name__)


@contextmanager
def open_store(path: Path, keys: Collection[str]) -> Iterator[Store]:
    """The store in a file, for the block.

    Args:
        path: The file; it is made with its folders, if it is not there.
        keys: Whose replies are wanted; others are checked and left alone.

    Raises:
        UserError: If it cannot be read and written, or a line is damaged; names the line.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            regular_file(path, "the replies")
        file = path.open("ab", buffering=0)  # a buffer would keep what a full disk did not take
    with file:
        yield Store(path, file, keys)


class Store:
    """The replies of a file to some of its keys; others may add to the file at the same time.

    A last line that was torn, since its process was killed or the disk was full, is cut off.

    Args:
        path: Where it is, for messages.
        file: The file, open for adding, without a buffer.
        keys: Whose replies are wanted.
    """

    def __init__(self, path: Path, file: io.FileIO, keys: Collection[str]) -> None:
        self._path, self._file, self._wanted = path, file, frozenset(keys)
        self._known: dict[str, Texts] = {}
        self._end = self._rows = 0  # bytes and lines that were read
        with self._locked() as locks:
            if not locks:
                _log.warning("%s is on a file system without locks; let one run at a time write there", path)
            self._read()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __getitem__(self, key: str) -> Texts:
        return self._known[key]

    def add(self, key: str, texts: Texts) -> None:
        """Keep the replies to a wanted key, unless another process was quicker: then its replies stand.

        Raises:
            UserError: If they cannot be written.
        """
        line = json.dumps({"key": key, "texts": texts}).encode() + b"\n"
        with self._locked():
            self._read()
            if key not in self._known:
                while line:
                    line = line[self._file.write(line) :]
                self._read()

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        """Keep others from the file; whether that can be done here."""
        with writing(self._path):
            locks = lock(self._file.fileno(), wait=True)
            try:
                yield locks
            finally:
                if locks:
                    unlock(self._file.fileno())

    def _read(self) -> None:
        """Take the lines that were added, by whomever, since the last one that was read."""
        with self._path.open("rb") as file:  # anew each time: a buffer would keep what was cut off
            file.seek(self._end)
            while line := file.readline(LONGEST):
                if _torn(line):
                    self._file.truncate(self._end)
                    return
                self._take(line)
                self._end, self._rows = self._end + len(line), self._rows + 1

    def _take(self, line: bytes) -> None:
        try:
            found = parse_json(line, "the line")
            if not isinstance(found, dict) or found.keys() != {"key", "texts"} or not isinstance(found["key"], str):
                raise UserError(f'the line must be {{"key": ..., "texts": [...]}}, got {shown(found)}')
            texts = found["texts"]
            if not (isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)):
                raise UserError(f'"texts" must be a list of texts, got {shown(texts)}')
        except UserError as error:
            where = f"{self._path}, row {self._rows + 1}"
            raise UserError(f"{where}: {error}; remove the line, and its request is asked again") from error
        if found["key"] in self._wanted:
            self._known.setdefault(found["key"], tuple(texts))


def _torn(line: bytes) -> bool:
    """Whether it is the beginning of one of our lines, and the file ends there."""
    ours = line.startswith(_BEGIN) or _BEGIN.startswith(line)
    return ours and not line.endswith(b"\n") and len(line) < LONGEST
