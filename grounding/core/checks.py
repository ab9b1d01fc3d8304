"""Checks of single values out of files and options, each with one line that says what was expected and what came."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from grounding.core.errors import UserError

LARGEST = 10**12  # neither ids nor frames, pixels, seconds or bytes of a header come near
_NAME_BYTES = 240  # of a file name; file systems allow 255, and some of our endings come on top


@contextmanager
def within(place: str) -> Iterator[None]:
    """Put the place (file, row, object, frame) in front of the message of a user's mistake."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def whole(value: Any, name: str, least: int = 0) -> int:
    """A whole number of `least` or more, below a million million.

    Raises:
        UserError: Naming it, if it is something else.
    """
    if type(value) is not int or not least <= value < LARGEST:
        raise UserError(f"{name} must be a whole number of {least} or more, got {shown(value)}")
    return value


def number(value: Any, name: str) -> float:
    """A finite number below a million million.

    Raises:
        UserError: Naming it, if it is something else.
    """
    if type(value) not in (int, float) or not -LARGEST < value < LARGEST:
        raise UserError(f"{name} must be a finite number, got {shown(value)}")
    return float(value)


def whole_text(text: str, name: str, least: int = 0) -> int:
    """A whole number written in digits, as `whole`; no sign, no spaces, no separators.

    Raises:
        UserError: Naming it, if the text is something else.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 40):  # int() refuses thousands of digits
        raise UserError(f"{name} must be a whole number of {least} or more, got {shown(text)}")
    return whole(int(text), name, least)


def file_name(text: Any, name: str) -> str:
    """A text that can be the name of a file or folder, on every file system, inside the folder that it is put in.

    Raises:
        UserError: Naming it, if it is empty, `.` or `..`, holds a slash or a control character, or is too long.
    """
    if not isinstance(text, str) or text in ("", ".", ".."):
        raise UserError(f"{name} must be a name, got {shown(text)}")
    if "/" in text or "\\" in text or not text.isprintable():
        raise UserError(f"{name} must be a name without slashes and control characters, got {shown(text)}")
    if len(os.fsencode(text)) > _NAME_BYTES:
        raise UserError(f"{name} must have at most {_NAME_BYTES} bytes to be a file's name, got {shown(text)}")
    return text


def shown(value: Any) -> str:
    """A value as a message shows it: printable and at most 200 characters, whatever it is."""
    if type(value) is int and abs(value) >= 10**40:
        return "a number of more than 40 digits"
    try:
        text = repr(value[:40]) if isinstance(value, str) else reprlib.repr(value)
    except ValueError:  # Python refuses to write thousands of digits
        return "something with a number of thousands of digits"
    return text if len(text) <= 200 else f"{text[:197]}..."


def plain(number: float) -> str:
    """A number as a message shows it, however many digits it has."""
    return shown(number).strip("'")


def unknown(name: str, value: object, known: Iterable[str]) -> str:
    """What to say of a value that is none of the known ones."""
    return f"{name} must be one of {', '.join(known)}, got {value!r}"


def printable(text: str) -> str:
    """A text for the terminal: control characters (such as escape sequences) become visible, lines stay lines.

    Half surrogates, which stand for bytes of a file name that are not UTF-8, are written as `\\udcff`.
    """
    return "".join(char if char.isprintable() or char in "\n\t" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
