"""What each part of VideoTG-R1 is worth and costs, on the toy world: `python scripts/experiments.py videotg_ablation`.

30 % of the training clips miss a time range in their annotation, and 30 % are hard: they have twins and one object
more, as have 30 % of the held-out clips. Every arm begins from the same warmed-up policy. `full` trains on 1,920 clips,
each once; the others on about a tenth of them and for 256 draws. Agents look at 256 clips, of which about 190 are left
where partial ones are dropped; what agents cost counts. The last two arms are attempts to make more of a tenth.
"""

from __future__ import annotations

from grounding.experiments.study import Study
from grounding.experiments.videotg_r1 import TOY

GRPO = "stages=[grpo]"
BOTH = "stages=[reflect,difficulty,grpo]"
TENTH = ("data.train_clips=192", "trainer.max_steps=16")
POOL = ("data.train_clips=256", "trainer.max_steps=16")
MASKED = "curriculum=videotg_r1"
SMALL = ("trainer.prompts=8", "trainer.groups_per_pass=8", "trainer.max_steps=32")  # as many draws, twice the updates

VIDEOTG_ABLATION = Study(
    name="videotg_ablation",
    options=("task=vtg", "task.rewards=videotg_r1", *TOY, "data.partial=0.3", "data.hard=0.3"),
    start=("stages=[warmup]", "data.eval_samples=16"),
    arms={
        "full": (GRPO, "data.train_clips=1920"),
        "random tenth": (GRPO, *TENTH),
        "reflection": ("stages=[reflect,grpo]", *POOL),
        "difficulty": ("stages=[difficulty,grpo]", *POOL),
        "masking": (GRPO, *TENTH, MASKED, "curriculum.mask.buckets=null"),
        "all": (BOTH, *POOL, MASKED),
        "drop hard": ("stages=[difficulty,grpo]", *POOL, "difficulty.keep=[easy,medium]"),
        "SFT": ("stages=[sft]", "data.train_clips=1920", "sft.max_steps=120", "sft.videos=16", "sft.lr=1e-3"),
        "all, lr 1e-3": (BOTH, *POOL, MASKED, "objective.lr=1e-3"),
        "all, small steps": (BOTH, "data.train_clips=256", *SMALL, MASKED, "objective.lr=1e-3"),
    },
    seeds=(0, 1, 2),
    metric="union_IoU",
)
