"""The order of names that hold numbers."""

from __future__ import annotations


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts `frame2` before `frame10`, and is the same for `frame2` and `frame0002`."""
    parts: list[str] = []
    for letter in name:
        if parts and parts[-1][0].isdecimal() == letter.isdecimal():
            parts[-1] += letter
        else:
            parts.append(letter)
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
