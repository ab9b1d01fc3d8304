"""Reading numbers from an untrusted binary file: no offset leaves the file, no count allocates more than it holds."""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from grounding.core import UserError
from grounding.core.reading import regular_file


class Cut(UserError):
    """The file ends before what it announces."""


class BinaryFile:
    """A little-endian binary file whose length is known; use as a context manager.

    Args:
        path: The file.

    Raises:
        UserError: If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: BinaryIO = regular_file(path).open("rb")
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from error
        self.length = path.stat().st_size

    def __enter__(self) -> BinaryFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    @property
    def position(self) -> int:
        """Bytes from the start."""
        return self._file.tell()

    def unpack(self, layout: str) -> tuple:
        """The next values in `struct`'s notation, without byte order."""
        return struct.unpack("<" + layout, self.bytes(struct.calcsize("<" + layout)))

    def bytes(self, count: int) -> bytes:
        """The next `count` bytes.

        Raises:
            Cut: If the file has not that many left.
        """
        self._need(count)
        return self._file.read(count)

    def skip(self, count: int) -> None:
        """Go on by `count` bytes; raises as `bytes`."""
        self._need(count)
        self._file.seek(count, 1)

    def seek(self, position: int) -> None:
        """Go to a position that `position` gave."""
        self._file.seek(position)

    def name(self, limit: int = 4096) -> str:
        """A text that ends with a zero byte, at most `limit` bytes long."""
        start = self.position
        text, end, _ = self._file.read(limit).partition(b"\0")
        if not end:
            raise Cut(f"{self.path}: a name at byte {start} does not end within {limit} bytes")
        self.seek(start + len(text) + 1)
        return text.decode("utf-8", "replace")

    def _need(self, count: int) -> None:
        if not 0 <= count <= self.length - self.position:
            raise Cut(f"{self.path} is cut off or damaged: at byte {self.position} it announces {count} bytes, "
                      f"{self.length - self.position} are left")  # fmt: skip
