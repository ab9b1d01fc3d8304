"""Naming objects by the ids drawn on them.

Grammar of the answer block, all of it: `3`, `#3`, `[3]` or `ID 3`, or for several objects a list of these, `1, 2 and
5` or `[1, 2, 5]`; `ID:`, `IDs:`, `Target ID:` or `Target IDs:` may stand before. Ids begin at 1; `[]` says 'none'.
"""

from __future__ import annotations

import re

from grounding.core import Answer, ParseFailure
from grounding.tasks.lists import read_list
from grounding.tasks.tags import block_of, expected

_HEAD = re.compile(r"(?:target )?ids? ?: ?", re.IGNORECASE | re.ASCII)
_ID = re.compile(r"(?:id )?(?:#?([0-9]{1,6})(?![0-9.])|\[([0-9]{1,6})\])", re.IGNORECASE | re.ASCII)


def parse(text: str) -> Answer | ParseFailure:
    """Read one id strictly: never an exception, linear in the text's length."""
    found = parse_all(text)
    if isinstance(found, ParseFailure):
        return found
    ids = found.object_ids or frozenset()
    return Answer(object_id=min(ids)) if len(ids) == 1 else ParseFailure(f"expected one id, got {len(ids)}")


def parse_all(text: str) -> Answer | ParseFailure:
    """Read a list of at most 64 ids strictly, each counting once: never an exception, linear in the text's length."""
    block = block_of(text)
    if isinstance(block, ParseFailure):
        return block
    head = _HEAD.match(block)
    matches = read_list(block[head.end() if head else 0 :], _ID)
    if matches is None:
        return expected("ids as '3' or '1, 2 and 5'", block)
    ids = frozenset(int(match[1] or match[2]) for match in matches)
    return ParseFailure("ids begin at 1, got 0") if 0 in ids else Answer(object_ids=ids)
