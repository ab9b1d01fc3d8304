"""VideoTG-R1 (arXiv 2510.23397): agents that find partial annotations and hard samples, and videos that are masked.

Confirmed by its text:
- temporal grounding (and grounded question answering), trained with GRPO;
- an agent predicts relevant times outside of an annotated interval; samples that have such are discarded;
- an agent scores samples by a zero-shot evaluation, and the videos of the hard ones are masked as a function of the
  training step;
- a tenth of the samples and 21 % of the compute do better than all samples.

Nothing else is public. Our defaults:
- all numbers of the agents and of the masks, which are explained where they are set: `grounding.curriculum.reflection`,
  `difficulty` and `masking`;
- which side of an interval is masked, and how its frames come back;
- rewards, prompts and the numbers of GRPO: those of VideoChat-R1, whose first author is one of the paper's;
- the tiny policy learns a toy world in which things come again, or never, with its own numbers.
"""

from __future__ import annotations

from grounding.experiments.experiment import Experiment

# Toy clips last four seconds and change each second, so no margin is left around a time range.
TOY = (
    *("data.repeats=true", "reflection.margin=0", "reflection.margin_share=0"),
    *("reflection.least=1", "reflection.found=0.5", "reflection.found_share=0"),
    "difficulty.hard=0.5",  # the warm-up's answers end too early, so that most samples score about 0.6
)

VIDEOTG_R1 = Experiment(
    name="videotg_r1",
    options=("task=vtg", "task.rewards=videotg_r1", "curriculum=videotg_r1", "objective.loss=grpo"),
    by={
        "model": {
            "tiny": (
                "stages=[warmup,reflect,difficulty,grpo]",
                *TOY,
                *("data.partial=0.3", "data.hard=0.3", "data.train_clips=256", "trainer.max_steps=16"),
            ),
            "qwen2_5_vl": ("stages=[reflect,difficulty,grpo]",),
        }
    },
)
