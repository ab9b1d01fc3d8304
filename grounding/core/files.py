"""Files that are written whole or not at all, and paths that stay inside their root."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grounding.core.errors import UserError


@contextlib.contextmanager
def whole_file(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it to `path` when the block ends well, remove it otherwise.

    Raises:
        UserError: If `path` exists and `overwrite` is false, or the disk is full or not writable.
    """
    # Named before it is made: a Ctrl-C right after the making finds it, too.
    temporary = path.parent / f".{path.stem}.{secrets.token_hex(4)}{path.suffix}"
    try:
        _begin(path, temporary, overwrite)
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; free some space or choose another") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _begin(path: Path, temporary: Path, overwrite: bool) -> None:
    try:
        if path.exists() and not overwrite:
            raise UserError(f"{path} exists already; choose another name or remove it first")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def write_text(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write a UTF-8 text file whole or not at all."""
    with whole_file(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any, *, overwrite: bool = False) -> None:
    """Write a JSON file whole or not at all; NaN is refused, for JSON has none."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n", overwrite=overwrite)


def read_json(path: Path, what: str) -> Any:
    """The value of a JSON file.

    Args:
        path: The file.
        what: What it holds, for the message.

    Raises:
        UserError: If it cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {what} {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, not JSON, or a number of 5,000 digits
        raise UserError(f"{what} {path} is not JSON: {error}") from error


def inside(root: Path, relative: str) -> Path:
    """`root / relative`, resolved, refused when it would leave `root`.

    Raises:
        UserError: If the path is absolute or climbs out of the root, also through a link.
    """
    try:
        path = (root / relative).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a NUL byte
        raise UserError(f"path {relative!r} cannot be resolved: {error}; give a path inside {root}") from error
    if Path(relative).is_absolute() or not path.is_relative_to(root.resolve()):
        raise UserError(f"path {relative!r} leaves its root {root}; give a path inside it")
    return path
