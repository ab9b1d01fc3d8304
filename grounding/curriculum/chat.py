"""Asking an OpenAI-compatible server; what may pass is tried again, ever later.

That is: no connection, a busy or failing server, no reply in time, and a reply that makes no sense.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx2

from grounding.core import UserError, UserTurn
from grounding.core.checks import printable
from grounding.core.reading import parse_json
from grounding.curriculum.messages import content_of

if TYPE_CHECKING:
    from grounding.curriculum.server import ServerBackend

LONGEST = 1 << 24  # bytes of a reply
LONGEST_WAIT = 600.0  # seconds until the next try, whatever the server says
_REFUSALS = (400, 422)  # of a request that the server does not take
_PASSING = (408, 425, 429)  # statuses below 500 that may pass
_HINTS = {
    401: "give the server's key in the environment variable TUBELET_SERVER_KEY",
    403: "give a key that may do this in the environment variable TUBELET_SERVER_KEY",
    404: "mend the URL, which mostly ends in /v1, or the name of the model",
    429: "ask fewer at once",
}


class _Passing(Exception):
    """What the next try may not meet.

    Args:
        happened: What, said of the server.
        hint: What to do if it stays.
        wait: Seconds until the server wants to be asked again.
    """

    def __init__(self, happened: str, hint: str, wait: float = 0.0) -> None:
        super().__init__(happened)
        self.hint, self.wait = hint, wait


class _Refused(Exception):
    """The server takes no such request; says why."""


class Chat:
    """A connection to a server.

    Args:
        backend: Which server, and how it is asked.
        key: The server's key, if it wants one.
        count: How often each turn is put to it.
        ending: Once it is set, nothing is tried again.
    """

    def __init__(self, backend: ServerBackend, key: str | None, count: int, ending: threading.Event) -> None:
        self._backend, self._count, self._ending = backend, count, ending
        self._url, self._key = f"{backend.url.rstrip('/')}/chat/completions", key
        self._one_by_one = False  # whether the server refuses to give several texts at once
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        limits = httpx2.Limits(max_connections=backend.at_once)
        try:
            httpx2.URL(self._url)
            self._http = httpx2.Client(headers=headers, timeout=backend.timeout, limits=limits)
        except (httpx2.InvalidURL, ValueError, ImportError) as error:
            raise UserError(f"cannot use {backend.url}: {error}; mend it, or the proxy of the environment") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def texts(self, asked: tuple[UserTurn, str]) -> list[str]:
        """What the model replies, `count` times.

        Args:
            asked: The user's turn, and what it is about, for messages.

        Raises:
            UserError: If the server does not take the request, or it was tried as often as it may be.
        """
        turn, about = asked
        content = content_of(turn)
        wanted = self._count if self._backend.temperature > 0 else 1
        texts: list[str] = []
        while len(texts) < wanted:
            number = 1 if self._one_by_one else wanted - len(texts)
            try:
                texts += self._tried(content, number)[:number]
            except _Refused as error:
                if number == 1:
                    raise UserError(f"{self._url} refuses {about}: {error}; mend what it names") from error
                self._one_by_one = True
        return texts * (self._count // wanted)

    def _tried(self, content: list[dict[str, Any]], number: int) -> list[str]:
        for tried in range(1, self._backend.tries + 1):
            try:
                return self._once(content, number)
            except _Passing as error:
                wait = min(max(error.wait, self._backend.pause * 2 ** min(tried - 1, 20)), LONGEST_WAIT)
                if tried == self._backend.tries or self._ending.wait(wait):
                    often = "" if tried == 1 else f", {tried} times in a row"
                    raise UserError(f"{self._url} {error}{often}; {error.hint}") from error
        raise AssertionError("a request is tried once or more")

    def _once(self, content: list[dict[str, Any]], number: int) -> list[str]:
        backend = self._backend
        body = {
            "model": backend.model,
            "messages": [{"role": "user", "content": content}],
            "n": number,
            "temperature": backend.temperature,
            "top_p": backend.top_p,
            "max_tokens": backend.max_new_tokens,
        }
        try:
            with self._http.stream("POST", self._url, content=json.dumps(body)) as response:
                text = self._body(response)
        except httpx2.TimeoutException as error:
            raise _late(backend) from error
        except httpx2.TransportError as error:
            happened = f"cannot be reached ({self._said(str(error))})"
            raise _Passing(happened, "start the server, or mend the URL") from error
        except httpx2.DecodingError as error:
            raise _nonsense("what cannot be unpacked") from error
        if response.status_code != 200:
            raise self._failure(response.status_code, response.headers, text)
        return _texts(text)

    def _body(self, response: httpx2.Response) -> bytes:
        """What the server sends, within the time and up to the most bytes."""
        end, text = time.monotonic() + self._backend.timeout, bytearray()
        for part in response.iter_bytes():
            text += part
            if len(text) > LONGEST:
                raise _nonsense(f"more than {LONGEST:,} bytes")
            if time.monotonic() > end:
                raise _late(self._backend)
        return bytes(text)

    def _failure(self, status: int, headers: Mapping[str, str], text: bytes) -> Exception:
        happened = f"{status} {self._said(_reason(text))}".strip()
        if status in _REFUSALS:
            return _Refused(happened)
        if status in _PASSING or status >= 500:
            hint = _HINTS.get(status, "look into the server's log")
            return _Passing(f"answers {happened}", hint, _wait(headers.get("Retry-After", "")))
        return UserError(f"{self._url} answers {happened}; {_HINTS.get(status, 'mend the URL')}")

    def _said(self, text: str) -> str:
        """Words of others for a message: one line, not too long, and never with the key."""
        text = text if self._key is None else text.replace(self._key, "(the key)")
        return printable(" ".join(text.split()))[:300]


def _late(backend: ServerBackend) -> _Passing:
    return _Passing(f"did not reply within {backend.timeout:g} s", "give it more time, or ask fewer at once")


def _nonsense(what: str) -> _Passing:
    return _Passing(f"replies {what}", "see whether it is an OpenAI-compatible server, and look into its log")


def _texts(reply: bytes) -> list[str]:
    """The texts of a chat completion."""
    try:
        value = parse_json(reply, "the reply")
    except UserError as error:
        raise _nonsense("what is not JSON") from error
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list) or not choices:
        raise _nonsense("without choices")
    return [_text(choice) for choice in choices]


def _text(choice: Any) -> str:
    message = choice.get("message") if isinstance(choice, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str):
        cut = isinstance(choice, dict) and choice.get("finish_reason") == "length"
        raise _nonsense("without a text" + (", for it used up max_new_tokens" if cut else ""))
    return content.encode("utf-8", "replace").decode()  # half surrogates can be in JSON, but in no file


def _reason(text: bytes) -> str:
    """What a server says of a failure."""
    said = text.decode("utf-8", "replace")
    try:
        value = parse_json(said, "the reply")
    except UserError:
        return said
    found = value.get("error", value) if isinstance(value, dict) else value
    found = found.get("message") if isinstance(found, dict) else found
    return found if isinstance(found, str) else said


def _wait(said: str) -> float:
    """Seconds of a `Retry-After` header, which may name a time; 0 if it is neither."""
    if said.isascii() and said.isdigit() and len(said) < 10:
        return float(said)
    try:
        return parsedate_to_datetime(said).timestamp() - time.time()
    except (ValueError, OverflowError, OSError):
        return 0.0
