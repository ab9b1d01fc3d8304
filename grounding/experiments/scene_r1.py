"""Scene-R1 (arXiv 2506.17545): a question about a scene -> a snippet of its video -> a box -> masks -> 3D.

Of the paper the abstract is confirmed; the rest comes from an overview of it, a table in another paper, and reviews of
its revised version, for no code is public:
- Qwen2.5-VL-7B, GRPO, the same model for `task=vtg` (which snippet, as `5s to 10s`), `task=box` (a JSON box in one
  frame) and `task=qa` (free answers about the scene, from its video alone);
- rewards: IoU of times, IoU of boxes, exact match, each beside the form;
- SAM 2 follows the box, and its masks are lifted to 3D (`scripts/ground3d.py`). The revised paper matches the result
  against candidates of a segmenter (`--candidates`).

Our defaults:
- the rewards' weights (1 each), 8 answers a prompt, completions of up to 1024 tokens and bfloat16, as Time-R1 (same
  model, nearly the same answers) has them; learning rate and beta of STVG-R1, whose TRL version is the same;
- prompts, numbers of frames, and how labels are derived from scans (`scripts/derive_labels.py`);
- a model may answer `none`; 20 of 100 questions about toy rooms ask for what is not there;
- the tiny policy learns toy rooms, a task each, with its own numbers.
"""

from __future__ import annotations

from grounding.experiments.experiment import Experiment

SCENE_R1 = Experiment(
    name="scene_r1",
    options=("curriculum=uniform", "objective.loss=grpo"),
    by={
        "task": {
            "vtg": ("task.rewards=scene_r1",),
            "box": ("task.rewards=scene_r1_box",),
            "qa": ("task.rewards=scene_r1_qa",),
        },
        "model": {
            "tiny": ("stages=[warmup,grpo]", "data=rooms"),
            "qwen2_5_vl": ("stages=[grpo]", "objective=stvg_r1"),
        },
    },
)
