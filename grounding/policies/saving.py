"""Folders of weights: whole or absent, and safe on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from grounding.core import UserError
from grounding.core.folders import new_folder

# torch's writer and that of tokenizers have no exception of their own.
_SIGNS = ("file write failed", "inline_container", "(os error ")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a folder beside `path` to write to; it becomes `path`, safe on disk, when the block ends well.

    Raises:
        UserError: If `path` exists, or the disk is full or not writable; nothing is left behind then.
    """
    with new_folder(path, partial_of(path)) as partial, writing(path):
        yield partial
        for file in [*partial.rglob("*"), partial]:
            _sync(file)
    _sync(path.parent)


def partial_of(path: Path) -> Path:
    """The folder that `whole_folder` gives, for processes that did not call it."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one line what goes wrong in writing to `path`, whichever library writes.

    Raises:
        UserError: If the disk is full or not writable.
    """
    try:
        yield
    except Exception as error:
        known = isinstance(error, (OSError, SafetensorError)) or any(sign in str(error) for sign in _SIGNS)
        if isinstance(error, UserError) or not known:
            raise
        why = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
        raise UserError(f"cannot write {path}: {why}; what was saved before is intact; free some space") from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
