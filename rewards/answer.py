"""Rewards for answering a question: options, words, numbers, progress."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from grounding.core import Answer, ParseFailure
from rewards.base import Meta, compare, reward
from rewards.mra import mean_relative_accuracies

Letters = frozenset[str]
PERCENT = 100.0  # PRIMO's R_max: a progress of nothing to all
_WORDS = re.compile(r"\w+")


def choices(answer: Answer) -> Letters | None:
    """The letters of the options taken."""
    return answer.choices


def number(answer: Answer) -> float | None:
    """The number."""
    return answer.number


def words(text: str) -> list[str]:
    """Runs of letters and digits of any script, without case."""
    return _WORDS.findall(text.casefold())


@reward(range=(0.0, 1.0))
def choice_match(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 if exactly the right options were taken, else 0 (multiple choice: SEED-Bench-R1, VideoChat-R1, Video-R1).

    Returns:
        0 or 1, None where the truth has no options.
    """
    return compare(answer, truth, choices, lambda said, true: float(said == true))


@reward(range=(0.0, 1.0))
def choice_soft(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """Share of the right options that were taken, 0 if a wrong one is among them (TW-GRPO, arXiv 2505.24718).

    Taking the one that is surest pays 1 / |Y| at little risk; `choice_jaccard` and `choice_f1` are less generous to
    too few and less harsh to too many.

    Returns:
        [0, 1], None where the truth has no options.
    """
    return compare(answer, truth, choices, lambda said, true: _ratio(len(said), len(true)) if said <= true else 0.0)


@reward(range=(0.0, 1.0))
def choice_jaccard(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """|S & Y| / |S | Y| of the options taken and the right ones; ours, beside TW-GRPO's.

    Returns:
        [0, 1], None where the truth has no options.
    """
    return compare(answer, truth, choices, lambda said, true: _ratio(len(said & true), len(said | true)))


@reward(range=(0.0, 1.0))
def choice_f1(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """2 |S & Y| / (|S| + |Y|) of the options taken and the right ones; ours, beside TW-GRPO's.

    Returns:
        [0, 1], None where the truth has no options.
    """
    return compare(answer, truth, choices, lambda said, true: _ratio(2 * len(said & true), len(said) + len(true)))


@reward(range=(0.0, 1.0))
def exact_match(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 if the words are those of a right answer, else 0 (Scene-R1's questions; EM@1 of SQA3D and ScanQA).

    Ours, for no paper states it: case, punctuation and white space do not count.

    Returns:
        0 or 1, None where the truth has no text.
    """
    return _best_of(answer, truth, lambda said, true: float(words(said) == words(true)))


@reward(range=(0.0, 1.0))
def rouge(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """Mean of the F1 of ROUGE-1, ROUGE-2 and ROUGE-L (Lin, 2004; as Video-R1, PRIMO R1 and Open-o3-Video take it).

    Of several right answers the one that is most alike counts. Being an F1 it falls where words are added. Ours: no
    stemming, and for a truth of one word, which has no pairs, the mean of the other two.

    Returns:
        [0, 1], None where the truth has no text. Linear in the answer's length, for a given truth.
    """

    def score(said: str, true: str) -> float:
        a, b = words(said), words(true)
        if not a or not b:
            return float(not a and not b)
        kinds = [_gram_f1(a, b), _sequence_f1(a, b)]
        if len(b) > 1:
            kinds.append(_gram_f1(list(pairwise(a)), list(pairwise(b))))
        return min(1.0, sum(kinds) / len(kinds))

    return _best_of(answer, truth, score)


@reward(range=(0.0, 1.0))
def rouge_l(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """The F1 of ROUGE-L alone, otherwise as `rouge`.

    Returns:
        [0, 1], None where the truth has no text.
    """

    def score(said: str, true: str) -> float:
        a, b = words(said), words(true)
        return _sequence_f1(a, b) if a and b else float(not a and not b)

    return _best_of(answer, truth, score)


@reward(range=(0.0, 1.0))
def relative_accuracy(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 - |p - y| / |y|, at least 0 (PRIMO R1's regression term, arXiv 2603.15600).

    Ours: where y = 0, 1 for exactly 0 and else 0.

    Returns:
        [0, 1], None where the truth has no number.
    """
    return compare(answer, truth, number, _relative)


@reward(range=(0.0, 1.0))
def mean_relative_accuracy(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """MRA (VSI-Bench), see `rewards.mra.mean_relative_accuracies`.

    Returns:
        A multiple of 0.1 in [0, 1], None where the truth has no number. Where y = 0, 1 for exactly 0 and else 0.
    """

    def score(said: float, true: float) -> float:
        return float(mean_relative_accuracies(np.array([said], float), np.array([true], float))[0])

    return compare(answer, truth, number, score)


@reward(range=(0.0, 1.0))
def progress_nearness(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """max(0, 1 - |p - y| / 100) of a progress in percent (PRIMO R1, arXiv 2603.15600).

    Returns:
        [0, 1], None where the truth has no number.
    """
    return compare(answer, truth, number, lambda said, true: max(0.0, 1 - abs(said - true) / PERCENT))


@reward(range=(0.0, 1.0))
def progress_direction(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 if the progress was rightly said to rise, fall or stay since the one told before, else 0.

    Ours, for SOLE-R1 (arXiv 2603.28730) does not publish its reward: a part beside `progress_nearness`, which alone
    pays for repeating the previous value.

    Returns:
        0 or 1, None where the truth has no number or no previous progress is known, as at the start of an episode.
    """
    before = meta.previous
    if before is None:
        return None

    def score(said: float, true: float) -> float:
        return float((said > before) - (said < before) == (true > before) - (true < before))

    return compare(answer, truth, number, score)


@reward(range=(0.0, 1.0))
def answer_accuracy(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """The accuracy that belongs to the kind of truth: options matched, else numbers compared, else ROUGE of words.

    The dispatch of Video-R1, PRIMO R1 and Open-o3-Video by problem type.

    Returns:
        [0, 1], None where the truth has none of the three.
    """
    parts = (kind(answer, truth, meta) for kind in (choice_match, relative_accuracy, rouge))
    return next((value for value in parts if value is not None), None)


def _best_of(answer: Answer | ParseFailure, truth: Answer, score: Callable[[str, str], float]) -> float | None:
    """The score of the words with the one of the right answers that they fit best."""
    return compare(answer, truth, _texts, lambda said, right: max(score(said[0], true) for true in right))


def _texts(answer: Answer) -> tuple[str, ...] | None:
    return None if answer.text is None else (answer.text, *(answer.also or ()))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _relative(said: float, true: float) -> float:
    return max(0.0, 1 - abs(said - true) / abs(true)) if true else float(said == 0)


def _gram_f1(a: Sequence[object], b: Sequence[object]) -> float:
    return 2 * (Counter(a) & Counter(b)).total() / (len(a) + len(b))


def _sequence_f1(a: Sequence[str], b: Sequence[str]) -> float:
    return 2 * _common_length(a, b) / (len(a) + len(b))


def _common_length(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, with a bit of one integer for every word of b (Hyyro, 2004)."""
    places: dict[str, int] = {}
    for index, word in enumerate(b):
        places[word] = places.get(word, 0) | 1 << index
    full = (1 << len(b)) - 1
    row = full  # a 0 for every word of b that the subsequence so far may end its growth with
    for word in a:
        met = row & places.get(word, 0)
        row = ((row + met) | (row - met)) & full
    return len(b) - row.bit_count()
