"""Temporal grounding: from a text to the interval, or the intervals, that it answers with.

Grammar of the answer block, all of it: one time range, as `grounding.tasks.times` reads it; for several segments a
list of them, `3 to 7, 12 to 15.5`, `3-7 12-15.5` (MUSEG) or `[(3, 7), (12, 15.5)]`, and `[]` for 'never'.
"""

from __future__ import annotations

from grounding.core import Answer, ParseFailure
from grounding.tasks.tags import block_of
from grounding.tasks.times import read_range, read_ranges


def parse(text: str) -> Answer | ParseFailure:
    """Read one time range strictly: never an exception, linear in the text's length."""
    block = block_of(text)
    interval = block if isinstance(block, ParseFailure) else read_range(block)
    return interval if isinstance(interval, ParseFailure) else Answer(interval)


def parse_segments(text: str) -> Answer | ParseFailure:
    """Read a list of at most 64 time ranges strictly: never an exception, linear in the text's length."""
    block = block_of(text)
    intervals = block if isinstance(block, ParseFailure) else read_ranges(block)
    return intervals if isinstance(intervals, ParseFailure) else Answer(intervals=intervals)
