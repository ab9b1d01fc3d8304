"""Figures of time ranges, by hand; and what is asked for and read where there are several."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, ParseFailure, Sample, UserError
from grounding.datasets.toy import Question, toy_source
from grounding.tasks.vtg import HALF, VTG, VTG_ROOMS, VTG_VISITS, halved, measure, pairs, partly


def some(*bounds: tuple[float, float]) -> Answer:
    return Answer(intervals=tuple(Interval(*one) for one in bounds))


def loaded(truth: Answer) -> LoadedSample:
    masklets = Masklets((4, 4), 1.0, np.arange(9.0), {})
    clip = Clip(np.zeros((1, 4, 4, 3), np.uint8), np.zeros(1), 1.0, (4, 4), 9.0)
    return LoadedSample(Sample("a", "a.mp4", "A dog runs.", truth), clip, masklets)


def test_one_range() -> None:
    # [2, 6) against [4, 8): 2 of 6 seconds.
    assert measure(Answer(Interval(2, 6)), Answer(Interval(4, 8))) == pytest.approx(
        {"mIoU": 1 / 3, "R1@0.3": 1.0, "R1@0.5": 0.0, "R1@0.7": 0.0}
    )


def test_an_iou_at_the_threshold_counts() -> None:
    assert measure(Answer(Interval(0, 2)), Answer(Interval(0, 4)))["R1@0.5"] == 1.0


def test_several_ranges() -> None:
    # True [0, 4) and [6, 8); said [6, 8) and [1, 3): IoUs 1 and 2 / 4. Union: 4 of 6 seconds.
    found = measure(some((6, 8), (1, 3)), some((0, 4), (6, 8)))
    assert found == pytest.approx(
        {
            **{"mIoU": 1.0, "R1@0.3": 1.0, "R1@0.5": 1.0, "R1@0.7": 1.0},
            **{"F1@0.3": 1.0, "F1@0.5": 1.0, "F1@0.7": 0.5, "union_IoU": 4 / 6, "count_accuracy": 1.0},
        }
    )


def test_an_answer_as_a_whole() -> None:
    assert VTG.graded(Answer(Interval(2, 6)), Answer(Interval(4, 8))) == pytest.approx(1 / 3)
    # One of two segments is 4 of 6 seconds, though its IoU is 1.
    assert VTG.graded(some((0, 4)), some((0, 4), (6, 8))) == pytest.approx(4 / 6)


def test_too_many_cost() -> None:
    # The true one is said, and two that are nowhere: F1 is 2 * 1 / (3 + 1).
    found = measure(some((0, 4), (5, 6), (7, 8)), some((0, 4)))
    assert [found[name] for name in ("F1@0.5", "count_accuracy", "union_IoU")] == pytest.approx([0.5, 0.0, 4 / 6])


def test_never() -> None:
    right, wrong = measure(some(), some()), measure(some((0, 1)), some())
    assert set(right.values()) == {1.0} and set(wrong.values()) == {0.0}
    assert set(measure(some(), some((0, 1))).values()) == {0.0}
    assert set(measure(ParseFailure("no"), some()).values()) == {0.0}


def test_refusals_count_where_one_was_made_or_due() -> None:
    """Precision is a mean over those that said never, recall over those of which it is true."""
    cases = [(some(), some()), (some(), some((0, 1))), (some((0, 1)), some()), (some((0, 1)), some((0, 1)))]
    figures = [measure(said, truth) for said, truth in cases]
    assert [one.get("refusal_precision") for one in figures] == [1.0, 0.0, None, None]
    assert [one.get("refusal_recall") for one in figures] == [1.0, None, 0.0, None]
    assert measure(ParseFailure("no"), some())["refusal_recall"] == 0.0
    assert "refusal_precision" not in measure(ParseFailure("no"), some())
    one_asked_for = Answer(Interval(0, 1))
    assert measure(some(), one_asked_for)["refusal_precision"] == 0.0


@pytest.mark.parametrize("truth", [some(), some((0, 1)), Answer(Interval(0, 1))])
def test_none_is_read_whatever_is_true(truth: Answer) -> None:
    for word in ("none", "None", " NONE. "):
        assert VTG.read(f"<think>so</think><answer>{word}</answer>", loaded(truth)) == some(), word
    for text in ("none of it", "none, 0 to 1", "no", "nothing"):
        assert isinstance(VTG.read(f"<answer>{text}</answer>", loaded(truth)), ParseFailure)


def test_never_is_said_with_a_word() -> None:
    assert VTG.say(some(), "so") == "<think>so</think> <answer>none</answer>"
    assert "none" in VTG.prompt(loaded(some()).sample, "full")


def test_a_range_is_in_one_pair_only() -> None:
    # Both said ones fit the first true one, and only the first of them also fits the second.
    said, true = [Interval(0, 10), Interval(0, 9)], [Interval(0, 10), Interval(1, 11)]
    assert pairs(said, true, 0.8) == 2  # 10 / 10, 9 / 11; 9 / 10, 8 / 11
    assert pairs([Interval(0, 1)] * 3, [Interval(0, 1)], 0.5) == 1


@pytest.mark.parametrize("truth", [some((0, 1.5), (3, 4)), some((2, 3)), some()])
def test_several_are_said_and_read_back(truth: Answer) -> None:
    one = loaded(truth)
    assert VTG.read(VTG.say(truth, "so"), one) == truth
    assert set(measure(truth, truth).values()) == {1.0}
    assert isinstance(VTG.read("<answer>soon</answer>", one), ParseFailure)


def test_what_is_asked_for_is_one_range_or_all() -> None:
    single, many = loaded(Answer(Interval(0, 1))).sample, loaded(some((0, 1), (2, 3))).sample
    assert "one time range, in exactly this form" in VTG.prompt(single, "full")
    assert "all time ranges in their order" in VTG.prompt(many, "full")
    fewer = replace(many, truth=some((5, 6)))
    assert VTG.prompt(fewer, "full") == VTG.prompt(many, "full")  # how many there are is not told
    assert isinstance(VTG.read("<answer>0 to 1, 2 to 3</answer>", loaded(single.truth)), ParseFailure)


def test_a_truth_without_times_is_an_error() -> None:
    for act in (lambda: measure(some(), Answer()), lambda: VTG.say(Answer(), "")):
        with pytest.raises(UserError, match="an interval or intervals"):
            act()


def test_most_ranges_are_taught_up_to_their_middle_and_all_seconds_are_thought_of() -> None:
    world = toy_source(7_700_000_000, 1, toy=VTG_VISITS.toy).samples[0].meta["objects"]
    question = Question("The circle in red that moves left.", some((0, 1), (2, 4)), world[0])
    taught = [halved(question, np.random.default_rng(seed)) for seed in range(100)]
    assert {one.intervals for one in taught} == {
        some(first, second).intervals for first in ((0, 1), (0, 0.5)) for second in ((2, 4), (2, 3))
    }
    ends = [one.end for answer in taught for one in answer.intervals or ()]
    assert 200 * HALF - 25 < sum(end in (0.5, 3) for end in ends) < 200 * HALF + 25
    assert halved(replace(question, truth=some()), np.random.default_rng(0)) == some()
    text = VTG_VISITS.say(some((0, 0.5), (2, 3)), VTG_VISITS.teaching.think(question, some((0, 0.5), (2, 3))))
    assert text == (
        "<think>circle in red that moves left zero red one none two red three red</think> "
        "<answer>0.0 to 0.5, 2.0 to 3.0</answer>"
    )
    never = replace(question, truth=some())
    assert VTG_VISITS.teaching.think(never, some()).endswith(" zero none one none two none three none")


def test_the_lessons_of_the_world_with_visits_fill_its_warm_up() -> None:
    assert sum(lesson.share for lesson in VTG_VISITS.teaching.lessons) == pytest.approx(1)


def test_in_rooms_ends_are_taught_too_far_inside_and_never_stays() -> None:
    (sample,) = toy_source(7_700_000_000, 1, toy=VTG_ROOMS.toy).samples
    question = replace(sample.meta["questions"][0], query="The red box.", truth=some((0, 4)))
    taught = {partly(question, np.random.default_rng(seed)).intervals for seed in range(100)}
    assert taught == {some(ends).intervals for ends in ((0, 4), (1, 4), (0, 3), (1, 3))}
    assert partly(replace(question, truth=some()), np.random.default_rng(0)) == some()
    text = VTG_ROOMS.say(some((1, 3)), VTG_ROOMS.teaching.think(replace(question, truth=some((1, 4))), some((1, 3))))
    assert text == "<think>red box zero none one red two red three red</think> <answer>1.0 to 3.0</answer>"
