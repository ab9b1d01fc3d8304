"""The table of experiments. A new one is one file with an `Experiment`, and one line here."""

from __future__ import annotations

from grounding.experiments.experiment import Experiment
from grounding.experiments.stvg_r1 import STVG_R1

EXPERIMENTS: dict[str, Experiment] = {one.name: one for one in (STVG_R1,)}
