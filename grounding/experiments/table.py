"""The tables of experiments and studies. A new one is one file with an `Experiment` or a `Study`, and one line here."""

from __future__ import annotations

from grounding.experiments.experiment import Experiment
from grounding.experiments.scene_r1 import SCENE_R1
from grounding.experiments.study import Study
from grounding.experiments.stvg_r1 import STVG_R1
from grounding.experiments.videotg_ablation import VIDEOTG_ABLATION
from grounding.experiments.videotg_r1 import VIDEOTG_R1

EXPERIMENTS: dict[str, Experiment] = {one.name: one for one in (STVG_R1, VIDEOTG_R1, SCENE_R1)}

STUDIES: dict[str, Study] = {one.name: one for one in (VIDEOTG_ABLATION,)}
