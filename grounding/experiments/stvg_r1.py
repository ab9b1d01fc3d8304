"""STVG-R1 (ICLR 2026; code: XiaowZhang00/stvg-r1): objects carry numbers, and the model names one and a time range.

Confirmed by its code and README:
- rewards: temporal IoU, ID match and form, each of weight 1;
- 8 completions a prompt of at most 1024 tokens, temperature 1, one update a generation, 8 prompts a step (one on each
  of 8 GPUs), bfloat16, all weights trained, the vision tower too, no cold start, seed 42;
- learning rate 1e-6, falling linearly, and beta 0.04: defaults of the TRL version that its script pins;
- red digits at the object's centre, 2 frames a second, the text before the video.

Our defaults:
- 1000 steps: it trains 2 epochs of HC-STVG v1, v2 and VidSTG, and how many samples these have left is not stated;
- the wording of the instruction, and a parser that reads more ways of writing the same answer;
- frames as large as the processor takes them: its code shares 2048 x 784 pixels among the frames of a video;
- the tiny policy learns the toy world with its own numbers, to see in minutes that a run works.
"""

from __future__ import annotations

from grounding.experiments.experiment import Experiment

STVG_R1 = Experiment(
    name="stvg_r1",
    options=("task=stvg", "task.rewards=stvg_r1", "curriculum=uniform", "objective.loss=grpo"),
    by={
        "model": {
            "tiny": ("stages=[warmup,grpo]",),
            "qwen2_5_vl": ("stages=[grpo]", "objective=stvg_r1", "marker=digit", "seed=42"),
        }
    },
)
