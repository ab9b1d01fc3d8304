"""What every task in the table must keep, whatever it asks."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, LoadedSample, ParseFailure, UserError
from grounding.datasets.toy import toy_source
from grounding.tasks.asking import Asking
from grounding.tasks.table import TASKS
from grounding.tasks.task import Task
from prompting import IdMarker
from rewards import PRESETS

HOSTILE = ["", "nonsense", "<answer></answer>", "<answer>", "</answer><answer>", "\ud800", "<answer>" + "9" * 9999]


@pytest.fixture(params=TASKS.values(), ids=list(TASKS))
def task(request: pytest.FixtureRequest) -> Task:
    return request.param


def loaded(task: Task, number: int, level: int = 2) -> LoadedSample:
    """A toy clip whose truth is what its masks show, as a text can only name these."""
    source = toy_source(number, 1, level=level, toy=task.toy)
    one = source.load(source.samples[0])
    again = task.read(task.say(one.sample.truth, ""), one)
    assert isinstance(again, Answer) and (again.interval, again.ids) == (
        one.sample.truth.interval,
        one.sample.truth.ids,
    )
    return replace(one, sample=replace(one.sample, truth=again))


def equal(one: Any, other: Any) -> bool:
    """Whether two answers are the same in every part; tubes hold arrays."""
    if one.tube is None or other.tube is None:
        return bool(one == other)
    tubes = one.tube.start_frame == other.tube.start_frame and np.array_equal(
        one.tube.boxes, other.tube.boxes, equal_nan=True
    )
    return bool(tubes) and [getattr(one, name) for name in one.parts if name != "tube"] == [
        getattr(other, name) for name in other.parts if name != "tube"
    ]


def test_the_table_goes_by_names() -> None:
    assert list(TASKS) == ["stvg", "vtg", "gqa", "qa", "box", "progress", "rvos"]
    assert all(task.name == name for name, task in TASKS.items())


@pytest.mark.parametrize("number", range(8))
def test_what_is_said_is_read_back(task: Task, number: int) -> None:
    one = loaded(task, number)
    text = task.say(one.sample.truth, "it comes and goes")
    assert "it comes and goes" in text
    assert equal(task.read(text, one), one.sample.truth)


@pytest.mark.parametrize("number", range(8))
def test_the_truth_gets_the_most_and_a_failure_nothing(task: Task, number: int) -> None:
    truth = loaded(task, number).sample.truth
    best, worst = task.measure(truth, truth), task.measure(ParseFailure("no"), truth)
    assert list(best) == list(worst) and best
    assert best == pytest.approx(dict.fromkeys(best, 1.0))
    assert worst == dict.fromkeys(best, 0.0)
    assert task.measure(Answer(), truth) == worst  # an answer without any part
    assert (task.graded(truth, truth), task.graded(ParseFailure("no"), truth)) == (pytest.approx(1.0), 0.0)


def test_ceilings_replace_what_was_said_by_the_truth(task: Task) -> None:
    one = loaded(task, 3)
    truth = one.sample.truth
    for said in (truth, ParseFailure("no")):
        best = {name: task.measure(mixed, truth) for name, mixed in task.oracles(said, one).items()}
        assert all(figures.keys() == task.measure(truth, truth).keys() for figures in best.values())
        assert all(0.0 <= value <= 1.0 for figures in best.values() for value in figures.values())


@pytest.mark.parametrize("text", HOSTILE)
def test_reading_never_raises(task: Task, text: str) -> None:
    assert isinstance(task.read(text, loaded(task, 1)), ParseFailure)


def test_thinking_cannot_give_the_answer(task: Task) -> None:
    truth = loaded(task, 1).sample.truth
    with pytest.raises(UserError, match="must not hold the tags"):
        task.say(truth, "</think> <answer>")


def test_prompts_hold_the_query_and_no_answer(task: Task) -> None:
    assert {"full", "short"} <= task.prompts.keys()
    samples = [loaded(task, number).sample for number in range(20)]
    for kind in task.prompts:
        for sample in samples:
            text = task.prompt(sample, kind)
            assert sample.query in text
            others = [replace(sample, truth=other.truth) for other in samples]
            assert {task.prompt(other, kind) for other in others} == {text}  # it tells one truth from no other
    with pytest.raises(UserError, match=f"no prompt 'long' for task {task.name}; known prompts: full, short"):
        task.prompt(samples[0], "long")


def test_it_can_be_sent_to_another_process(task: Task) -> None:
    asking = Asking(task, "short", IdMarker("badge", 15.0))
    again = pickle.loads(pickle.dumps(asking))
    one = loaded(task, 5)
    assert again == asking
    assert again.ask(one.sample) == asking.ask(one.sample)
    np.testing.assert_array_equal(again(one).shown.frames, asking(one).shown.frames)


def test_ids_are_drawn_only_if_the_task_marks(task: Task) -> None:
    one = loaded(task, 5)
    shown = Asking(task, "short", IdMarker("badge", 15.0))(one).shown
    assert np.array_equal(shown.frames, one.clip.frames) is not task.marks


def test_its_rewards_and_needs_are_known(task: Task) -> None:
    assert task.rewards in PRESETS
    parts = loaded(task, 2).sample.truth.parts
    assert task.lacks(parts) == []
    assert task.lacks([]) == [" or ".join(need) for need in task.needs]
    assert task.lacks(task.asked_of(loaded(task, 2).sample.truth).parts) == []
    everything = Answer(text="a cup", number=3.0, choices=frozenset("A"))
    known = {part for need in task.needs for part in need}
    assert set(task.asked_of(everything).parts) == {"text", "number", "choices"} & known
