from __future__ import annotations

import subprocess
import sys

import pytest

import rewards
from grounding.core import Answer, Interval, ParseFailure, UserError
from rewards.base import REWARDS, Meta, Reward, compare, reward

NOTHING = Answer()


def constant(value):
    return Reward("constant", lambda answer, truth, meta: value, 0.0, 1.0)


@pytest.fixture
def clean_registry():
    before = dict(REWARDS)
    yield
    REWARDS.clear()
    REWARDS.update(before)


def test_the_registry_is_filled_by_importing_the_package_and_no_torch_comes_with_it():
    code = "import sys, rewards; print(*rewards.REWARDS, 'torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    *names, torch = printed.split()
    assert {"id_match", "temporal_iou", "rouge", "think_answer_format", "overlong", "segments_f1"} <= set(names)
    assert torch == "False"


def test_every_reward_can_be_imported_by_its_name_and_says_where_it_is_from():
    for name, one in REWARDS.items():
        assert getattr(rewards, name) is one.function and name in rewards.__all__
        assert len(one.function.__doc__.splitlines()) >= 4, name


def test_the_decorator_enters_the_function_and_leaves_it_as_it_is(clean_registry):
    @reward(range=(-1.0, 2.0))
    def half(answer, truth, meta):
        return 0.5

    assert half(NOTHING, NOTHING, "") == 0.5
    assert REWARDS["half"] == Reward("half", half, -1.0, 2.0)


def test_a_name_is_given_once(clean_registry):
    def id_match(answer, truth, meta):
        return 1.0

    with pytest.raises(UserError, match="named id_match already"):
        reward(range=(0.0, 1.0))(id_match)


@pytest.mark.parametrize("bad", [(1.0, 0.0), (0.5, 0.5), (float("nan"), 1.0), (0.0, float("nan"))])
def test_an_empty_range_is_refused(bad):
    with pytest.raises(UserError, match="low < high"):
        reward(range=bad)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0, None])
def test_values_within_the_range_and_none_pass(value):
    assert constant(value)(NOTHING, NOTHING, "") == value


@pytest.mark.parametrize("value", [-0.001, 1.001, float("nan"), float("inf")])
def test_values_outside_the_range_are_named(value):
    with pytest.raises(UserError, match=r"reward constant returned .* \[0.0, 1.0\]"):
        constant(value)(NOTHING, NOTHING, "")


def test_a_text_alone_stands_for_its_meta():
    said = Reward("said", lambda answer, truth, meta: len(meta.text) / 10, 0.0, 1.0)
    assert said(NOTHING, NOTHING, "abc") == said(NOTHING, NOTHING, Meta("abc")) == 0.3


def test_what_is_needed_and_not_known_is_named_never_guessed():
    assert Meta("a", duration=12.5).need("duration") == 12.5
    assert Meta(progress=0).need("progress") == 0
    with pytest.raises(UserError, match=r"needs meta\.duration, which is not known; give Meta\(text, duration="):
        Meta("a").need("duration")


@pytest.mark.parametrize(
    "wrong",
    [
        {"duration": 0.0},
        {"duration": float("inf")},
        {"duration": float("nan")},
        {"progress": 1.01},
        {"progress": -0.01},
        {"tokens": -1},
        {"max_tokens": 0},
        {"previous": float("nan")},
    ],
)
def test_meta_holds_possible_numbers(wrong):
    with pytest.raises(UserError, match=f"meta.{next(iter(wrong))} must be"):
        Meta(**wrong)


def test_compare_tells_unscored_from_wrong():
    def when(answer):
        return answer.interval

    def score(said, true):
        return 10 * said.start + true.start

    one, two = Answer(Interval(1, 2)), Answer(Interval(2, 3))
    assert compare(one, two, when, score) == 12
    assert compare(ParseFailure("no tags"), two, when, score) == compare(NOTHING, two, when, score) == 0.0
    assert compare(one, NOTHING, when, score) is compare(ParseFailure("no tags"), NOTHING, when, score) is None
