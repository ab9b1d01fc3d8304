"""Work shared out to processes, one piece at a time; one that dies costs its piece only, all end with their parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from grounding.core import UserError

PATIENCE = 10.0  # seconds that a process gets to clean up before it is killed

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Worker:
    """A process, our end of the pipe to it, and what it works on."""

    def __init__(self, make: Callable[[int], Any], attempt: Callable[[Any, Any], Any], number: int) -> None:
        context = multiprocessing.get_context("spawn")  # forked processes cannot use a GPU
        self.number, self.item = number, None
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, make, attempt, number), daemon=True)
        self.process.start()
        theirs.close()  # so that we notice when the process closes it

    def give(self, item: Any) -> None:
        self.item = item
        with contextlib.suppress(OSError):  # it has died just now: receiving will tell
            self.pipe.send(item)

    def stop(self) -> None:
        self.process.terminate()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()


def in_processes(
    items: Sequence[Item],
    make: Callable[[int], Any],
    attempt: Callable[[Any, Item], Result],
    died: Callable[[Item, int | None], Result],
    workers: int,
) -> Iterator[Result]:
    """Do `attempt(make(number), item)` for every item in several processes.

    Args:
        items: What to do.
        make: Called once in each process with its number from 0; what it gives is handed to `attempt`.
        attempt: Must not raise.
        died: Gives the result of an item whose process has gone, from its exit code; another process takes its place.
        workers: How many processes, at most one an item.

    Yields:
        Results as they come.

    Raises:
        UserError: If `make` raises one.
    """
    waiting = list(reversed(items))
    crew: list[_Worker] = []
    try:
        for number in range(min(workers, len(items))):
            crew.append(_hired(make, attempt, number, waiting))
        while crew:
            for pipe in wait([worker.pipe for worker in crew]):
                worker = next(worker for worker in crew if worker.pipe is pipe)
                yield _received(worker, died)
                if worker.process.is_alive() and waiting:
                    worker.give(waiting.pop())
                    continue
                crew.remove(worker)
                worker.stop()
                if waiting:
                    crew.append(_hired(make, attempt, worker.number, waiting))
    finally:
        for worker in crew:
            worker.process.terminate()  # all at once, then wait for each
        for worker in crew:
            worker.stop()


def _hired(make: Any, attempt: Any, number: int, waiting: list[Any]) -> _Worker:
    worker = _Worker(make, attempt, number)
    worker.give(waiting.pop())
    return worker


def _received(worker: _Worker, died: Callable[[Any, int | None], Any]) -> Any:
    try:
        result = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join(PATIENCE)
        return died(worker.item, worker.process.exitcode)
    if isinstance(result, UserError):
        raise result
    return result


def _serve(pipe: Connection, make: Callable[[int], Any], attempt: Callable[[Any, Any], Any], number: int) -> None:
    """Work on what comes until nothing comes any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work = make(number)
        while True:
            pipe.send(attempt(work, pipe.recv()))
    except UserError as error:
        pipe.send(UserError(str(error)))  # of `make`
    except (EOFError, BrokenPipeError):
        pass  # the parent is gone
    except SystemExit:
        os._exit(143)  # all is cleaned up by now; unloading torch would take many seconds more
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is left that would have to be cleaned up


def _stop(*_: object) -> None:
    """Unwind, so that half-written files are removed; a second signal does not stop that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def _end_with_parent() -> None:
    """Wait for the parent's end, and end then: one that was killed stops nobody, and a video may take hours."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)
        os._exit(143)
