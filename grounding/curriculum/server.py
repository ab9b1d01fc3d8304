"""A model behind an OpenAI-compatible server (vLLM, SGLang, ...), asked many things at a time."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import isfinite
from urllib.parse import urlsplit

from grounding.core import UserError
from grounding.core.checks import plain
from grounding.core.extras import needs
from grounding.curriculum.messages import QUALITY
from grounding.curriculum.replies import Request
from grounding.curriculum.side_by_side import SideBySide

KEY = "TUBELET_SERVER_KEY"  # the environment variable with the server's key


@dataclass(frozen=True)
class ServerBackend:
    """A model behind a server; the server's key, if it wants one, is in the environment variable TUBELET_SERVER_KEY.

    Args:
        url: Where the API begins, such as "http://localhost:8000/v1".
        model: The model's name there.
        temperature: What logits are divided by, >= 0; with 0 a request is sent once and its text repeated.
        top_p: Smallest set of tokens with at least this probability is drawn from.
        max_new_tokens: Longest text.
        at_once: Requests that are under way at the same time.
        timeout: Seconds that a request may take.
        tries: How often it is tried before it is given up.
        pause: Seconds until it is tried again, twice as many each time; more if the server says so.

    Raises:
        UserError: If a value cannot be used.
    """

    url: str
    model: str
    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 256
    at_once: int = 8
    timeout: float = 120.0
    tries: int = 6
    pause: float = 1.0

    def __post_init__(self) -> None:
        check_url(self.url)
        rules = [
            ("temperature", self.temperature, self.temperature >= 0, ">= 0"),
            ("top_p", self.top_p, 0 < self.top_p <= 1, "in (0, 1]"),
            ("max_new_tokens", self.max_new_tokens, self.max_new_tokens >= 1, "at least 1"),
            ("at_once", self.at_once, self.at_once >= 1, "at least 1"),
            ("timeout", self.timeout, self.timeout > 0, "> 0"),
            ("tries", self.tries, self.tries >= 1, "at least 1"),
            ("pause", self.pause, self.pause >= 0, ">= 0"),
        ]
        for name, value, right, rule in rules:
            if not (isfinite(value) and right):
                raise UserError(f"a server's {name} must be {rule}, got {plain(value)}")

    @property
    def spent(self) -> dict[str, float]:
        """Nothing is known of what goes on in the server."""
        return {}

    @property
    def identity(self) -> str:
        """Where and who it is, how texts are drawn, and how frames are shown."""
        drawn = [self.temperature, self.top_p, self.max_new_tokens]
        return json.dumps([self.url.rstrip("/"), self.model, *drawn, f"JPEG of quality {QUALITY} after its time"])

    def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
        """Ask `at_once` requests at a time; when one is given up, those under way are waited for, then it is raised.

        Videos are read in the caller's thread.
        """
        with needs("server"):
            from grounding.curriculum.chat import Chat
        ending = threading.Event()
        with closing(Chat(self, server_key(), count, ending)) as chat:
            threads = SideBySide(chat.texts, self.at_once, ending)
            yield from threads((request.turn(), request.about) for request in requests)


def server_key() -> str | None:
    """The key of the server, of the environment.

    Raises:
        UserError: If it cannot be one.
    """
    key = os.environ.get(KEY) or None
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise UserError(f"the key in {KEY} must be letters, digits and signs, without spaces and line ends")
    return key


def check_url(url: str) -> None:
    """Refuse what is no URL of a server, or holds secrets.

    Raises:
        UserError: Saying what is wrong.
    """
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and (parts.hostname or "").encode("idna") and parts.port != 0
    except ValueError:  # a bracket that is not closed, a port that is no number, a name that is too long
        right = False
    if not right or not url.isprintable() or " " in url:
        raise UserError(f"a server's URL must be like http://localhost:8000/v1, got {url[:200]!r}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UserError(f"a server's URL must hold no user, options or key; give its key in the variable {KEY}")
