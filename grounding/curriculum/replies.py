"""What a model replies to questions about samples, each asked several times; every reply is asked for only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from grounding.core import UserTurn


@dataclass(frozen=True)
class Request:
    """A question.

    Args:
        key: Says all that the replies depend on besides the backend: equal keys get the same replies.
        turn: Makes the user's turn; it is called only if the replies are not known, for it may read a video.
    """

    key: str
    turn: Callable[[], UserTurn]


class Backend(Protocol):
    """Who is asked."""

    @property
    def identity(self) -> str:
        """Model, its version, and how replies are drawn: all that they depend on besides the request."""
        ...

    def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
        """Ask each request `count` times.

        Yields:
            The request's place and its `count` texts, in any order, as soon as they are there.

        Raises:
            UserError: If there will be no replies.
        """
        ...
