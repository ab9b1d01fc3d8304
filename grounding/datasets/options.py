"""The options of multiple choice questions, and the letter of the right one."""

from __future__ import annotations

from typing import Any

from grounding.core.checks import shown
from grounding.core.errors import UserError
from grounding.datasets.entries import list_of


def letter(place: int) -> str:
    """The letter of an option: A for 0.

    Raises:
        UserError: If there are more than 26.
    """
    if not 0 <= place < 26:
        raise UserError(f"an option's place must be 0 to 25, got {place}")
    return chr(ord("A") + place)


def lettered(value: Any, options: int) -> dict[str, frozenset[str]]:
    """The truth of a multiple choice from its letter, `C` or `(C)`.

    Raises:
        UserError: If it is no letter of one of the options.
    """
    said = value.strip(" ().").upper() if isinstance(value, str) else ""
    if len(said) != 1 or said not in [letter(place) for place in range(options)]:
        raise UserError(f"the answer must be the letter of one of {options} options, got {shown(value)}")
    return {"choices": frozenset(said)}


def options_of(said: Any) -> list[str]:
    """The options of a question without the letters in front.

    Raises:
        UserError: If they are no list of texts.
    """
    return [checked_option(one) for one in list_of(said, "options")]


def checked_option(said: Any) -> str:
    """An option without the letter in front, `(A) `, `A. ` or `A) `.

    Raises:
        UserError: If it is no text.
    """
    if not isinstance(said, str) or not said.strip():
        raise UserError(f"an option must be a text that is not empty, got {shown(said)}")
    head, space, rest = said.strip().partition(" ")
    bare = head.strip("().")
    marked = space and len(bare) == 1 and bare.isascii() and bare.isupper() and head[-1] in ".)"
    return rest.strip() if marked else said.strip()
