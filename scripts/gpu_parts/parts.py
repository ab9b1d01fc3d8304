"""The parts of `gpu_check.py`: what each measures, how long it may take, and which run side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Tell = Callable[..., None]  # a part calls it with figures as it finds them; `result` is their short sentence


@dataclass(frozen=True)
class Place:
    """Where a part runs.

    Args:
        device: "cuda" or "cpu".
        card: Name of the GPU; None on a CPU.
        tiny: Whether the smallest sizes are asked for; their figures mean nothing.
        folder: For the part alone, to write what it likes; it is removed when the part has ended.
    """

    device: str
    card: str | None
    tiny: bool
    folder: Path


@dataclass(frozen=True)
class Part:
    """A part.

    Args:
        name: What `--only` and the table call it.
        call: Its function as `module:function`, called with a `Place` and a `Tell` in a process of its own.
        limit: Seconds after which it is ended.
        measures: What it measures, for the table.
        alone: Whether nothing may run beside it, because it measures speed or memory.
    """

    name: str
    call: str
    limit: float
    measures: str
    alone: bool = True


PARTS = (
    Part(
        "attention",
        "gpu_parts.attention:attention",
        120,
        "kernels of the packed row: largest difference from double precision, beside that of a dense mask",
        alone=False,
    ),
    Part("learning", "gpu_parts.runs:learning", 240, "the default run: m_vIoU on held-out clips", alone=False),
    Part(
        "moved",
        "gpu_parts.training:moved",
        100,
        "share of the weights that the first step of model=qwen2_5_vl moves",
        alone=False,
    ),
    Part("seeds", "gpu_parts.runs:seeds", 120, "two runs with equal seeds", alone=False),
    Part("resume", "gpu_parts.runs:resume", 150, "a run that is killed and resumed, beside a whole one", alone=False),
    Part("step_7b_lora", "gpu_parts.training:step_7b_lora", 90, "whole GRPO step of Qwen2.5-VL 7B with LoRA"),
    Part(
        "grpo_step_3b",
        "gpu_parts.steps:three_billion",
        90,
        "log-probs and update of one group, Qwen2.5-VL 3B: TRL / PrefixGrouper / ours",
    ),
    Part(
        "grpo_step_0.5b",
        "gpu_parts.steps:half_billion",
        75,
        "log-probs and update of one group, 0.5 B: TRL / PrefixGrouper / ours",
    ),
    Part("rollout", "gpu_parts.rollout:rollout", 75, "tokens a second, with and without CUDA graphs for decoding"),
    Part("rates", "gpu_parts.rates:rates", 45, "drawing and decoding of 1280 x 720 frames; toy videos made ready"),
)
