"""The tables of curricula. A selection is one line in `SELECTIONS`; a set of numbers with a name one in `CURRICULA`.

A curriculum says how often each sample is drawn as a run goes on, and what is changed about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from grounding.core.checks import unknown
from grounding.curriculum.masking import OFF, Masking, MaskingConfig, check_masking
from grounding.curriculum.order import Weigh
from grounding.tasks.asking import Change
from grounding.tasks.task import Task


@dataclass
class SelectConfig:
    """Which samples are drawn when."""

    by: str = "uniform"  # which of SELECTIONS


@dataclass
class CurriculumConfig:
    """Which samples train when, and how they are changed."""

    select: SelectConfig = field(default_factory=SelectConfig)
    mask: MaskingConfig = field(default_factory=MaskingConfig)


# Numbers -> how they weigh samples, see `Weigh`; None draws each sample once a pass.
SELECTIONS: dict[str, Callable[[SelectConfig], Weigh | None]] = {"uniform": lambda config: None}

CURRICULA: dict[str, CurriculumConfig] = {"uniform": CurriculumConfig()}  # what `curriculum=` takes


@dataclass(frozen=True)
class Curriculum:
    """Which samples train when, and how they are changed.

    Args:
        weigh: Difficulty of the samples and progress -> their weights; 0 leaves a sample out. None draws each once a
            pass.
        changes: What is done to a sample before it is shown, one after another; never in an evaluation.
    """

    weigh: Weigh | None = None
    changes: tuple[Change, ...] = ()


def curriculum_of(config: CurriculumConfig) -> Curriculum:
    """What the numbers of a configuration amount to."""
    changes = () if config.mask.shape == OFF else (Masking(config.mask),)
    return Curriculum(SELECTIONS[config.select.by](config.select), changes)


def check_curriculum(config: CurriculumConfig, task: Task) -> list[str]:
    """What cannot work for a task, a line each."""
    by = config.select.by
    errors = [] if by in SELECTIONS else [unknown("curriculum.select.by", by, SELECTIONS)]
    return errors + check_masking(config.mask, task)
