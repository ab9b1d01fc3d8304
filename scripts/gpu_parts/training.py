"""`step_7b_lora` and `moved`: steps of `model=qwen2_5_vl`, with random weights on videos of noise."""

from __future__ import annotations

import time
from typing import Any

import torch
from benchmarks.world import Machine, Shape, build_model, noise_source, patch_of
from gpu_parts import stand_ins
from gpu_parts.parts import Place, Tell
from omegaconf import OmegaConf

from grounding.commands.options import composed
from grounding.policies.policy import Policy, load_policy, save_policy
from grounding.policies.precision import MOVED
from grounding.training import learning
from grounding.training.config import Config, asking_of, register
from grounding.training.grpo import run_grpo

PHASES = ("rollout", "rewards", "scoring", "step")
SMALL = Shape(frames=2, side=2, completion=4, generations=2)


def step_7b_lora(place: Place, tell: Tell) -> None:
    """Rollout, rewards, loss and optimizer step of two groups of 8; the second step is told, the first compiles."""
    size, shape = ("trial", SMALL) if place.tiny else ("7b", Shape(frames=32, side=11))
    config = options(shape, "trainer.max_steps=2", "trainer.prompts=2", "model.lora_rank=32")
    policy = Policy(*build_model(Machine(place.device, "bfloat16", size), frozen=False))
    steps = taken(policy, shape, config, place, tell)
    second = steps[-1]
    spent = ", ".join(f"{phase} {second[f'seconds/{phase}']:.2f}" for phase in PHASES if f"seconds/{phase}" in second)
    peak = "unknown" if second["peak_gib"] is None else f"{second['peak_gib']:.1f} GiB"
    tokens = shape.frames * shape.side**2 // 2
    tell(
        result=f"2 groups of {shape.generations}, {tokens} visual tokens, C {shape.completion}: {second['wall']:.2f} s "
        f"({spent}), peak memory {peak}",
    )


def moved(place: Place, tell: Tell) -> None:
    """The first step of all weights, with the defaults of `model=qwen2_5_vl` but for the length of the answers."""
    size, shape = ("trial", SMALL) if place.tiny else ("0.5b", Shape(frames=8, completion=64))
    folder = place.folder / "model"
    model, processor = build_model(Machine(place.device, "bfloat16", size), frozen=False)
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    save_policy(Policy(model, processor), folder)
    del model
    policy = load_policy(str(folder), dtype="bfloat16")
    policy.model.to(place.device)
    config = options(shape, "trainer.max_steps=1", "trainer.prompts=2")
    (step,) = taken(policy, shape, config, place, tell)
    tell(
        result=f"{step[MOVED]:.1%} of the weights ({size}, learning rate {config.objective.lr:g}, gradient norm "
        f"{step['grad_norm']:.3g})",
    )


def options(shape: Shape, *changes: str) -> Config:
    """The configuration of `model=qwen2_5_vl` with a shape's sizes."""
    stand_ins.enter()
    register()
    sizes = [f"model.max_new_tokens={shape.completion}", f"objective.generations={shape.generations}"]
    given = ["model=qwen2_5_vl", "task.weights={in_turn: 1.0}", "trainer.save_steps=0", "trainer.report_to=[]"]
    return OmegaConf.to_object(composed([*given, *sizes, *changes], ""))


def taken(policy: Policy, shape: Shape, config: Config, place: Place, tell: Tell) -> list[dict[str, Any]]:
    """The figures of each step, with its wall time in seconds and the peak memory so far (None on a CPU)."""
    steps: list[dict[str, Any]] = []
    times = [time.perf_counter()]

    def phase(figures: dict[str, float]) -> None:
        peak = torch.cuda.max_memory_allocated() / 2**30 if place.device == "cuda" else None
        times.append(time.perf_counter())
        steps.append({**figures, "wall": times[-1] - times[-2], "peak_gib": peak})
        tell(steps=steps, result=f"{len(steps)} steps taken")

    source = noise_source(shape, patch_of(policy.model), config.trainer.prompts * config.trainer.max_steps)
    kept = learning.Place(place.folder, place.folder / "model")
    run_grpo(policy, learning.Work(config, asking_of(config), source), kept, phase)
    return steps
