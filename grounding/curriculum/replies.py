"""What a model replies to questions about samples, each asked several times; every reply is asked for only once.

Replies are kept in a file, a JSON line for each request, and found again by who was asked, what, and how often. Runs
may share the file, also at the same time; replies of other models or to other prompts have other keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from grounding.core import Sample, Source, UserError, UserTurn
from grounding.curriculum.store import Texts, open_store
from grounding.tasks.asking import Asking

MOST = 10_000  # replies to a request that may be asked for: a slip of the keyboard must not ask for all memory


@dataclass(frozen=True)
class Request:
    """A question.

    Args:
        key: Says all that the replies depend on besides the backend: equal keys get the same replies.
        turn: Makes the user's turn; it is called only if the replies are not known, for it may read a video.
        about: What the question is about, such as `sample 7`, for messages.
    """

    key: str
    turn: Callable[[], UserTurn]
    about: str = "a request"


class Backend(Protocol):
    """Who is asked."""

    @property
    def identity(self) -> str:
        """Model, its version, and how replies are drawn: all that they depend on besides the request."""
        ...

    @property
    def spent(self) -> Mapping[str, float]:
        """What replies took so far, as far as it is known: `patches`, `read` and `written` tokens."""
        ...

    def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
        """Ask each request `count` times.

        Yields:
            The request's place and its `count` texts, in any order, as soon as they are there.

        Raises:
            UserError: If there will be no replies.
        """
        ...


def request_key(source: Source, sample: Sample, asking: Asking, done: Any = None) -> str:
    """The key of a request about a sample; no video is decoded for it.

    Args:
        source: Where the sample is loaded.
        sample: The sample.
        asking: How it is asked about. Its changes do not count, for they need a moment of a run.
        done: What else was done to the sample before it is asked about, as a JSON value: the name of it and its
            settings, such as `["mask", [[2.0, 4.5]]]`; None, if nothing was.

    Raises:
        UserError: If a file of the sample is not there.
    """
    task = asking.task
    shown = repr(asking.marker) if task.marks else None
    return _hash([task.name, asking.kind, asking.ask(sample), shown, source.version(sample), done])


def silent(known: int, total: int) -> None:
    """For those who show no progress."""


def replies(
    requests: Sequence[Request],
    count: int,
    backend: Backend,
    store: str | Path,
    progress: Callable[[int, int], None] = silent,
) -> Generator[Texts, None, None]:
    """The replies to each request, in the order of the requests; those that are not in the file are asked for.

    Each is in the file as soon as it has come, whatever becomes of the run or of other requests.

    Args:
        requests: What is asked; of equal keys one is asked.
        count: How often each, >= 1.
        backend: Who is asked, unless all replies are known.
        store: The file; it is made with its folders, if it is not there.
        progress: Is told how many requests are answered and how many there are, at the beginning and at each reply.

    Yields:
        The `count` texts of a request.

    Raises:
        UserError: If the backend gives up, or the file is damaged or cannot be written.
    """
    if count < 1:
        raise UserError(f"each request must be asked 1 time or more, got {count}")
    identity = backend.identity
    keys = [_hash([identity, request.key, count]) for request in requests]
    total = len(set(keys))
    with open_store(Path(store), keys) as kept:
        progress(len(kept), total)
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in kept}
        coming = _asked(missing, count, backend)
        for key in keys:
            while key not in kept:
                kept.add(*next(coming))
                progress(len(kept), total)
            yield kept[key]


def _asked(missing: dict[str, Request], count: int, backend: Backend) -> Iterator[tuple[str, Texts]]:
    """Keys and texts as they come from the backend, all of them."""
    keys, left = list(missing), set(missing)
    for place, texts in backend.ask(list(missing.values()), count):
        if len(texts) != count:
            raise UserError(f"a backend must give {count} texts for each request, got {len(texts)}; mend the backend")
        left.discard(keys[place])
        yield keys[place], tuple(texts)
    if left:
        raise UserError(f"a backend must reply to all {len(keys)} requests, {len(left)} are left; mend the backend")


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
