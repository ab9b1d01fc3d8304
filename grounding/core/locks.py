"""Locks on open files: they end with their process, however that ends, and hold on NFS too."""

from __future__ import annotations

import errno
import fcntl

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # from a file system that has none


def lock(handle: int, *, wait: bool) -> bool:
    """Lock an open file for this process alone.

    Args:
        handle: The open file; the lock ends when it is closed.
        wait: Whether to wait while another process has it.

    Returns:
        Whether the file system has locks.

    Raises:
        BlockingIOError: If another process has it and `wait` is False.
        OSError: If it cannot be locked for another reason.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


def unlock(handle: int) -> None:
    """Give back a file that `lock` locked."""
    fcntl.flock(handle, fcntl.LOCK_UN)
