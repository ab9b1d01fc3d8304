"""Reading a list of like things out of an answer block, all of it or nothing, in linear time."""

from __future__ import annotations

import re

MAX_ITEMS = 64  # more is not an answer but a way to guess

_GAP = re.compile(r" ?[,;]? ?(?:and )?")


def read_list(block: str, item: re.Pattern[str]) -> list[re.Match[str]] | None:
    """The items of a list, separated by commas, semicolons, 'and' or spaces, in brackets `[...]` or without.

    Args:
        block: With single spaces.
        item: What one of them looks like; without unbounded repeats, and never the empty text.

    Returns:
        A match for each of at most 64 items, [] for `[]`; None where anything else stands in the block.
    """
    bare = block.removesuffix(".").rstrip()
    found = _items(bare, item)
    if found is None and bare.startswith("[") and bare.endswith("]"):
        inner = bare[1:-1].strip()
        found = _items(inner, item) if inner else []
    return found


def _items(bare: str, item: re.Pattern[str]) -> list[re.Match[str]] | None:
    found: list[re.Match[str]] = []
    at = 0
    while len(found) < MAX_ITEMS and (match := item.match(bare, at)):
        found.append(match)
        if match.end() == len(bare):
            return found
        gap = _GAP.match(bare, match.end())
        if gap is None or not (gap.group() or bare[match.end() - 1] in ")]"):
            return None
        at = gap.end()
    return None
