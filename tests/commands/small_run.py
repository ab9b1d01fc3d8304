"""A whole run that takes seconds, for tests that start it in a process of its own and kill it there."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

from grounding.commands.train import train
from grounding.curriculum.masking import MaskingConfig
from grounding.curriculum.table import SELECTIONS, CurriculumConfig, SelectConfig
from grounding.training import grpo, sft
from grounding.training.config import (
    Config,
    MarkerConfig,
    ModelConfig,
    ObjectiveConfig,
    SFTConfig,
    TaskConfig,
    TrainerConfig,
    WarmupConfig,
)
from grounding.training.data import ToyConfig
from grounding.training.grpo import trl_config
from grounding.training.objectives import ROLLOUTS, Drawing, Rollout, Row, one_turn
from grounding.training.sft import sft_arguments
from rewards import REWARDS


def by_letters(answer: Any, truth: Any, meta: Any) -> float:
    """A reward that differs between completions of an untrained policy, which the real ones do not."""
    return sum(map(ord, meta.text)) % 11 / 10


def seen_first(known: Any, progress: float) -> Any:
    """A selection that draws what groups were scored of, whatever they scored."""
    return np.where(np.isnan(known.mean), 1e-3, 1.0)


def small_config(out: Path, **changes: dict[str, Any]) -> Config:
    """Three steps of warm-up and six on three clips (so on several passes over them), a checkpoint every two.

    Args:
        out: The run folder.
        changes: Of options, by group.
    """
    return Config(
        task=TaskConfig(weights={"temporal_iou": 0.0, "tube_viou": 0.0}),
        data=ToyConfig(**{"eval_samples": 2, "fps": 1.0, "objects": 1, "train_clips": 3, **changes.get("data", {})}),
        model=ModelConfig(**{"max_new_tokens": 5, **changes.get("model", {})}),
        objective=ObjectiveConfig(
            **{"generations": 2, "lr": 1e-2, "scheduler": "linear", **changes.get("objective", {})}
        ),
        trainer=TrainerConfig(
            **{
                "max_steps": 6,
                "prompts": 2,
                "groups_per_pass": 1,
                "save_steps": 2,
                "eval_batch": 2,
                "report_to": [],
                **changes.get("trainer", {}),
            }
        ),
        warmup=WarmupConfig(**{"max_steps": 3, "batch": 2, **changes.get("warmup", {})}),
        sft=SFTConfig(**{"max_steps": 3, "videos": 4, **changes.get("sft", {})}),
        stages=["sft"] if "sft" in changes else None,
        marker=MarkerConfig(size=15.0),
        curriculum=CurriculumConfig(
            SelectConfig(**changes.get("select", {})), MaskingConfig(**changes.get("mask", {}))
        ),
        out=str(out),
        resume="latest",
    )


def group_by_group(drawing: Drawing) -> list[list[Row]]:
    """Draws that do not depend on which groups are together in a process."""
    members = []
    for example in drawing.examples:
        torch.manual_seed(int(example.prompt.pixel_values.double().sum()))
        members += one_turn(replace(drawing, examples=[example]))
    return members


def with_sgd(config: Config, folder: Path) -> Any:
    """AdamW's step is as large for a gradient of pure rounding error as for any other."""
    args = trl_config(config, folder)
    args.optim = "sgd"
    return args


def sft_with_sgd(config: Config, folder: Path) -> Any:
    """The same in the stage `sft`."""
    args = sft_arguments(config, folder)
    args.optim = "sgd"
    return args


def as_if_gpus() -> None:
    """accelerate shards models on GPUs only; this has it take the processes of CPUs for some."""
    begin = AcceleratorState.__init__

    def begin_anew(self: Any, *args: Any, **options: Any) -> None:
        if PartialState._shared_state and not AcceleratorState._shared_state:
            PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
        begin(self, *args, **options)

    AcceleratorState.__init__ = begin_anew


def go(out: Path, changes: dict[str, dict[str, Any]]) -> None:
    """Begin the run or go on with it, silently."""
    torch.set_num_threads(1)
    REWARDS["id_match"] = by_letters
    SELECTIONS["seen"] = lambda config: seen_first
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    train(small_config(out, **changes))


if __name__ == "__main__":
    ROLLOUTS["one_turn"] = Rollout(group_by_group)
    if "adamw" not in sys.argv:
        grpo.trl_config = with_sgd
        sft.sft_arguments = sft_with_sgd
    if "sharded" in sys.argv:
        as_if_gpus()
    go(Path(sys.argv[1]), json.loads(sys.argv[2]))
