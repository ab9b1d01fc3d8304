"""Pairing of streams by time, as TUM and ARKitScenes need it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Timeline(Generic[T]):
    """Things that each have a time.

    Args:
        entries: Pairs of a finite time in seconds and a thing, in any order.
    """

    def __init__(self, entries: Iterable[tuple[float, T]]) -> None:
        self._entries = sorted(entries, key=lambda entry: entry[0])
        self._times = [time for time, _ in self._entries]

    def __iter__(self) -> Iterator[tuple[float, T]]:
        """Times and things in the order of time."""
        return iter(self._entries)

    def at(self, time: float, tolerance: float) -> T | None:
        """The thing nearest in time, the earlier of two as near; None if it is farther off than `tolerance` seconds."""
        after = bisect_left(self._times, time)
        near = [index for index in (after - 1, after) if 0 <= index < len(self._times)]
        if not near:
            return None
        nearest = min(near, key=lambda index: abs(self._times[index] - time))
        is_near = abs(self._times[nearest] - time) <= tolerance + 1e-9  # times are decimal fractions
        return self._entries[nearest][1] if is_near else None
