"""Folders that are written whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grounding.core.errors import UserError
from grounding.core.files import check_free, parent_of
from grounding.core.reading import is_folder


@contextmanager
def new_folder(path: str | Path, partial: Path | None = None) -> Iterator[Path]:
    """Give an empty folder beside `path`; it becomes `path` when the block ends well, and is removed otherwise.

    Args:
        path: A folder that does not exist, or is empty.
        partial: The folder to give, for those who must know its name before; what a killed process left there goes.
            If not said, one that no other process has.

    Raises:
        UserError: If `path` exists and is no empty folder, or the disk is full or not writable.
    """
    path = Path(path)
    # "." has no name of its own; a link to a folder stays a link
    place = path.resolve() if is_folder(path) else path.absolute()
    # Named before it is made: a Ctrl-C right after the making finds it, too.
    partial = partial or place.parent / f".{place.name[:64]}.{secrets.token_hex(4)}"
    try:
        check_free(path, folder=True)
        shutil.rmtree(partial, ignore_errors=True)
        with parent_of(partial):
            try:
                partial.mkdir()
                yield partial
                partial.rename(place)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; free some space or choose another") from error
