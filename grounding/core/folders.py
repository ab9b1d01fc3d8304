"""Folders that are written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grounding.core.errors import UserError


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; it becomes `path` when the block ends well, and is removed otherwise.

    Raises:
        UserError: If `path` exists and is no empty folder, or the disk is full or not writable.
    """
    try:
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise UserError(f"{path} exists already; choose another folder or empty it first")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield partial
        partial.chmod(0o755)
        partial.rename(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; free some space or choose another") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
