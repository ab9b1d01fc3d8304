"""A model's chat template is a program out of its folder: jinja's sandbox keeps it from files, this bounds its use.

It runs once for each layout of a user's turn and never sees a text: the texts are filled in afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import select
import signal
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from grounding.core import UserError

SECONDS = 10  # a template takes a thousandth of one
MEMORY = 1 << 30  # bytes beyond what this process has
LETTERS = 1 << 20  # of the result
_LONGEST = 12 * LETTERS + 64  # bytes of the answer as JSON, which may write a letter as two escapes
_MARK = r"TUBELET-TEXT-([0-9]{1,9})-"  # where a text goes


def chat_around(processor: Any, layout: Sequence[str]) -> str:
    """The chat of one user turn, up to where the model answers, with a mark for each text, see `filled`.

    Args:
        processor: Has the template.
        layout: "text" or "video" for each part of the turn.

    Raises:
        UserError: If the template cannot be used, or leaves a part out or moves it.
    """
    texts = (f"TUBELET-TEXT-{number}-" for number in range(layout.count("text")))
    content = [{"type": kind, **({"text": next(texts)} if kind == "text" else {})} for kind in layout]
    chat = [{"role": "user", "content": content}]
    made = bounded(lambda: processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
    video = str(processor.video_token)
    found = [found[0] for found in re.finditer(f"{_MARK}|{re.escape(video)}", made)]
    if found != [part.get("text", video) for part in content]:
        raise UserError(
            "its chat template leaves the question out, or a text or a video is not where the user's turn has it; "
            "take that of the model's family"
        )
    return made


def chat_between(processor: Any) -> str:
    """What stands between an answer and the next one when the user asks again in words, with a mark for the question.

    Without a further system message, which many templates put before the first turn. It begins after the token that
    ends the answer.

    Raises:
        UserError: If the template cannot be used, or leaves a part out.
    """
    first, answer, asked = (f"TUBELET-TEXT-{number}-" for number in (1, 2, 0))
    said = [("user", first), ("assistant", answer), ("user", asked)]
    chat = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said]
    made = bounded(lambda: processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
    _, found, between = made.partition(answer)
    if not found or between.count(asked) != 1:
        raise UserError("its chat template leaves a second question out; take that of the model's family")
    return between.removeprefix(processor.tokenizer.eos_token)


def filled(chat: str, texts: Sequence[str]) -> str:
    """What `chat_around` made with the texts in place; a text is never searched for marks."""
    return re.sub(_MARK, lambda mark: texts[int(mark[1])], chat)


def bounded(render: Callable[[], str]) -> str:
    """What a function returns, run in a copy of this process that may use little time and memory.

    Args:
        render: Renders a chat; it needs neither threads nor a GPU, which the copy does not have.

    Raises:
        UserError: If it raises, takes more than 10 s or 1 GB, or returns more than a million letters.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12: locks of other threads stay locked
        child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(render, writing)
    os.close(writing)
    try:
        said = _read(reading)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not said:
        raise UserError(f"its chat template takes more than {SECONDS} s, or cannot be run")
    kind, text = json.loads(said)
    if kind == "error":
        raise UserError(f"its chat template cannot be rendered: {text}; take that of the model's family")
    return str(text)


def _answer(render: Callable[[], str], writing: int) -> None:
    """In the copy: render, write what came of it, and end without cleaning up what is not its own."""
    answer = "error", f"it takes more than {MEMORY:,} bytes"
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        text = render()
        answer = ("text", text) if len(text) <= LETTERS else ("error", f"it makes more than {LETTERS:,} letters")
    except MemoryError:
        pass
    except Exception as error:  # noqa: BLE001 -- a template may raise anything, and the copy must end here
        answer = "error", " ".join(str(error).split())[:300] or type(error).__name__
    finally:
        with contextlib.suppress(BaseException), os.fdopen(writing, "wb") as file:
            file.write(json.dumps(answer).encode())
        os._exit(0)


def _read(reading: int) -> bytes:
    """All that is written until the writer ends; nothing if it takes too long or writes too much."""
    end, said = time.monotonic() + SECONDS, bytearray()
    while select.select([reading], [], [], max(0.0, end - time.monotonic()))[0]:
        chunk = os.read(reading, 1 << 16)
        if not chunk:
            return bytes(said)
        said += chunk
        if len(said) > _LONGEST:
            break
    return b""
