"""The tables of curricula: what a configuration amounts to."""

from __future__ import annotations

from grounding.curriculum.selection import Gaussian, by_spread
from grounding.curriculum.table import (
    CURRICULA,
    Curriculum,
    CurriculumConfig,
    SelectConfig,
    check_curriculum,
    curriculum_of,
)
from grounding.tasks.vtg import VTG


def test_uniform_draws_each_sample_once_a_pass_and_changes_none() -> None:
    assert check_curriculum(CURRICULA["uniform"], VTG) == []
    assert curriculum_of(CURRICULA["uniform"]) == Curriculum(None, ())


def test_an_unknown_selection_is_refused() -> None:
    [line] = check_curriculum(CurriculumConfig(SelectConfig("luck")), VTG)
    assert line.startswith("curriculum.select.by must be one of uniform") and "'luck'" in line


def test_selections_take_their_numbers() -> None:
    assert curriculum_of(CurriculumConfig(SelectConfig("gaussian", mean=0.4, std=0.1))).weigh == Gaussian(0.4, 0.1)
    assert curriculum_of(CurriculumConfig(SelectConfig("spread"))).weigh is by_spread


def test_numbers_of_a_selection_that_cannot_work_are_refused() -> None:
    lines = check_curriculum(CurriculumConfig(SelectConfig(mean=2.0, std=0.0, refresh=-1)), VTG)
    assert lines == [
        "curriculum.select.mean must be in [0, 1], got 2.0",
        "curriculum.select.std must be in (0, 1], got 0.0",
        "curriculum.select.refresh must be 0 (never) or more, got -1",
    ]
