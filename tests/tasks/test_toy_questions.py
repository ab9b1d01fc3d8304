"""Questions with options about toy clips: their answers, worked out again from the clip, and what they give away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from grounding.core import Answer, Interval, Sample
from grounding.datasets.toy import NAMES, Question, ToyObject, toy_source
from grounding.evaluation.question_only import fitted_rule
from grounding.tasks.qa import QA
from grounding.tasks.toy_questions import before, count, hasty, look, order

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


def thing(colour: str, start: int) -> ToyObject:
    return ToyObject(1, colour, "square", "stands still", 10, np.zeros((16, 2)), Interval(start, start + 1))


RED, BLUE, GREEN = thing("red", 2), thing("blue", 0), thing("green", 2)
Asks = Callable[[Sequence[ToyObject], np.random.Generator], Question | None]


def asked(kind: Asks, *things: ToyObject) -> dict[tuple[str, ...], str]:
    """Words and options of all questions of a kind about things -> the thinking."""
    drawn = [kind(things, np.random.default_rng(seed)) for seed in range(200)]
    return {(one.query, *one.meta["options"]): one.thinking for one in drawn if one is not None}


def test_which_comes_first_or_last_is_thought_with_the_second_of_it() -> None:
    assert asked(order, RED, BLUE) == {
        ("which colour comes first?", "red", "blue"): "red two A blue zero B zero B",
        ("which colour comes first?", "blue", "red"): "blue zero A red two B zero A",
        ("which colour comes last?", "red", "blue"): "red two A blue zero B two A",
        ("which colour comes last?", "blue", "red"): "blue zero A red two B two B",
    }
    three = asked(order, RED, BLUE, GREEN)  # of which two come last
    assert {words[0] for words in three} == {"which colour comes first?"} and len(three) == 6
    assert three["which colour comes first?", "red", "green", "blue"] == "red two A green two B blue zero C zero C"
    assert asked(order, RED, GREEN) == asked(order, RED) == {}


def test_what_comes_at_a_second_is_asked_where_only_one_does() -> None:
    assert asked(look, RED, BLUE) == {
        ("what colour comes at second two?", "red", "blue"): "red two A blue zero B two A",
        ("what colour comes at second two?", "blue", "red"): "blue zero A red two B two B",
        ("what colour comes at second zero?", "red", "blue"): "red two A blue zero B zero B",
        ("what colour comes at second zero?", "blue", "red"): "blue zero A red two B zero A",
    }
    assert asked(look, RED, GREEN) == asked(look, RED) == {}
    three = asked(look, RED, BLUE, GREEN)
    assert {words[0] for words in three} == {"what colour comes at second zero?"} and len(three) == 6


def test_whether_one_comes_before_another() -> None:
    assert asked(before, RED, BLUE, GREEN) == {
        ("does red come before blue?", "no", "yes"): "red two blue zero no A",
        ("does green come before blue?", "no", "yes"): "green two blue zero no A",
        ("does blue come before red?", "no", "yes"): "blue zero red two yes B",
        ("does blue come before green?", "no", "yes"): "blue zero green two yes B",
    }
    assert asked(before, RED, GREEN) == asked(before, RED) == {}


def test_how_many_of_two_is_thought_of_each_first() -> None:
    found = asked(count, RED, BLUE, GREEN)
    assert {words[1:] for words in found} == {("0", "1", "2")} and asked(count, RED) == {}
    thought = {words[0].removeprefix("how many of "): thinking for words, thinking in found.items()}
    assert thought["red and blue come at second one?"] == "red two no blue zero no 0 A"
    assert thought["red and blue come at second two?"] == "red two yes blue zero no 1 B"
    assert thought["green and red come at second two?"] == "green two yes red two yes 2 C"


def test_only_the_last_option_is_often_taken_for_the_one_before_it() -> None:
    for options, right, other in (("ABC", "C", "B"), ("ABC", "B", None), ("ABC", "A", None), ("AB", "B", "A")):
        question = Question("?", Answer(choices=frozenset(right)), RED, {"options": [*options]})
        taught = [hasty(question, np.random.default_rng(seed)) for seed in range(400)]
        wrong = [answer for answer in taught if answer != question.truth]
        assert (265 < len(wrong) < 335) if other else not wrong  # 0.75 of 400 are 300, four standard errors are 35
        assert {*wrong} <= {Answer(choices=frozenset(other or ""))}


def test_question_and_options_alone_tell_little() -> None:
    rule = fitted_rule(samples(1500, first=FIRST + 10_000))
    assert rule is not None
    held = samples(600)
    right = sum(rule(one) == one.truth.choices for one in held) / len(held)
    chance = sum(1 / len(one.meta["options"]) for one in held) / len(held)
    assert right < chance + 0.08  # two standard errors are 0.04
