"""Lines for people: things that share a reason on one line, and no more names on it than can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SHOWN = 10  # names on a line; report.json and `inspect --json-out` have all


def by_reason(reasons: Mapping[str, str] | Mapping[int, str], thing: str) -> list[str]:
    """`{"3": "no pose", "4": "no pose"}` of frames becomes `["no pose: frames 3, 4"]`.

    Args:
        reasons: Name -> reason.
        thing: What has the names, in the singular.
    """
    return grouped(((str(name), reason) for name, reason in reasons.items()), thing)


def grouped(pairs: Iterable[tuple[str, str]], thing: str) -> list[str]:
    """As `by_reason`, for names that may have several reasons.

    Reasons that differ only in words with a digit or a slash (the frame's number, its file) are alike: they share a
    line, which shows the first one.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, reason in pairs:
        groups.setdefault(_kind(reason), []).append((name, reason))
    lines = []
    for group in groups.values():
        names, reasons = zip(*group, strict=True)
        alike = " (and the like)" if len(set(reasons)) > 1 else ""
        lines.append(f"{reasons[0]}{alike}: {listed(list(names), thing)}")
    return lines


def listed(names: list[str], thing: str) -> str:
    """`frame 3`, `frames 3, 4`, or the first ones and how many more there are."""
    more = len(names) - SHOWN
    shown = ", ".join(names[:SHOWN]) + (f", ... and {more} more" if more > 0 else "")
    return f"{thing}{'s' if len(names) > 1 else ''} {shown}"


def amount(count: int, thing: str) -> str:
    """`1 object`, `2 objects`."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _kind(reason: str) -> str:
    return " ".join("" if "/" in word or any(letter.isdigit() for letter in word) else word for word in reason.split())
