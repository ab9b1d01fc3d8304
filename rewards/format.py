"""Rewards for the form of the text."""

from __future__ import annotations

from grounding.core import Answer, ParseFailure
from rewards.base import reward

TAGS = ("<think>", "</think>", "<answer>", "</answer>")


@reward(range=(0.0, 1.0))
def think_answer_format(answer: Answer | ParseFailure, truth: Answer, text: str) -> float | None:
    """1 if the text is one `<think>...</think>`, white space or nothing, and one `<answer>...</answer>`; else 0.

    STVG-R1's r_f, stricter in one thing: a tag that is nested or comes twice, in capitals too, fails. What stands
    inside the tags is not looked at; the other rewards do that. Linear in the length of the text.

    Returns:
        0 or 1, never None.
    """
    stripped = text.strip()
    lowered = stripped.lower()
    if any(lowered.count(tag) != 1 for tag in TAGS):
        return 0.0
    rest = stripped.partition("</think>")[2]
    between, opened, _ = rest.partition("<answer>")
    well_formed = stripped.startswith("<think>") and opened and not between.strip() and stripped.endswith("</answer>")
    return 1.0 if well_formed else 0.0
