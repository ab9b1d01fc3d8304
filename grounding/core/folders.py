"""Folders that are written whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grounding.core.errors import UserError


@contextmanager
def new_folder(path: Path, partial: Path | None = None) -> Iterator[Path]:
    """Give an empty folder beside `path`; it becomes `path` when the block ends well, and is removed otherwise.

    Args:
        path: A folder that does not exist, or is empty.
        partial: The folder to give, for those who must know its name before; what a killed process left there goes.
            If not said, one that no other process has.

    Raises:
        UserError: If `path` exists and is no empty folder, or the disk is full or not writable.
    """
    # Named before it is made: a Ctrl-C right after the making finds it, too. "." has no name of its own.
    place = path.absolute()
    partial = partial or place.parent / f".{place.name}.{secrets.token_hex(4)}"
    try:
        check_new(path)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        partial.rename(place)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; free some space or choose another") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_new(path: Path) -> None:
    """Refuse a folder that `new_folder` would refuse, before the work that fills it.

    Raises:
        UserError: If `path` exists and is no empty folder.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise UserError(f"{path} exists already; choose another folder or empty it first")
