"""The tables of curricula. A selection is one line in `SELECTIONS`; a set of numbers with a name one in `CURRICULA`.

A curriculum says how often each sample is drawn as a run goes on, and what is changed about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from grounding.core.checks import plain, unknown
from grounding.curriculum.masking import OFF, Masking, MaskingConfig, check_masking
from grounding.curriculum.order import Weigh
from grounding.curriculum.selection import Gaussian, by_spread
from grounding.tasks.asking import Change
from grounding.tasks.task import Task


@dataclass
class SelectConfig:
    """Which samples are drawn when."""

    by: str = "uniform"  # which of SELECTIONS
    mean: float = 0.3  # difficulty that weighs most, for gaussian
    std: float = 0.2  # how far from it a sample still weighs much, likewise
    refresh: int = 0  # after so many steps the newest groups' scores are the difficulty; 0: what was known before


@dataclass
class CurriculumConfig:
    """Which samples train when, and how they are changed."""

    select: SelectConfig = field(default_factory=SelectConfig)
    mask: MaskingConfig = field(default_factory=MaskingConfig)


# Numbers -> how they weigh samples, see `Weigh`; None draws each sample once a pass.
SELECTIONS: dict[str, Callable[[SelectConfig], Weigh | None]] = {
    "uniform": lambda config: None,
    "spread": lambda config: by_spread,
    "gaussian": lambda config: Gaussian(config.mean, config.std),
}

CURRICULA: dict[str, CurriculumConfig] = {  # what `curriculum=` takes
    "uniform": CurriculumConfig(),
    "videotg_r1": CurriculumConfig(mask=MaskingConfig("linear")),  # the paper does not say how masks fall
}


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
    select = config.select
    errors = [] if select.by in SELECTIONS else [unknown("curriculum.select.by", select.by, SELECTIONS)]
    rules = [
        ("mean", select.mean, 0 <= select.mean <= 1, "in [0, 1]"),
        ("std", select.std, 0 < select.std <= 1, "in (0, 1]"),
        ("refresh", select.refresh, select.refresh >= 0, "0 (never) or more"),
    ]
    wrong = [(name, value, rule) for name, value, right, rule in rules if not right]
    errors += [f"curriculum.select.{name} must be {rule}, got {plain(value)}" for name, value, rule in wrong]
    return errors + check_masking(config.mask, task)
