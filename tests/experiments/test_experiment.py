"""Experiments: their options come before those of the command line, which win."""

from __future__ import annotations

import pytest

from grounding.core import UserError
from grounding.experiments.experiment import Experiment, expanded

MODELS = {"small": ("objective.beta=0.0",), "large": ("stages=[grpo]",)}
ONE = Experiment("one", ("task=stvg", "seed=7"), {"model": MODELS})
TWO = Experiment("two", (), {"task": {"vtg": ("task.rewards=a",), "box": ("task.rewards=b",)}, "model": MODELS})
KNOWN = {"one": ONE}


def test_without_an_experiment_nothing_is_added() -> None:
    assert expanded(["seed=1"], KNOWN) == ["seed=1"]


def test_its_options_come_first_with_those_of_its_first_model() -> None:
    expected = ["task=stvg", "seed=7", "model=small", "objective.beta=0.0", "experiment=one", "out=here"]
    assert expanded(["experiment=one", "out=here"], KNOWN) == expected


def test_another_model_brings_its_own() -> None:
    expected = ["task=stvg", "seed=7", "stages=[grpo]", "experiment=one", "model=large"]
    assert expanded(["experiment=one", "model=large"], KNOWN) == expected


def test_each_group_brings_the_options_of_its_choice() -> None:
    expected = ["task=vtg", "task.rewards=a", "model=small", "objective.beta=0.0"]
    assert TWO.before([]) == expected
    expected = ["task.rewards=b", "stages=[grpo]", "model=large", "task=box"]
    assert TWO.before(["model=large", "task=box"]) == expected


def test_what_the_command_line_says_takes_the_place_of_the_experiments() -> None:
    expected = ["task=stvg", "model=small", "experiment=one", "seed=1", "objective.beta=0.1"]
    assert expanded(["experiment=one", "seed=1", "objective.beta=0.1"], KNOWN) == expected


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["experiment=two"], ["one of one", "got 'two'"]),
        (["experiment=one", "experiment=one"], ["got 'one' and 'one'"]),
        (["experiment="], ["got ''; leave"]),
        (["experiment=one", "model=huge"], ["small, large", "model=huge"]),
    ],
)
def test_wrong_ones_are_one_line(said: list[str], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        expanded(said, KNOWN)
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)
