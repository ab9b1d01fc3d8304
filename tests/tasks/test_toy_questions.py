"""Questions with options about toy clips: their answers, worked out again from the clip, and what they give away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from grounding.core import Sample
from grounding.datasets.options import letter
from grounding.datasets.toy import ToyObject, toy_source
from grounding.evaluation.question_only import fitted_rule
from grounding.tasks.qa import QA
from grounding.tasks.teaching import SECONDS

FIRST = 5_000_000


def samples(count: int, first: int = FIRST, **world: int) -> Sequence[Sample]:
    return toy_source(first, count, toy=QA.toy, **world).samples


def answer(query: str, options: Sequence[str], world: Sequence[ToyObject]) -> str:
    """The text of the right option, from the words of the question."""
    words = query.removesuffix("?").split()
    by_colour = {thing.colour: thing.interval for thing in world}
    if query == "which colour comes first?":
        return min(options, key=lambda colour: by_colour[colour].start)
    if query == "which colour leaves last?":
        return max(options, key=lambda colour: by_colour[colour].end)
    at = SECONDS.index(words[words.index("second") + 1])
    if words[0] == "what":
        (colour,) = {one.colour for one in world if one.interval.start <= at < one.interval.end}
        return colour
    named = [colour for colour in by_colour if colour in words]
    there = sum(by_colour[colour].start <= at < by_colour[colour].end for colour in named)
    return ("no", "yes")[there] if words[0] == "is" else str(there)


@pytest.mark.parametrize("objects", [1, 2, 3, 4])
def test_the_answer_is_what_the_clip_shows(objects: int) -> None:
    for sample in samples(150, objects=objects):
        for one in sample.meta["questions"]:
            (right,) = one.truth.choices
            options = one.meta["options"]
            assert options["ABCD".index(right)] == answer(one.query, options, sample.meta["objects"])


def test_twins_are_not_asked_about_by_their_colour() -> None:
    for sample in samples(50, level=2):
        colours = Counter(thing.colour for thing in sample.meta["objects"])
        asked = [word for one in sample.meta["questions"] for word in one.query.removesuffix("?").split()]
        assert all(colours[word] < 2 for word in asked)


def test_two_to_four_options_of_every_kind_of_question() -> None:
    own = [sample.meta["questions"][0] for sample in samples(400)]
    assert {len(one.meta["options"]) for one in own} == {2, 3, 4}
    assert all(len(set(one.meta["options"])) == len(one.meta["options"]) for one in own)
    begins = Counter(one.query.split()[0] for one in own)
    assert all(begins[word] > 50 for word in ("which", "what", "is", "how"))  # about a quarter each


def test_what_is_thought_is_true_and_a_part_of_what_is_taught_is_not() -> None:
    wrong = Counter[bool]()
    for sample in samples(300):
        for one in sample.meta["questions"]:
            (said,) = one.taught.choices
            assert said in [letter(place) for place in range(len(one.meta["options"]))]
            assert {one.thinking.split()[-1]} == one.truth.choices  # what is thought is true
            wrong[one.taught != one.truth] += 1
    assert 0.1 < wrong[True] / wrong.total() < 0.4  # and something is left to be learnt from rewards


def test_question_and_options_alone_tell_little() -> None:
    rule = fitted_rule(samples(1500, first=FIRST + 10_000))
    assert rule is not None
    held = samples(600)
    right = sum(rule(one) == one.truth.choices for one in held) / len(held)
    chance = sum(1 / len(one.meta["options"]) for one in held) / len(held)
    assert right < chance + 0.08  # two standard errors are 0.04
