"""A second, forgiving reading for evaluation only, which counts what it rescued.

A model that was not trained to our tags may know the answer and miss the form. Rewards never read this way, or the
form would not be learnt; a score may, if it says how many answers it had to rescue. The thinking is never searched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from grounding.core import Answer, ParseFailure
from grounding.tasks.times import RANGE

MAX_TAIL = 4096  # characters at the end of a text; an answer in words stands there

# What to look for in words, last one wins.
RANGES = re.compile(rf"(?<![0-9.:-])(?:{RANGE.pattern})", RANGE.flags)  # not the tail of a longer number
LETTERS = re.compile(
    r"\([A-Z]\)|\b[A-Z](?=[.:)] )"
    r"|(?:(?<=(?i:answer: ))|(?<=(?i:answer is ))|(?<=(?i:answer ))|(?<=(?i:option )))[A-Z]\b",
    re.ASCII,
)
NUMBERS = re.compile(r"(?<![0-9.])[-+]?[0-9]{1,12}(?:\.[0-9]{1,12})?%?(?![0-9])", re.ASCII)
BOXES = re.compile(r"[\[(][0-9., ]{3,128}[\])]", re.ASCII)

Parser = Callable[[str], Answer | ParseFailure]

_THOUGHT = re.compile(r"</think>", re.IGNORECASE)
_OPEN = re.compile(r"<answer>", re.IGNORECASE)
_CLOSE = re.compile(r"</answer>", re.IGNORECASE)


@dataclass
class Lenient:
    """Reads strictly first, then in more and more forgiving ways.

    Args:
        strict: The task's parser.
        wanted: What an answer looks like inside of words.
        counts: How many texts were read in which way: `strict`, `tags` (in capitals, or not closed), `bare` (no tags,
            nothing but the answer), `words` (the last one within other words), `failed`.
    """

    strict: Parser
    wanted: re.Pattern[str]
    counts: Counter[str] = field(default_factory=Counter)

    def __call__(self, text: str) -> Answer | ParseFailure:
        """The answer in the first way in which there is one, else the strict parser's failure; linear in the text."""
        answer = self.strict(text)
        way = "strict"
        if isinstance(answer, ParseFailure):
            rescues = ((how, self.strict(f"<answer>{block}</answer>")) for how, block in self._candidates(text))
            way, answer = next(((how, one) for how, one in rescues if isinstance(one, Answer)), ("failed", answer))
        self.counts[way] += 1
        return answer

    @property
    def rescued(self) -> int:
        """How many answers the strict parser alone would have missed."""
        return self.counts["tags"] + self.counts["bare"] + self.counts["words"]

    def _candidates(self, text: str) -> Iterator[tuple[str, str]]:
        """Ways to read on, each with what may be an answer block."""
        said = _THOUGHT.split(text)[-1]
        if "<think>" in said.lower():  # cut off while thinking: there is no answer
            return
        *before, last = _OPEN.split(said[-MAX_TAIL:])
        block = _CLOSE.split(last)[0] if before else last
        yield ("tags" if before else "bare"), block
        matches = list(self.wanted.finditer(" ".join(block.split())))
        if matches:
            yield "words", matches[-1].group()
