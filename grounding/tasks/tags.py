"""Finding the answer block of a thinking model's text; in linear time, for the text is not to be trusted."""

from __future__ import annotations

from grounding.core import ParseFailure, UserError
from grounding.core.tags import TAGS

MAX_BLOCK = 2048  # characters of a block; as many as the longest list that a grammar takes needs


def last_answer(text: str) -> str | None:
    """What stands in the last complete `<answer>...</answer>` outside of the thinking, or None."""
    return last_block(text, "answer")


def last_block(text: str, name: str) -> str | None:
    """What stands in the last complete block of this name outside of the thinking, or None.

    Thinking is everything up to the last `</think>`, and everything from a `<think>` that stays open: an answer that
    the model only considered is not its answer.
    """
    outside = text.rpartition("</think>")[2].partition("<think>")[0]
    before, closed, _ = outside.rpartition(f"</{name}>")
    _, opened, block = before.rpartition(f"<{name}>")
    return block if closed and opened else None


def block_of(text: str, name: str = "answer") -> str | ParseFailure:
    """The same with every run of white space made one space, ready to be matched; or why there is none."""
    block = last_block(text, name)
    if block is None:
        return ParseFailure(f"no <{name}>...</{name}> after the thinking")
    block = " ".join(block.split())
    return block if len(block) <= MAX_BLOCK else ParseFailure(f"the {name} is longer than {MAX_BLOCK} characters")


def answered(block: str, thinking: str) -> str:
    """The whole text of an answer.

    Raises:
        UserError: If the thinking holds one of the tags.
    """
    if any(tag in thinking.lower() for tag in TAGS):
        raise UserError(f"thinking must not hold the tags {' '.join(TAGS)}, got {thinking[:80]!r}")
    return f"<think>{thinking}</think> <answer>{block}</answer>"


def expected(form: str, block: str) -> ParseFailure:
    """A failure that says what the grammar asks for and shows what came."""
    return ParseFailure(f"expected {form}, got {block[:80]!r}")
