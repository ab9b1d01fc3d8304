"""Lines for people: things that share a reason on one line, and no more names on it than can be read."""

from __future__ import annotations

from collections.abc import Mapping

SHOWN = 10  # names on a line; report.json and `inspect --json-out` have all


def by_reason(reasons: Mapping[str, str] | Mapping[int, str], thing: str) -> list[str]:
    """`{"3": "no pose", "4": "no pose"}` of frames becomes `["no pose: frames 3, 4"]`.

    Args:
        reasons: Name -> reason.
        thing: What has the names, in the singular.
    """
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(str(name))
    return [f"{reason}: {listed(of, thing)}" for reason, of in names.items()]


def listed(names: list[str], thing: str) -> str:
    """`frame 3`, `frames 3, 4`, or the first ones and how many more there are."""
    more = len(names) - SHOWN
    shown = ", ".join(names[:SHOWN]) + (f", ... and {more} more" if more > 0 else "")
    return f"{thing}{'s' if len(names) > 1 else ''} {shown}"
