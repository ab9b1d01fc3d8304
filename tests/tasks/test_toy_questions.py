"""Questions with options about toy clips: their answers, worked out again from the clip, and what they give away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from grounding.core import Sample
from grounding.datasets.options import letter
from grounding.datasets.toy import NAMES, ToyObject, toy_source
from grounding.evaluation.question_only import fitted_rule
from grounding.tasks.qa import QA

FIRST = 5_000_000


def samples(count: int, first: int = FIRST, **world: int) -> Sequence[Sample]:
    return toy_source(first, count, toy=QA.toy, **world).samples


def starts(world: Sequence[ToyObject]) -> dict[str, float]:
    return {one.colour: min(other.interval.start for other in world if other.colour == one.colour) for one in world}


def answer(query: str, options: Sequence[str], comes: dict[str, float]) -> str:
    """The text of the right option, from the words of the question."""
    words = query.removesuffix("?").split()
    if words[-1] in ("first", "last"):
        return (min if words[-1] == "first" else max)(options, key=lambda colour: comes[colour])
    if words[0] == "does":
        return "yes" if comes[words[1]] < comes[words[-1]] else "no"
    at = NAMES.index(words[-1])
    if words[0] == "what":
        (colour,) = (one for one in options if comes[one] == at)
        return colour
    return str(sum(comes[colour] == at for colour in (words[3], words[5])))


@pytest.mark.parametrize(("level", "objects"), [(1, 2), (1, 3), (1, 4), (2, 3), (2, 4)])
def test_the_answer_is_what_the_clip_shows(level: int, objects: int) -> None:
    for sample in samples(150, level=level, objects=objects):
        comes = starts(sample.meta["objects"])
        for one in sample.meta["questions"]:
            (right,) = one.truth.choices
            options = one.meta["options"]
            assert options["ABC".index(right)] == answer(one.query, options, comes)


def test_two_or_three_options_of_every_kind_of_question() -> None:
    own = [sample.meta["questions"][0] for sample in samples(400)]
    assert {len(one.meta["options"]) for one in own} == {2, 3}
    assert all(len(set(one.meta["options"])) == len(one.meta["options"]) for one in own)
    begins = Counter(one.query.split()[0] for one in own)
    assert all(begins[word] > 60 for word in ("which", "what", "does", "how"))  # about a quarter each


def test_the_thinking_is_true_and_ends_with_the_letter_that_is_taught() -> None:
    wrong = Counter[bool]()
    for sample in samples(300):
        comes = {colour: NAMES[int(start)] for colour, start in starts(sample.meta["objects"]).items()}
        for one in sample.meta["questions"]:
            words, options = one.thinking.split(), one.meta["options"]
            assert all(words[place + 1] == comes[word] for place, word in enumerate(words) if word in comes)
            if options[0] in comes:  # each option's letter follows its second
                assert [words[words.index(colour) + 2] for colour in options] == list("ABC"[: len(options)])
            assert words[-1] in [letter(place) for place in range(len(options))]
            assert one.taught.choices == {words[-1]}
            wrong[one.taught != one.truth] += 1
    assert 0.1 < wrong[True] / wrong.total() < 0.4  # something is left to be learnt from rewards


def test_question_and_options_alone_tell_little() -> None:
    rule = fitted_rule(samples(1500, first=FIRST + 10_000))
    assert rule is not None
    held = samples(600)
    right = sum(rule(one) == one.truth.choices for one in held) / len(held)
    chance = sum(1 / len(one.meta["options"]) for one in held) / len(held)
    assert right < chance + 0.08  # two standard errors are 0.04
