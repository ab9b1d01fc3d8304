"""Letters of multiple choice."""

from __future__ import annotations

import re

_LETTER = re.compile(r"\(?([A-Z])\)?\.?", re.IGNORECASE | re.ASCII)


def letter(text: str) -> str | None:
    """The letter of a choice, upper case; `B`, `b`, `(B)` and `B.` are letters, `B, the dog` and `A person` are not."""
    found = _LETTER.fullmatch(text.strip())
    return found.group(1).upper() if found else None
