"""Worker processes that make things ahead of time: what is asked for now is ready when it is needed.

torch's own data loader workers do not fit GRPO: TRL asks for the rows of a generation once for every micro-batch that
learns from it, and each worker would decode them again; a batch goes to one worker, so the first is waited for in
full; and an error comes back as a page of text instead of the one line that says what to mend.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import torch
from torch.multiprocessing.reductions import reduce_tensor

from grounding.core import UserError

Result = TypeVar("Result")

_LARGE = 1 << 20  # bytes from which a tensor or picture goes through shared memory; each takes a file descriptor
_task: Callable[[int], Any]  # of a worker process


class Workers(Generic[Result]):
    """Processes that call one function with the numbers they are given.

    They are spawned, never forked: a fork copies the locks of torch's, OpenCV's and FFmpeg's threads as they happen to
    be held, and can hang on them. They ignore Ctrl-C, which is for the main process, and end with it however it ends.

    Args:
        task: A picklable function of a number; the same number must give the same result.
        count: How many processes, >= 1. They start with the first call of `start`.
    """

    def __init__(self, task: Callable[[int], Result], count: int) -> None:
        # As bytes, which a starting process takes in at once; it would be waited for while it imports torch otherwise.
        made = pickle.dumps(task)
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(count, mp_context=spawn, initializer=_begin, initargs=(made,))

    def start(self, number: int) -> Callable[[], Result]:
        """Have the function called; what is returned waits for the result.

        It raises what the function raised, or UserError if a process died.
        """
        try:
            with _no_interrupt():  # the pool starts its processes here
                future: Future[Result] = self._pool.submit(_run, number)
        except BrokenProcessPool as error:
            raise _died() from error
        return lambda: _result(future)

    def close(self) -> None:
        """Drop what is not begun, wait for what is, and end the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Put Ctrl-C off; a process started meanwhile never hears it, not even before it can say so itself."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _result(future: Future[Result]) -> Result:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise _died() from error


def _died() -> UserError:
    return UserError(
        "a process that reads videos died, perhaps for want of memory; lower trainer.workers (0 for none), "
        "data.max_frames or data.max_pixels"
    )


def _begin(task: bytes) -> None:
    """Set up a worker process; the bytes come from the process that started it."""
    global _task
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)  # the processes themselves are what runs side by side
    cv2.setNumThreads(1)
    ForkingPickler.register(torch.Tensor, _reduce_tensor)
    ForkingPickler.register(np.ndarray, _reduce_array)
    _task = pickle.loads(task)


def _run(number: int) -> Any:
    return _task(number)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _reduce_tensor(value: torch.Tensor) -> Any:
    if value.nbytes < _LARGE and value.dtype != torch.bfloat16:  # which NumPy does not know
        return torch.from_numpy, (value.numpy(),)
    return reduce_tensor(value)


def _reduce_array(value: np.ndarray) -> Any:
    if value.nbytes < _LARGE or value.dtype != np.uint8:
        return value.__reduce__()
    return torch.Tensor.numpy, (torch.from_numpy(np.ascontiguousarray(value)),)
