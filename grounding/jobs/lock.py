"""A run folder is held by one run at a time, and a disk that takes no more ends a run with one line.

The first run holds a folder for as long as it lives; another is told who does.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from grounding.core import UserError
from grounding.core.files import parent_of
from grounding.core.locks import lock

LOCK = ".lock"  # in the folder while a run is at work there; says whose it is


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make a folder and hold it for the block; nobody else can meanwhile.

    The lock ends with its process, however that ends: a `.lock` that was left behind locks nothing. It holds on other
    machines too where the file system passes locks on, as NFS does. A folder that is empty at the end is removed.

    Raises:
        UserError: If another process holds it, which is named.
        OSError: If the folder cannot be made or written to.
    """
    handle = _take(folder)
    try:
        yield
    finally:
        with suppress(OSError):  # the lock itself goes with the handle
            (folder / LOCK).unlink()
            folder.rmdir()
        os.close(handle)


def _take(folder: Path) -> int:
    """The open file that is locked now."""
    while True:
        # A run that ended just now may take the folder or the file away.
        with suppress(FileNotFoundError), parent_of(folder / LOCK):
            handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            try:
                _lock(handle, folder)
                if os.path.samestat(os.fstat(handle), (folder / LOCK).stat()):
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, _who().encode(), 0)
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        locks = lock(handle, wait=False)
    except BlockingIOError:
        who = os.pread(handle, 200, 0).decode("utf-8", "replace") or "another process"
        raise UserError(f"out={folder} is in use by {who}; wait for its end, or choose another run folder") from None
    if not locks:
        sys.stderr.write(f"{folder} is on a file system without locks; see to it that no other run writes there\n")


def _who() -> str:
    return f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"


_NO_MORE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


@contextmanager
def naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Say in one line that nothing more can be written; other errors pass.

    TensorBoard writes in a thread: what fails there is raised again where its next figure is handed over, so the
    thread's own traceback is left out.

    Args:
        folder: Named in the message where the error names no file.

    Raises:
        UserError: If the disk is full, over quota, read-only or broken.
    """
    before = threading.excepthook
    threading.excepthook = lambda args: None if _is_disk(args.exc_value) else before(args)
    try:
        yield
    except OSError as error:
        if not _is_disk(error):
            raise
        place = error.filename or folder
        raise UserError(
            f"cannot write {place}: {error.strerror}; what was saved before is intact; free some space, and "
            "resume=latest goes on"
        ) from error
    finally:
        threading.excepthook = before


def _is_disk(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in _NO_MORE
