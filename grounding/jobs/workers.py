"""Worker processes that make things ahead of time: what is asked for now is ready when it is needed.

torch's own data loader workers do not fit GRPO: TRL asks for the rows of a generation once for every micro-batch that
learns from it, and each worker would decode them again; a batch goes to one worker, so the first is waited for in
full; and an error comes back as a page of text instead of the one line that says what to mend.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import psutil
import torch
from torch.multiprocessing.reductions import reduce_tensor

from grounding.core import UserError

Result = TypeVar("Result")

SLICE = 5  # seconds
SAY_EVERY, END_AFTER = 60, 1800  # seconds that a result is waited for, multiples of a slice
GRACE = 10  # seconds that processes have to end
_log = logging.getLogger(__name__)

_LARGE = 1 << 20  # bytes from which a tensor or picture goes through shared memory; each takes a file descriptor
_task: Callable[..., Any]  # of a worker process


class Workers(Generic[Result]):
    """Processes that call one function with a number, and with what else it takes.

    They are spawned, never forked: a fork copies the locks of torch's, OpenCV's and FFmpeg's threads as they happen to
    be held, and can hang on them. They ignore Ctrl-C, which is for the main process, and end with it however it ends.

    Args:
        task: A picklable function of a number and what else it takes; the same must give the same result.
        count: How many processes, >= 1. They start with the first call of `start`.
    """

    def __init__(self, task: Callable[..., Result], count: int) -> None:
        # As bytes, which a starting process takes in at once; it would be waited for while it imports torch otherwise.
        made = pickle.dumps(task)
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(count, mp_context=spawn, initializer=_begin, initargs=(made,))

    def start(self, number: int, *rest: Any) -> Callable[[], Result]:
        """Have the function called; what is returned waits for the result.

        It raises what the function raised, or UserError if a process died.
        """
        try:
            with _no_interrupt():  # the pool starts its processes here
                future: Future[Result] = self._pool.submit(_run, number, *rest)
        except BrokenProcessPool as error:
            raise _died() from error
        return lambda: self._result(future, number)

    def close(self) -> None:
        """Drop what is not begun and end the processes; one that does not end by itself in a while is killed."""
        processes = self._processes()
        self._pool.shutdown(wait=False, cancel_futures=True)
        end = time.monotonic() + GRACE
        for process in processes:
            process.join(max(0, end - time.monotonic()))
            if process.exitcode is None:
                process.kill()
        # A sentinel is ready while its process is still ending; only collecting it shows that it has ended.
        for process in processes:
            process.join(GRACE)

    def _result(self, future: Future[Result], number: int) -> Result:
        # In slices: if the whole run was stopped, it must not find all patience gone when it goes on.
        for waited in range(SLICE, END_AFTER + 1, SLICE):
            if futures.wait([future], timeout=SLICE).done:
                try:
                    return future.result()
                except BrokenProcessPool as error:
                    raise _died() from error
            if waited % SAY_EVERY == 0:
                _log.warning("sample %d has been waited for %d s%s", number, waited, self._stopped())
        raise UserError(f"sample {number} was waited for {END_AFTER} s{self._stopped()}; see what holds up its video")

    def _processes(self) -> list[multiprocessing.Process]:
        return list((self._pool._processes or {}).values())

    def _stopped(self) -> str:
        """Which processes somebody stopped, and how they go on; or nothing."""
        pids = [str(one.pid) for one in self._processes() if _status(one.pid) == psutil.STATUS_STOPPED]
        return f": its process is stopped; kill -CONT {' '.join(pids)} lets it go on" if pids else ""


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


def _status(pid: int | None) -> str:
    try:
        return psutil.Process(pid).status()
    except psutil.Error:  # it ended just now
        return ""


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


def _run(number: int, *rest: Any) -> Any:
    return _task(number, *rest)


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
