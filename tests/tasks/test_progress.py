"""Figures of progress, by hand: MAE and the correlation within an episode; and what is asked, said and read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, ParseFailure, Sample, UserError
from grounding.datasets.toy import toy_source
from grounding.tasks.progress import PROGRESS, answer_text, correlation, gather, lagging, measure, percent
from grounding.tasks.task import Said
from grounding.tasks.teaching import Spot

FAILED = ParseFailure("no answer")


def number(value: float) -> Answer:
    return Answer(number=value)


def sample(truth: float, *, video: str = "a.mp4", query: str = "Fold it.", **meta: Any) -> Sample:
    return Sample(f"{video}-{truth}", video, query, number(truth), meta)


@pytest.mark.parametrize(
    ("said", "truth", "nearness", "relative"),
    [(45, 45, 1, 1), (40, 50, 0.9, 0.8), (-10, 20, 0.7, 0), (300, 50, 0, 0), (5, 0, 0.95, 0), (0, 0, 1, 1)],
)
def test_scores_by_hand(said: float, truth: float, nearness: float, relative: float) -> None:
    assert measure(number(said), number(truth)) == pytest.approx({"nearness": nearness, "relative_score": relative})


def test_the_error_is_in_points_and_a_failure_is_as_far_off_as_can_be() -> None:
    said = [(sample(50), number(40)), (sample(20), number(-10)), (sample(50), number(300)), (sample(90), FAILED)]
    assert [one["MAE"] for one in gather(said)] == pytest.approx([10, 30, 100, 100])


def test_the_correlation_is_the_mean_over_episodes() -> None:
    # Deviations of said (-20, 0, 20) and true (-20, -10, 30): 1000 / sqrt(800 * 1400).
    a = [(sample(true, episode="a"), number(said)) for true, said in ((10, 20), (20, 40), (60, 60))]
    b = [(sample(true, episode="b"), number(said)) for true, said in ((10, 80), (90, 20))]
    found = gather([a[0], b[0], a[1], a[2], b[1]])
    assert [one.get("Pearson") for one in found] == [None, None, None, pytest.approx(0.944911), pytest.approx(-1)]
    assert all("MAE" in one for one in found)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([number(50), number(50)], 0.0),  # the same is said of all
        ([number(10), FAILED], 0.0),
        ([Answer(), FAILED], 0.0),
        ([number(-10), number(30)], 1.0),
    ],
)
def test_a_correlation_that_is_not_known_is_0(said: list[Said], expected: float) -> None:
    assert correlation(said, [10, 20]) == pytest.approx(expected)


def test_there_is_no_correlation_where_all_truths_are_the_same() -> None:
    assert all("Pearson" not in one for one in gather([(sample(10), number(10)), (sample(10), number(20))]))
    assert "Pearson" not in gather([(sample(10), number(10))])[0]


def test_without_a_name_an_episode_is_a_goal_of_a_video() -> None:
    other = [(sample(10, video="b.mp4"), number(1)), (sample(10, query="Open it."), number(1))]
    own = [(sample(10), number(10)), (sample(30), number(20))]
    assert ["Pearson" in one for one in gather([own[0], *other, own[1]])] == [False, False, False, True]


@pytest.mark.parametrize(
    ("value", "text"),
    [(45, "45"), (8.5, "8.5"), (-10, "-10"), (100, "100"), (0, "0"), (-1e-3, "0"), (1 / 3, "0.33")],
)
def test_numbers_are_written_as_people_do(value: float, text: str) -> None:
    assert percent(value) == text
    assert answer_text(number(value), "so") == f"<think>so</think> <answer>{text}%</answer>"


@pytest.mark.parametrize("value", [300, 100.5, -101])
def test_a_truth_that_is_no_percentage_cannot_be_said(value: float) -> None:
    with pytest.raises(UserError, match=r"a progress must be 0 to 100 \(percent\)"):
        answer_text(number(value), "so")


def test_a_truth_must_be_a_number() -> None:
    for use in (lambda: measure(FAILED, Answer()), lambda: answer_text(Answer(), "so")):
        with pytest.raises(UserError, match="must have a number"):
            use()


def test_the_model_is_told_what_was_said_before() -> None:
    told, first = sample(60, previous=40.0), sample(60)
    assert PROGRESS.prompt(told, "short") == "Goal: fold it Before: 40%."
    assert PROGRESS.prompt(first, "short") == "Goal: fold it"
    assert " Before: 40%." in PROGRESS.prompt(told, "full") and "Before" not in PROGRESS.prompt(first, "full")


def test_labels_of_the_warm_up_lag_behind() -> None:
    source = toy_source(0, 200, toy=PROGRESS.toy)
    questions = [one for each in source.samples for one in each.meta["questions"]]
    rng = np.random.default_rng(0)
    behind = [(one.truth.number, lagging(one, rng).number) for one in questions]
    assert {true - said for true, said in behind if true >= 20} == {0, 20}
    assert all(said == 0 for true, said in behind if true == 0) and min(said for _, said in behind) == 0
    assert np.mean([true > said for true, said in behind if true]) == pytest.approx(0.75, abs=0.06)


def test_every_word_that_a_visual_token_says_is_known_to_the_policy() -> None:
    thing = toy_source(0, 1, toy=PROGRESS.toy).samples[0].meta["objects"][0]
    for at in (0.0, 1.0, 2.0, 3.0):
        words = PROGRESS.teaching.says(thing, Spot(at, 0, 0))
        assert sum(words.values()) == pytest.approx(1) and list(words)[:2] == [thing.shape, thing.colour]
        assert set(list(words)[2:]) <= set(PROGRESS.teaching.vocabulary)
    assert PROGRESS.teaching.says(None, Spot(0.0, 0, 0)) == {}
