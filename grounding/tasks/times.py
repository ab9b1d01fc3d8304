"""Reading times: seconds, mm:ss, hh:mm:ss, and ranges of them, as strictly as the grammar says.

A moment is `12`, `12.5`, `12.5s`, `12.5 seconds`, `1:05`, `01:05.5` or `1:02:03`. A range is two of them with `to`,
`and` or a dash between, `from` or `between` before, or `[3.0, 7.0]`, `(3.0, 7.0)`.
"""

from __future__ import annotations

import re

from grounding.core import Interval, ParseFailure
from grounding.tasks.lists import read_list
from grounding.tasks.tags import expected

# No repeat is unbounded, so there is nothing to backtrack into.
_UNIT = r"(?:[ ]?(?:seconds|second|secs|sec|s)\b)?"
_MOMENT = (
    r"(?:(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-9]{2}(?:\.[0-9]{1,17})?)(?![0-9])"
    rf"|([0-9]{{1,6}}(?:\.[0-9]{{1,17}})?){_UNIT})"
)
_TO = r"[ ]?(?:to|and|[-–—])[ ]?"  # noqa: RUF001
_PLAIN = rf"(?:from[ ]|between[ ])?{_MOMENT}{_TO}{_MOMENT}"
_PAIR = rf"[\[(][ ]?{_MOMENT}(?:[ ]?,[ ]?|{_TO}){_MOMENT}[ ]?[\])]"
_FLAGS = re.IGNORECASE | re.ASCII
RANGE = re.compile(rf"{_PLAIN}|{_PAIR}", _FLAGS)
_FORM = "a time range as '3.5 to 7' (seconds, mm:ss or hh:mm:ss)"


def read_range(block: str) -> Interval | ParseFailure:
    """The one range that is all of the block, in seconds; or why there is none."""
    match = RANGE.fullmatch(block.removesuffix(".").rstrip())
    return expected(_FORM, block) if match is None else _interval(match)


def read_ranges(block: str) -> tuple[Interval, ...] | ParseFailure:
    """All ranges of a list, in the order said; () for `[]`. One bad range makes all of them a failure."""
    matches = read_list(block, RANGE)
    if matches is None:
        return expected("time ranges as '3.5 to 7, 12 to 15'", block)
    found = [_interval(match) for match in matches]
    wrong = next((one for one in found if isinstance(one, ParseFailure)), None)
    return wrong or tuple(one for one in found if isinstance(one, Interval))


def write_seconds(value: float) -> str:
    """One decimal, or two where the second is not 0: 0.5, 2.42, 3.0."""
    text = f"{value:.2f}"
    return text[:-1] if text.endswith("0") else text


def _interval(match: re.Match[str]) -> Interval | ParseFailure:
    groups = match.groups()
    used = groups[:8] if groups[2] or groups[3] else groups[8:]
    start, end = _seconds(used[:4]), _seconds(used[4:])
    if start is None or end is None:
        return ParseFailure(f"minutes and seconds go up to 59, got {match.group()[:40]!r}")
    if end < start:
        return ParseFailure(f"the time range is reversed: {match.group()[:80]!r}")
    return Interval(start, end)


def _seconds(groups: tuple[str | None, ...]) -> float | None:
    """Seconds of (hours, minutes, seconds, bare seconds); None where a clock shows 60 or more."""
    hours, minutes, rest, bare = groups
    if bare is not None:
        return float(bare)
    h, m, s = int(hours or 0), int(minutes or 0), float(rest or 0)
    return 3600 * h + 60 * m + s if s < 60 and (m < 60 or not hours) else None
