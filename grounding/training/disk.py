"""A disk that is full or has become read-only ends a run with one line, whichever library meets it first."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grounding.core import UserError

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
