"""The table of benchmarks. A new one is one file with a `Benchmark`, and one line here."""

from __future__ import annotations

from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.benchmarks.hcstvg import HCSTVG
from grounding.evaluation.benchmarks.mcq import MCQ
from grounding.evaluation.benchmarks.mevis import MEVIS
from grounding.evaluation.benchmarks.nextgqa import NEXTGQA
from grounding.evaluation.benchmarks.qvhighlights import QVHIGHLIGHTS
from grounding.evaluation.benchmarks.refytvos import REFYTVOS
from grounding.evaluation.benchmarks.rextime import REXTIME
from grounding.evaluation.benchmarks.scannet import SCANNET, SCANNET_AGNOSTIC
from grounding.evaluation.benchmarks.scanrefer import SCANREFER
from grounding.evaluation.benchmarks.st_align import ST_ALIGN
from grounding.evaluation.benchmarks.stvg_rows import STVG
from grounding.evaluation.benchmarks.vidstg import VIDSTG
from grounding.evaluation.benchmarks.vsibench import VSIBENCH
from grounding.evaluation.benchmarks.vtg import ACTIVITYNET, CHARADES, TVGBENCH, VTG

BENCHMARKS: dict[str, Benchmark] = {
    "hcstvg": HCSTVG,
    "vidstg": VIDSTG,
    "st_align": ST_ALIGN,
    "stvg": STVG,
    "mevis": MEVIS,
    "refytvos": REFYTVOS,
    "charades": CHARADES,
    "activitynet": ACTIVITYNET,
    "tvgbench": TVGBENCH,
    "vtg": VTG,
    "qvhighlights": QVHIGHLIGHTS,
    "nextgqa": NEXTGQA,
    "rextime": REXTIME,
    "scanrefer": SCANREFER,
    "scannet": SCANNET,
    "scannet_agnostic": SCANNET_AGNOSTIC,
    "vsibench": VSIBENCH,
    "mcq": MCQ,
}
