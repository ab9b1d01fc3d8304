"""A second, forgiving reading for evaluation only, which counts what it rescued.

A model that was not trained to our tags may know the answer and miss the form. Rewards never read this way, or the
form would not be learnt; a score may, if it says how many answers it had to rescue. The thinking is never searched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

from grounding.core import Answer, ParseFailure
from grounding.tasks.times import RANGE

MAX_TAIL = 4096  # characters at the end of a text; an answer in words stands there

# What is counted in something else than seconds.
_OTHER = r"(?:frames?|minutes?|mins?|hours?|percent|%|\u5206|\u5e27)"
_AFTER_OTHER = r"(?<!frame )(?<!frames )(?<!frame: )(?<!frames: )(?<!minute )(?<!minutes )(?<!min )(?<!\u5206)"
_NOT_OTHER = rf"(?![0-9])(?!\.[0-9])(?! ?{_OTHER})"

# What to look for in words, last one wins; no part of a longer number.
RANGES = re.compile(rf"(?<![0-9.:-]){_AFTER_OTHER}(?:{RANGE.pattern}){_NOT_OTHER}", RANGE.flags)
LETTERS = re.compile(
    r"\([A-Z]\)|\b[A-Z](?=[.:)] )"
    r"|(?:(?<=(?i:answer: ))|(?<=(?i:answer is ))|(?<=(?i:answer ))|(?<=(?i:option )))[A-Z]\b",
    re.ASCII,
)
NUMBERS = re.compile(r"(?<![0-9.])[-+]?[0-9]{1,12}(?:\.[0-9]{1,12})?%?(?![0-9])", re.ASCII)
BOXES = re.compile(r"[\[(][0-9., ]{3,128}[\])]", re.ASCII)

Parser = Callable[[str], Answer | ParseFailure]

# How JSON and Chinese write a range, to be made ours; what stands there as a moment is checked by the strict parser.
_SIGNS = str.maketrans(
    {"\u79d2": "s", "\u5230": " to ", "\u81f3": " to ", "\u7b2c": " ", "\uff0c": ", ", "\uff1a": ": "}
)
_QUOTES = str.maketrans("", "", "\"'\u201c\u201d")
_MOMENT = r"[0-9][0-9:.]{0,15}(?: ?(?:seconds?|secs?|s)\b)?"
_QUOTED = re.compile(rf'"({_MOMENT})" ?, ?"({_MOMENT})"', RANGE.flags)
_IS = r"(?:[ _]?(?:time(?:stamp)?|\u65f6\u95f4))? ?[:=] ?"
_KEYS = re.compile(
    rf"(?:start|begin|\u5f00\u59cb){_IS}({_MOMENT}) ?[,;]? ?(?:and )?(?:end|\u7ed3\u675f){_IS}({_MOMENT})", RANGE.flags
)

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
            nothing but the answer), `words` (the last one within other words), `failed`; the last way that was needed.
    """

    strict: Parser
    wanted: re.Pattern[str]
    counts: Counter[str] = field(default_factory=Counter)

    def __call__(self, text: str) -> Answer | ParseFailure:
        """The answer in the first way in which there is one, else the strict parser's failure; linear in the text.

        Of an answer in two parts, such as an option and times, each part is read in the first way that has it.
        """
        answer = self.strict(text)
        way = "failed" if isinstance(answer, ParseFailure) else "strict"
        for how, block in self._candidates(text):
            rescue = self.strict(f"<answer>{block}</answer>")
            if isinstance(rescue, Answer) and (more := _more(answer, rescue)):
                way, answer = how, rescue if isinstance(answer, ParseFailure) else replace(answer, **more)
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
        matches = list(self.wanted.finditer(_plain(block)))
        if matches:
            yield "words", matches[-1].group()


def _more(answer: Answer | ParseFailure, rescue: Answer) -> dict[str, Any]:
    """What a rescued answer has and the other lacks, by the name of the part."""
    said = {one.name: getattr(rescue, one.name) for one in fields(Answer)}
    return {name: value for name, value in said.items() if value is not None and getattr(answer, name, None) is None}


def _plain(block: str) -> str:
    """The words of a block without quotes, with ranges in the form of our grammar."""
    text = _QUOTED.sub(r"\1 to \2", " ".join(block.translate(_SIGNS).split())).translate(_QUOTES)
    return _KEYS.sub(r"\1 to \2", text)
