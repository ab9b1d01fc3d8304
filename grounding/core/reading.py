"""Whole files from the disk: only regular files, none beyond the limits, and JSON that says one thing."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from grounding.core.checks import shown
from grounding.core.errors import UserError
from grounding.core.limits import check_bytes

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def regular_file(path: str | Path, what: str = "") -> Path:
    """The path of a file that can be opened and read to its end; a pipe or a device would be waited for without end.

    Args:
        path: Where it should be; links are followed.
        what: What it holds, for the message.

    Raises:
        UserError: If it is missing, or no regular file.
    """
    path = Path(path)
    named = f"{what} {path}".strip()
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 -- Path.stat follows links in the same way, but hides a NUL byte
    except OSError as error:
        raise UserError(f"cannot read {named}: {error.strerror or error}") from error
    except ValueError as error:  # a NUL byte, or a character that the file system cannot hold
        raise UserError(f"cannot read {named!r}: no file can have this name ({error})") from error
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise UserError(f"cannot read {named}: it is {kind}; give the path of a file")
    return path


def is_file(path: str | Path) -> bool:
    """Whether a regular file is there; False also where no file can have this name, or it cannot be looked at."""
    return _mode(path) == stat.S_IFREG


def is_folder(path: str | Path) -> bool:
    """Whether a folder is there, as `is_file`."""
    return _mode(path) == stat.S_IFDIR


def _mode(path: str | Path) -> int | None:
    try:
        return stat.S_IFMT(os.stat(path).st_mode)  # noqa: PTH116 -- as above
    except (OSError, ValueError):
        return None


def file_version(path: str | Path) -> str:
    """Changes when a file changes: its size and the time of its last change; of a folder, those of all that is in it.

    Raises:
        UserError: If it is not there, or cannot be looked at.
    """
    path = Path(path)
    try:
        if not is_folder(path):
            return _stamp("", path.stat())
        with os.scandir(path) as entries:
            stamps = sorted(_stamp(entry.name, entry.stat()) for entry in entries)
        return hashlib.sha256("\n".join(stamps).encode("utf-8", "surrogateescape")).hexdigest()
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _stamp(name: str, seen: os.stat_result) -> str:
    return f"{name}{seen.st_size}@{seen.st_mtime_ns}"


def read_bytes(path: str | Path, what: str = "") -> bytes:
    """All bytes of a file.

    Raises:
        UserError: If it is missing, no regular file, larger than the limit, or cannot be read.
    """
    path = regular_file(path, what)
    named = f"{what} {path}".strip()
    try:
        check_bytes(path.stat().st_size, named)
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {named}: {error.strerror or error}") from error


def read_text(path: str | Path, what: str = "") -> str:
    """The text of a UTF-8 file, without a byte order mark; errors as `read_bytes`, or if it is not UTF-8."""
    return _decoded(read_bytes(path, what), f"{what} {path}".strip())


def read_json(path: str | Path, what: str = "") -> Any:
    """The value of a JSON file.

    Args:
        path: The file.
        what: What it holds, for the message.

    Raises:
        UserError: If it cannot be read, is not JSON, or names a key of an object twice.
    """
    return parse_json(read_text(path, what), f"{what} {path}".strip())


def parse_json(text: str | bytes, where: str, *, finite: bool = False) -> Any:
    """The value of a JSON text.

    Args:
        text: Bytes are UTF-8.
        where: What to call it in messages.
        finite: Refuse `NaN` and `Infinity`, which are no JSON. Otherwise they are read as numbers, for many tools write
            them: check numbers with `checks.number`.

    Raises:
        UserError: If it is not JSON, names a key of an object twice, nests too deeply, or has too long a number.
    """
    text = _decoded(text, where) if isinstance(text, bytes) else text
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse if finite else float)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text else ""
        raise UserError(f"{where} is not JSON: {error.msg} ({line}column {error.colno}); mend it there") from error
    except (ValueError, RecursionError) as error:  # ValueError: a number of 5,000 digits
        raise UserError(f"{where} is not JSON that can be read: numbers too long or brackets too deep") from error


def _decoded(data: bytes, named: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{named} is not UTF-8 (byte {error.start}); save it as UTF-8") from error


def _refuse(constant: str) -> float:
    raise UserError(f"{constant} is no JSON number; give a finite one")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise UserError(f"the key {shown(name)} stands twice in one object; remove one of the two")
            seen.add(name)
    return value
