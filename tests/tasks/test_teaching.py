"""What is taught: partial times, what is thought, and the words of visual tokens, by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Interval
from grounding.datasets import toy
from grounding.datasets.toy import Question
from grounding.tasks.stvg import STVG
from grounding.tasks.table import TASKS
from grounding.tasks.task import Task
from grounding.tasks.teaching import (
    LESSONS,
    PARTIAL,
    Spot,
    look_and_second,
    look_id_and_second,
    partial,
    partial_times,
    recite,
)
from grounding.tasks.vtg import VTG

THING: Any = SimpleNamespace(shape="circle", colour="red", id=7)


def asked(truth: Answer, **more: Any) -> Question:
    return Question("The circle in red.", truth, THING, **more)


@pytest.mark.parametrize(
    ("late", "early", "whole", "part"),
    [
        (True, True, (0.0, 4.0), (1.0, 3.0)),
        (True, False, (0.0, 4.0), (1.0, 4.0)),
        (False, True, (1.0, 3.0), (1.0, 2.0)),
        (True, True, (1.0, 3.0), (2.0, 3.0)),  # a second is left, so the end stays
        (True, True, (1.0, 2.0), (1.0, 2.0)),
        (False, False, (0.0, 3.0), (0.0, 3.0)),
    ],
)
def test_partial_annotations_by_hand(
    late: bool, early: bool, whole: tuple[float, float], part: tuple[float, float]
) -> None:
    rng: Any = SimpleNamespace(random=lambda _: np.array([not late, not early], float))
    assert partial(Interval(*whole), rng) == Interval(*part)


def test_partial_annotations_come_as_often_as_said() -> None:
    rng = np.random.default_rng(0)
    parts = [partial(Interval(0.0, 4.0), rng) for _ in range(2000)]
    # 2000 draws at 0.75: standard deviation 0.01
    assert np.mean([part.start == 1.0 for part in parts]) == pytest.approx(PARTIAL, abs=0.05)
    assert np.mean([part.end == 3.0 for part in parts]) == pytest.approx(PARTIAL, abs=0.05)


def test_what_is_thought_by_hand() -> None:
    which = Answer(Interval(1.0, 3.5), 7)
    assert STVG.say(which, recite(asked(which), which)) == (
        "<think>circle in red 7 one two three</think> <answer>Target ID: 7, Time range: 1.0 to 3.5</answer>"
    )
    when = Answer(Interval(0.0, 1.0))
    assert VTG.say(when, recite(asked(when), when)) == "<think>circle in red zero</think> <answer>0.0 to 1.0</answer>"
    assert recite(asked(when, thinking="red zero"), when) == "red zero"


def test_every_second_of_a_clip_has_a_word() -> None:
    assert len(toy.NAMES) == toy.SECONDS


def test_a_question_may_say_what_is_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grounding.tasks.teaching.PARTIAL", 1.0)
    rng, whole = np.random.default_rng(0), Answer(Interval(0.0, 3.0))
    assert partial_times(asked(whole), rng) == Answer(Interval(1.0, 2.0))
    assert partial_times(asked(whole, taught=Answer(number=2.0)), rng) == Answer(number=2.0)
    assert partial_times(asked(Answer(number=1.0)), rng) == Answer(number=1.0)


def test_words_by_hand() -> None:
    late = Spot(2.5, row=0, column=3)
    assert look_and_second(THING, late) == {"circle": 1 / 3, "red": 1 / 3, "two": 1 / 3}
    marked = {"circle": 0.85 / 3, "red": 0.85 / 3, "7": 0.85 / 3, "two": 0.15}
    assert look_id_and_second(THING, late) == pytest.approx(marked)
    assert look_and_second(None, late) == look_id_and_second(None, late) == {}


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_lessons_fill_the_warm_up(task: Task) -> None:
    assert sum(lesson.share for lesson in task.teaching.lessons) == pytest.approx(1)
    assert task.teaching.steps > 0


def test_the_usual_lessons_name_then_ask_about_stills_then_about_whole_clips() -> None:
    assert [(lesson.asks, lesson.shows) for lesson in LESSONS] == [(False, "still"), (True, "still"), (True, "whole")]
