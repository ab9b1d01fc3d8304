"""Spatio-temporal video grounding with IDs drawn on the video: prompt, answer text, parser, decoding to a tube."""

from __future__ import annotations

import re
from dataclasses import replace

from grounding.core import Answer, Interval, Masklets, ParseFailure, UserError
from grounding.core.tags import TAGS
from grounding.tasks.tags import last_answer

# One user turn, no system message, the video after the text.
PROMPTS = {
    "full": (
        "Each object in the video carries a number drawn on it. That number is the object's ID.\n"
        'Sentence: "{query}"\n'
        "Find when the sentence holds, in seconds from the start of the video, and the ID of the object it is about.\n"
        "First think inside <think> </think>: go through what happens and when, and compare the objects by their IDs. "
        "Then give one ID and one time range, in exactly this form:\n"
        "<think>your thoughts</think> <answer>Target ID: N, Time range: A to B</answer>\n"
        "N is a whole number; A and B are seconds, with up to two decimals."
    ),
    # For models too small to read instructions; they learn the form from the warm-up.
    "short": "Query: {query}",
}

MAX_ANSWER = 256  # characters of an answer block; the longest form of the grammar needs fewer than 100

# Read after runs of white space were made one space; no quantifier is unbounded, so there is nothing to backtrack into.
_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,17})?)"
_UNIT = r"(?:[ ]?(?:seconds|second|secs|sec|s))?"
GRAMMAR = re.compile(
    rf"""
    [ ]?target[ ]id[ ]?:
    [ ]?(?:id[ ]?)?(?:\#?([0-9]{{1,6}})|\[([0-9]{{1,6}})\])
    [ ]?[,;.]?[ ]?
    time[ ]range[ ]?:
    [ ]?(?:from[ ]|between[ ])?{_NUMBER}{_UNIT}
    [ ]?(?:to|and|[-–—])[ ]?{_NUMBER}{_UNIT}
    [ ]?\.?[ ]?
    """,  # noqa: RUF001
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


def normalise_query(query: str) -> str:
    """The query as every prompt shows it, in training and in evaluation: lower case, single spaces, no final period."""
    return " ".join(query.lower().split()).rstrip(". ")


def prompt(query: str, kind: str) -> str:
    """The user's turn for a query.

    Args:
        query: The sentence to ground, as annotated.
        kind: A key of `PROMPTS`.

    Raises:
        UserError: If there is no such kind of prompt.
    """
    if kind not in PROMPTS:
        raise UserError(f"there is no prompt {kind!r} for task stvg; known prompts: {', '.join(PROMPTS)}")
    return PROMPTS[kind].format(query=normalise_query(query))


def answer_text(truth: Answer, thinking: str) -> str:
    """The text that a perfect model would write; `parse` reads it back within 0.005 s.

    Args:
        truth: With interval and object id.
        thinking: What to put between the think tags.

    Raises:
        UserError: If the truth lacks interval or id, or the thinking holds one of the tags.
    """
    if truth.interval is None or truth.object_id is None:
        raise UserError("the truth of an stvg sample must have an interval and an object id")
    if any(tag in thinking.lower() for tag in TAGS):
        raise UserError(f"thinking must not hold the tags {' '.join(TAGS)}, got {thinking[:80]!r}")
    start, end = _seconds(truth.interval.start), _seconds(truth.interval.end)
    return f"<think>{thinking}</think> <answer>Target ID: {truth.object_id}, Time range: {start} to {end}</answer>"


def parse(text: str) -> Answer | ParseFailure:
    """Read a model's text strictly: all of the answer or nothing, never an exception, linear in the text's length.

    Only the last `<answer>` block after the thinking is read, and all of it must be
    `Target ID: N, Time range: A to B`. N may be written `3`, `#3`, `[3]` or `ID 3`; it is one number >= 1. The range
    may be written `12.5 to 17`, `12.5s to 17s`, `12-17`, `12.5 and 17` or `from 3 to 7 seconds`, with A <= B.

    Returns:
        An answer with interval and id but no tube yet, or the reason why there is none.
    """
    block = last_answer(text)
    if block is None:
        return ParseFailure("no <answer>...</answer> after the thinking")
    block = " ".join(block.split())
    if len(block) > MAX_ANSWER:
        return ParseFailure(f"the answer is longer than {MAX_ANSWER} characters")
    found = GRAMMAR.fullmatch(block)
    if found is None:
        return ParseFailure(f"expected 'Target ID: N, Time range: A to B', got {block[:80]!r}")
    plain, bracketed, start, end = found.groups()
    object_id = int(plain or bracketed)
    if object_id == 0:
        return ParseFailure("ids begin at 1, got 0")
    if float(end) < float(start):
        return ParseFailure(f"the time range is reversed: {start} to {end}")
    return Answer(Interval(float(start), float(end)), object_id)


def decode(answer: Answer | ParseFailure, masklets: Masklets) -> Answer | ParseFailure:
    """Complete a parsed answer with the tube that it names: that object's own boxes within its interval.

    Frames in which the object is not seen have no box; another object's box is never taken instead. An id that does
    not exist has no tube: it stays None, which scores 0. The interval stays as it was said, also past the video's end.
    """
    if isinstance(answer, ParseFailure):
        return answer
    if answer.interval is None or answer.object_id is None:
        return ParseFailure("a tube needs both an interval and an object id")
    known = answer.object_id in masklets.tracks
    return replace(answer, tube=masklets.tube(answer.object_id, answer.interval) if known else None)


def read(text: str, masklets: Masklets) -> Answer | ParseFailure:
    """`decode(parse(text))`: from a model's text to a tube, or the reason why there is none."""
    return decode(parse(text), masklets)


def _seconds(value: float) -> str:
    """One decimal, or two where the second is not 0: 0.5, 2.42, 3.0."""
    text = f"{value:.2f}"
    return text[:-1] if text.endswith("0") else text
