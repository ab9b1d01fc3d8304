from __future__ import annotations

import subprocess
import sys

import pytest

from grounding.core import Answer, UserError
from rewards.base import REWARDS, Reward, reward

NOTHING = Answer()


def constant(value):
    return Reward("constant", lambda answer, truth, text: value, 0.0, 1.0)


@pytest.fixture
def clean_registry():
    before = dict(REWARDS)
    yield
    REWARDS.clear()
    REWARDS.update(before)


def test_the_registry_is_filled_by_importing_the_package_and_no_torch_comes_with_it():
    code = "import sys, rewards; print(sorted(rewards.REWARDS), 'torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "['id_match', 'temporal_iou', 'think_answer_format', 'tube_viou'] False"


def test_the_decorator_enters_the_function_and_leaves_it_as_it_is(clean_registry):
    @reward(range=(-1.0, 2.0))
    def half(answer, truth, text):
        return 0.5

    assert half(NOTHING, NOTHING, "") == 0.5
    assert REWARDS["half"] == Reward("half", half, -1.0, 2.0)


def test_a_name_is_given_once(clean_registry):
    def id_match(answer, truth, text):
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
