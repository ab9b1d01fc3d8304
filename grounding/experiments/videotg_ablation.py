"""What each part of VideoTG-R1 is worth and costs, on the toy world: `python scripts/experiments.py videotg_ablation`.

30 % of the training clips miss a time range in their annotation, and 30 % are hard: they have twins and one object
more, as have 30 % of the held-out clips. Every arm begins from the same warmed-up policy. `full` trains on 1,920 clips,
each once; the others on about a tenth of them, one and a half times. The agents see a pool that is larger than what
they leave; what they cost counts.
"""

from __future__ import annotations

from grounding.experiments.study import Study
from grounding.experiments.videotg_r1 import TOY

GRPO = "stages=[grpo]"
TENTH = "data.train_clips=192"
SHORT = "trainer.max_steps=18"  # of 16 clips

VIDEOTG_ABLATION = Study(
    name="videotg_ablation",
    options=("task=vtg", "task.rewards=videotg_r1", *TOY, "data.partial=0.3", "data.hard=0.3"),
    start=("stages=[warmup]", "data.eval_samples=16"),
    arms={
        "full": (GRPO, "data.train_clips=1920"),
        "random tenth": (GRPO, TENTH, SHORT),
        "reflection": ("stages=[reflect,grpo]", "data.train_clips=256", SHORT),
        "difficulty": ("stages=[difficulty,grpo]", "data.train_clips=256", SHORT),
        "masking": (GRPO, TENTH, SHORT, "curriculum=videotg_r1", "curriculum.mask.buckets=null"),
        "all": ("stages=[reflect,difficulty,grpo]", "data.train_clips=384", SHORT, "curriculum=videotg_r1"),
        "drop hard": ("stages=[difficulty,grpo]", "data.train_clips=256", SHORT, "difficulty.keep=[easy,medium]"),
        "SFT": ("stages=[sft]", "data.train_clips=1920", "sft.max_steps=120", "sft.videos=16", "sft.lr=1e-3"),
    },
    seeds=(0, 1, 2),
    metric="union_IoU",
)
