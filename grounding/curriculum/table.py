"""The table of curricula. A new one is one line here, or one file with a function and one line here.

A curriculum says how often each sample is drawn as a run goes on, and what is changed about it.
"""

from __future__ import annotations

from dataclasses import dataclass

from grounding.curriculum.order import Weigh
from grounding.tasks.asking import Change


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


CURRICULA: dict[str, Curriculum] = {"uniform": Curriculum()}
