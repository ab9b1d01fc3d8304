"""The best that can be said of options without any video: a rule fitted on training questions and their options alone.

An option is as likely as its letter, its text, and its text together with each word of the question were right more
often than by chance: a naive Bayes classifier, with every count drawn towards chance.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grounding.core import Sample, UserError
from grounding.core.checks import number, whole
from grounding.datasets.options import letter
from grounding.tasks.options import options_of
from rewards.answer import words

CHANCE = 64.0  # so many more right answers as chance gives are added to every count; our choice
LEAST = 3  # times that an option or a word with it must have been shown to be remembered
BETWEEN = "\n"  # in a key, between the text of an option and a word of the question; words hold none


@dataclass(frozen=True)
class QuestionRule:
    """What training questions tell of options.

    Args:
        many: How many options are right, mostly.
        counts: By letter, by text, and by text and word, how often such an option was right, and how often it would
            have been by chance.
    """

    many: int
    counts: Mapping[str, tuple[float, float]]

    def __call__(self, sample: Sample) -> frozenset[str]:
        """The letters of the likeliest options."""
        options = options_of(sample)
        best = sorted(range(len(options)), key=lambda place: -self._odds(sample.query, options[place], place))
        return frozenset(letter(place) for place in best[: self.many])

    def _odds(self, query: str, option: str, place: int) -> float:
        """How much likelier than by chance an option is, as a logarithm."""
        text, *asked = _keys(query, option)
        lift = self._lift(text, 1.0)
        lifts = [self._lift(letter(place), 1.0), lift, *(self._lift(key, lift) / lift for key in asked)]
        return sum(map(math.log, lifts))  # their product may be too small for a float

    def _lift(self, key: str, usual: float) -> float:
        """How many times as often as by chance such options are right, drawn towards what is usual."""
        right, chance = self.counts.get(key, (0.0, 0.0))
        return (right + CHANCE * usual) / (chance + CHANCE)

    def to_json(self) -> dict[str, Any]:
        """All of it for a file."""
        return {"many": self.many, "counts": {key: list(counts) for key, counts in self.counts.items()}}


def fitted_rule(samples: Iterable[Sample]) -> QuestionRule | None:
    """The rule that training questions with options give; None if there are none."""
    right, shown, many = Counter[str](), Counter[str](), Counter[int]()
    chance: defaultdict[str, float] = defaultdict(float)
    for sample in samples:
        options, truth = options_of(sample), sample.truth.choices
        if not options or not truth:
            continue
        many[len(truth)] += 1
        for place, option in enumerate(options):
            for key in (letter(place), *_keys(sample.query, option)):
                shown[key] += 1
                chance[key] += len(truth) / len(options)
                right[key] += letter(place) in truth
    counts = {key: (float(right[key]), round(chance[key], 6)) for key, often in shown.items() if often >= LEAST}
    return QuestionRule(many.most_common(1)[0][0], counts) if many else None


def read_rule(value: Any) -> QuestionRule | None:
    """What `to_json` wrote; None for null.

    Raises:
        UserError: If it is something else.
    """
    if value is None:
        return None
    if not (isinstance(value, dict) and value.keys() == {"many", "counts"} and isinstance(value["counts"], dict)):
        raise UserError("the rule of question_only must have many and counts")
    counts = {key: _pair(pair) for key, pair in value["counts"].items()}
    return QuestionRule(whole(value["many"], "many", 1), counts)


def _pair(value: Any) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise UserError("a count of question_only must be two numbers")
    right, chance = (number(one, "a count of question_only") for one in value)
    if min(right, chance) < 0:
        raise UserError("a count of question_only must be 0 or more")
    return right, chance


def _keys(query: str, option: str) -> Sequence[str]:
    """The option's text, and the same with each word of the question."""
    text = " ".join(words(option)) or option.strip()
    return [f"{text}{BETWEEN}", *(f"{text}{BETWEEN}{word}" for word in dict.fromkeys(words(query)))]
