"""The tables of curricula: what a configuration amounts to."""

from __future__ import annotations

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
