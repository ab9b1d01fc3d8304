"""Finding the answer block of a thinking model's text; in linear time, for the text is not to be trusted."""

from __future__ import annotations


def last_answer(text: str) -> str | None:
    """What stands in the last complete `<answer>...</answer>` outside of the thinking, or None.

    Thinking is everything up to the last `</think>`, and everything from a `<think>` that stays open: an answer that
    the model only considered is not its answer.
    """
    outside = text.rpartition("</think>")[2].partition("<think>")[0]
    before, closed, _ = outside.rpartition("</answer>")
    _, opened, block = before.rpartition("<answer>")
    return block if closed and opened else None
