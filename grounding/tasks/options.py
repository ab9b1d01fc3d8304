"""The options of a question: how a prompt shows them, and how many letters an answer may choose from."""

from __future__ import annotations

from collections.abc import Sequence

from grounding.core import Sample
from grounding.datasets.options import letter


def options_of(sample: Sample) -> Sequence[str]:
    """The options of a question, the first of which is called A; none for a question without.

    Whatever else a row's own `meta` holds under that name are none.
    """
    said = sample.meta.get("options")
    return said if isinstance(said, list | tuple) and all(isinstance(one, str) for one in said) else ()


def shown_options(sample: Sample, between: str = "\n") -> str:
    """`(A) red` and so on, each with `between` before it; nothing for a question without options."""
    options = enumerate(options_of(sample))
    return "".join(f"{between}({letter(place)}) {' '.join(option.split())}" for place, option in options)
