"""Packages that only some of tubelet needs, and that are installed with its extras."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from grounding.core.errors import UserError

_OURS = ("grounding", "prompting", "rewards", "lift3d", "benchmarks")


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
    """Import in the block what an extra installs.

    Args:
        extra: Its name, as in `pip install tubelet[train]`.

    Raises:
        UserError: If a package is not installed; says how to get it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _OURS:
            raise
        raise UserError(f"{package} is not installed; get it with: pip install 'tubelet[{extra}]'") from error
