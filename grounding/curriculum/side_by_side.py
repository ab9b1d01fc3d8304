"""Work that waits for others, such as servers, done side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

from grounding.core import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")


class SideBySide(Generic[Item, Result]):
    """Threads that do a piece of work for one item after another; they do not hold up the end of Python.

    Args:
        work: Called with an item.
        at_once: Number of threads, >= 1.
        ending: Is set when work that is under way should end soon.
    """

    def __init__(self, work: Callable[[Item], Result], at_once: int, ending: threading.Event) -> None:
        self._work, self._at_once, self._ending = work, at_once, ending
        self._jobs: SimpleQueue[tuple[int, Item] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[int, Result] | BaseException] = SimpleQueue()

    def __call__(self, items: Iterable[Item]) -> Iterator[tuple[int, Result]]:
        """Results as they come, each with its item's place.

        When one fails, no more are begun; those under way are waited for and their results given, then it is raised.

        Args:
            items: Taken one by one in the caller's thread, when there is a thread for one.
        """
        for _ in range(self._at_once):
            threading.Thread(target=self._serve, daemon=True).start()
        try:
            yield from self._results(enumerate(items))
        finally:
            self._ending.set()
            for _ in range(self._at_once):
                self._jobs.put(None)

    def _results(self, items: Iterator[tuple[int, Item]]) -> Iterator[tuple[int, Result]]:
        failed: BaseException | None = None
        more, under_way = True, 0
        while more or under_way:
            if more and under_way < self._at_once and self._done.empty():
                try:
                    self._jobs.put(next(items))
                    under_way += 1
                except StopIteration:
                    more = False
                except UserError as error:  # of a video that cannot be read
                    more, failed = False, error
                continue
            came = self._done.get()
            under_way -= 1
            if not isinstance(came, BaseException):
                yield came
                continue
            self._ending.set()
            more, failed = False, failed or came
        if failed:
            raise failed

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._done.put((job[0], self._work(job[1])))
            except BaseException as error:  # noqa: BLE001 -- raised again in the caller's thread
                self._done.put(error)
