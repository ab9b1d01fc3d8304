"""Questions: options, numbers, progress, words; and answers that come with the times they rest on.

Each function states the grammar of its blocks. All of a block must fit; where an answer has two blocks, each is read
by itself, so that a broken list of times does not take the right option with it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice

from grounding.core import Answer, Interval, ParseFailure
from grounding.tasks.lists import MAX_ITEMS, read_list
from grounding.tasks.tags import block_of, expected
from grounding.tasks.times import read_range, read_ranges

_LETTER = re.compile(r"\(([A-Z])\)|([A-Z])(?![A-Za-z])[.)]?", re.ASCII)
_NUMBER = re.compile(r"[-+]?[0-9]{1,12}(?:\.[0-9]{1,12})?", re.ASCII)
_CITED = re.compile(r"<time>([^<]{0,64})</time>")


def parse_choices(text: str, options: int) -> Answer | ParseFailure:
    """Options by their letters: `B`, `(B)`, `B.`, `B)`, or a list of them, `A, C`; capitals only, no words.

    Args:
        text: The model's text.
        options: How many there are; a letter beyond is a failure.
    """
    block = block_of(text)
    if isinstance(block, ParseFailure):
        return block
    matches = read_list(block, _LETTER)
    letters = frozenset(match[1] or match[2] for match in matches or ())
    if not letters or max(letters) > chr(ord("A") + options - 1):
        return expected(f"the letter of one of {options} options", block)
    return Answer(choices=letters)


def parse_number(text: str) -> Answer | ParseFailure:
    """One decimal number without unit: `12`, `-3.5`."""
    return _number(text, percent=False)


def parse_progress(text: str) -> Answer | ParseFailure:
    """A progress in percent, with or without the sign: `45%` and `45` are the same, `8.5%` and `-10%` are allowed."""
    return _number(text, percent=True)


def parse_words(text: str) -> Answer | ParseFailure:
    """Free words, at most 2,048 characters; nothing at all is a failure."""
    block = block_of(text)
    if isinstance(block, ParseFailure):
        return block
    return Answer(text=block) if block else ParseFailure("the answer is empty")


def parse_grounded(text: str, options: int) -> Answer | ParseFailure:
    """Grounded QA: `<answer>B</answer><glue>[(2.0, 6.5), (11.0, 14.2)]</glue>` (VideoChat-R1).

    Args:
        text: The model's text.
        options: How many there are; 0 for a question whose answer is free words.
    """
    glue = block_of(text, "glue")
    intervals = glue if isinstance(glue, ParseFailure) else read_ranges(glue)
    return _with_times(parse_choices(text, options) if options else parse_words(text), intervals)


def parse_trace(text: str, options: int) -> Answer | ParseFailure:
    """An answer after cited times: `<time>3-7</time> <caption>..</caption> <think>..</think> <answer>B</answer>`.

    Video-Thinker's. The times are those of all `<time>` blocks in order, if there are 1 to 64 and all can be read.
    """
    cited = [read_range(" ".join(match[1].split())) for match in islice(_CITED.finditer(text), MAX_ITEMS + 1)]
    whole = tuple(one for one in cited if isinstance(one, Interval))
    readable = len(whole) == len(cited) and 1 <= len(cited) <= MAX_ITEMS
    return _with_times(parse_choices(text, options), whole if readable else ParseFailure("no readable <time> blocks"))


def _number(text: str, *, percent: bool) -> Answer | ParseFailure:
    block = block_of(text)
    if isinstance(block, ParseFailure):
        return block
    bare = block.removesuffix(".")
    bare = bare.removesuffix("%").rstrip() if percent else bare
    return Answer(number=float(bare)) if _NUMBER.fullmatch(bare) else expected("a number", block)


def _with_times(answer: Answer | ParseFailure, times: tuple[Interval, ...] | ParseFailure) -> Answer | ParseFailure:
    """Both parts, or the one that could be read, or why none could."""
    if isinstance(times, ParseFailure):
        return answer
    return replace(Answer() if isinstance(answer, ParseFailure) else answer, intervals=times)
