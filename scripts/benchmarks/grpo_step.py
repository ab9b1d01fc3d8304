"""`bench.py grpo-step`: log-probs and update, and the whole optimizer step, of TRL's trainer and ours.

Log-probs and update are also measured with PrefixGrouper, the best known peer that shares prompts (`_pg`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from benchmarks.floor import repeated_flops, score_and_update_flops
from benchmarks.measure import Bar, busiest, clock, counting, interleave, matmul_rate, medians, peak_bytes, ratio
from benchmarks.sides import Side, grouped_side, random_completions, shared_side, stock_side
from benchmarks.world import FIRST, LONG, Machine, Shape, as_video

from grounding.policies.policy import Policy

BARS = [
    Bar("ratio", 7.0),
    Bar("ratio_long", 4.0),
    Bar("ratio_pg", 1.5),
    Bar("ratio_pg_long", 1.3),
    Bar("peak_over_pg", 0.75, most=True),
    Bar("logp_diff_over_pg", 1.0, most=True),
    Bar("ratio_step_frozen", 5.0),
    Bar("ratio_step_trained", 4.0),
    Bar("max_abs_logp_diff", 2e-5, most=True),
    Bar("max_rel_grad_diff", 1e-4, most=True),
    Bar("ratio_g16_over_g8", 1.0),
    Bar("frames_over_unique_frozen", 1.0, most=True),
    Bar("frames_over_unique_trained", 1.0, most=True),
    Bar("prepared_over_unique", 1.0, most=True),
]


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Args:
        first: The batch of `ratio`.
        long: The batch of `ratio_long`: longer completions after a shorter prompt.
        growth: Numbers of frames whose steps are timed.
        repeats: Measured turns of the two first batches; one less elsewhere.
    """

    first: Shape = FIRST
    long: Shape = LONG
    growth: Sequence[int] = (8, 16, 32, 64)
    repeats: int = 3


def grpo_step(plan: Plan, machine: Machine, folder: Path) -> dict[str, Any]:
    """Every figure of the bench; those with a bar lie at the top."""
    fewer = max(plan.repeats - 1, 1)
    first = compare(plan.first, machine, folder, plan.repeats)
    longer = compare(plan.long, machine, folder, plan.repeats)
    double = replace(plan.first, generations=2 * plan.first.generations)
    more = score_ratio(double, machine, folder, fewer)
    steps = {name: whole_step(plan.first, machine, folder, fewer, name == "frozen") for name in ("frozen", "trained")}
    found = {
        "ratio": first["ratio"],
        "ratio_long": longer["ratio"],
        "ratio_pg": first["ratio_pg"],
        "ratio_pg_long": longer["ratio_pg"],
        "peak_pg": first["peak_memory_bytes"]["grouped"],
        "peak_over_pg": first["peak_memory_bytes"]["shared"] / first["peak_memory_bytes"]["grouped"],
        "logp_diff_over_pg": max(part["max_abs_logp_diff"] / part["max_abs_logp_diff_pg"] for part in (first, longer)),
        "ratio_step_frozen": steps["frozen"]["ratio"],
        "ratio_step_trained": steps["trained"]["ratio"],
        "max_abs_logp_diff": max(first["max_abs_logp_diff"], longer["max_abs_logp_diff"]),
        "max_rel_grad_diff": max(first["max_rel_grad_diff"], longer["max_rel_grad_diff"]),
        "ratio_g16_over_g8": more / first["ratio"],
        "prepared_over_unique": max(step["shared"]["prepared"] for step in steps.values()) / plan.first.frames,
    }
    for name, step in steps.items():
        found[f"frames_over_unique_{name}"] = step["shared"]["frames"] / plan.first.frames
    return {
        **found,
        "ratio_g16": more,
        "first": first,
        "long": longer,
        "step": steps,
        "video": true_video(plan.first, machine, folder, fewer),
        "growth": growth(plan, machine, folder, fewer),
    }


def compare(shape: Shape, machine: Machine, folder: Path, repeats: int) -> dict[str, Any]:
    """Time, differences, counts and memory of log-probs and update on one identical batch."""
    sides = {**_both(shape, machine, folder), "grouped": grouped_side(folder, shape, machine)}
    batches = _batches(sides, shape)
    _must_be_identical(batches["stock"], batches["shared"], sides["stock"].model.config)
    calls = {name: (lambda n=name: sides[n].score_and_update(batches[n])) for name in sides}
    seconds = interleave(calls, repeats, clock(machine.device))
    prompt = batches["stock"]["prompt_ids"].shape[1]
    rate = matmul_rate(machine.device, getattr(torch, machine.dtype))
    needed = score_and_update_flops(sides["shared"].model, shape, prompt)
    floor = needed / rate
    spent, vision = medians(seconds), medians(interleave(_vision(sides, batches), repeats, clock(machine.device)))
    counts, peaks = {}, {}
    for name, side in sides.items():
        with counting(side.model, side.processor) as counted:
            peaks[name] = peak_bytes(calls[name], machine.device)
        counts[name] = {"vision_encodings": counted.frames, "text_tokens": counted.tokens}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": shape.completion,
        "generations": shape.generations,
        "ratio": ratio(seconds, "stock", "shared"),
        "ratio_pg": ratio(seconds, "grouped", "shared"),
        "seconds": spent,
        "vision_seconds": vision,
        "margin_vision": vision["grouped"] - vision["shared"],
        "margin_row": (spent["grouped"] - vision["grouped"]) - (spent["shared"] - vision["shared"]),
        "counts": counts,
        "peak_memory_bytes": peaks,
        "matmul_flops_per_second": rate,
        "floor_seconds": floor,
        "over_floor": {name: value / floor for name, value in spent.items()},
        "flops_ratio": repeated_flops(sides["stock"].model, shape, prompt) / needed,
        "busiest": busiest(calls["shared"], machine.device),
        **differences(sides, batches, "shared"),
        **{f"{name}_pg": value for name, value in differences(sides, batches, "grouped").items()},
    }


def _vision(sides: dict[str, Side], batches: dict[str, Any]) -> dict[str, Callable[[], None]]:
    """What the tower takes in log-probs and update: PrefixGrouper's trainer encodes for each pass, ours once."""
    batch, policy, prompts = batches["grouped"], sides["shared"].trainer.policy, batches["shared"]["prompts"][:1]
    patches, tower = len(prompts[0].pixel_values), sides["grouped"].model.model.visual
    grids = batch["image_grid_thw"][: len(prompts[0].grid)]

    def encoded() -> torch.Tensor:
        return tower(batch["pixel_values"][:patches], grid_thw=grids).pooler_output

    def grouped() -> None:
        with torch.no_grad():
            encoded()
        encoded().sum().backward()

    def shared() -> None:
        policy.encode_videos(prompts)[0].sum().backward()

    return {"grouped": grouped, "shared": shared}


def differences(sides: dict[str, Side], batches: dict[str, Any], name: str) -> dict[str, float]:
    """Largest difference from TRL of a log-probability, and of a parameter's gradient relative to its norm.

    A parameter whose gradient is below a thousandth of the whole gradient is measured against that thousandth: a
    key's bias, for one, has a gradient that is zero but for rounding.
    """
    logps, gradients = {}, {}
    for side in ("stock", name):
        logps[side] = sides[side].score(batches[side])
        sides[side].update(batches[side])
        gradients[side] = sides[side].gradients()
    stock, other = gradients["stock"], gradients[name]
    whole = math.sqrt(sum(float(g.norm()) ** 2 for g in stock.values()))
    relative = [float((other[n] - g).norm()) / max(float(g.norm()), 1e-3 * whole, 1e-12) for n, g in stock.items()]
    return {
        "max_abs_logp_diff": float((logps["stock"] - logps[name]).abs().max()),
        "max_rel_grad_diff": max(relative),
    }


def score_ratio(shape: Shape, machine: Machine, folder: Path, repeats: int) -> float:
    """The ratio of log-probs and update, and nothing else."""
    sides = _both(shape, machine, folder)
    batches = _batches(sides, shape)
    calls = {name: (lambda n=name: sides[n].score_and_update(batches[n])) for name in sides}
    return ratio(interleave(calls, repeats, clock(machine.device)), "stock", "shared")


def whole_step(shape: Shape, machine: Machine, folder: Path, repeats: int, frozen: bool) -> dict[str, Any]:
    """Time and counts of whole optimizer steps, each on a video of its own."""
    videos = repeats + 2
    sides = {
        "stock": stock_side(folder, shape, machine, videos, frozen),
        "shared": shared_side(folder, shape, machine, videos, frozen),
    }
    turns = {name: iter(range(videos)) for name in sides}
    calls = {name: (lambda n=name: sides[n].step(next(turns[n]))) for name in sides}
    seconds = interleave(calls, repeats, clock(machine.device))
    made: dict[str, Any] = {"ratio": ratio(seconds, "stock", "shared"), "seconds": medians(seconds)}
    for name, side in sides.items():
        with counting(side.model, side.processor) as counted:
            calls[name]()
        made[name] = vars(counted)
    return made


def true_video(shape: Shape, machine: Machine, folder: Path, repeats: int) -> dict[str, Any]:
    """What a true video saves on top of stills: two frames a patch in time, no tokens around each frame."""
    sides = {
        "stills": shared_side(folder, shape, machine),
        "video": shared_side(folder, shape, machine, kind=Policy),
    }
    batches = _batches(sides, shape)
    calls = {name: (lambda n=name: sides[n].score_and_update(batches[n])) for name in sides}
    seconds = interleave(calls, repeats, clock(machine.device))
    tokens = {name: batch["prompt_ids"].shape[1] for name, batch in batches.items()}
    return {"ratio": ratio(seconds, "stills", "video"), "seconds": medians(seconds), "prompt_tokens": tokens}


def growth(plan: Plan, machine: Machine, folder: Path, repeats: int) -> dict[str, Any]:
    """Seconds of our whole step over the prompt's visual tokens; `exponent` 1 is linear, 2 quadratic."""
    shapes = [replace(plan.first, frames=frames) for frames in plan.growth]
    sides = {shape.frames: shared_side(folder, shape, machine) for shape in shapes}
    calls = {str(frames): (lambda s=side: s.step(0)) for frames, side in sides.items()}
    spent = medians(interleave(calls, repeats, clock(machine.device)))
    rows = [{"visual_tokens": s.frames * s.side**2, "seconds": spent[str(s.frames)]} for s in shapes]
    last, before = rows[-1], rows[-2]
    doubling = math.log(last["seconds"] / before["seconds"]) / math.log(last["visual_tokens"] / before["visual_tokens"])
    return {"rows": rows, "exponent_of_last": doubling}


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The lines of the table."""
    lines: dict[str, Any] = {bar.figure: found[bar.figure] for bar in BARS}
    lines["ratio at G x 2"] = found["ratio_g16"]
    for name in ("first", "long"):
        part = found[name]
        size = f"P {part['prompt_tokens']}, C {part['completion_tokens']}, G {part['generations']}"
        for side in ("stock", "grouped", "shared"):
            counts = part["counts"][side]
            lines[f"{size}, {side}"] = (
                f"{part['seconds'][side]:.2f} s, {part['over_floor'][side]:.1f} x floor, "
                f"{counts['vision_encodings']} frames, {counts['text_tokens']} tokens, "
                f"{part['peak_memory_bytes'][side] / 2**20:.0f} MiB"
            )
        lines[f"{size}, saved over PrefixGrouper"] = (
            f"{part['margin_vision']:.2f} s by the tower, {part['margin_row']:.2f} s by the packed row"
        )
        lines[f"{size}, ratio of FLOPs"] = part["flops_ratio"]
        lines[f"{size}, busiest"] = ", ".join(f"{k} {v:.0%}" for k, v in part["busiest"].items())
    for name, step in found["step"].items():
        spent = step["seconds"]
        lines[f"whole step, {name} tower"] = f"stock {spent['stock']:.2f} s, shared {spent['shared']:.2f} s"
    tokens = found["video"]["prompt_tokens"]
    lines["true video on top"] = f"{found['video']['ratio']:.2f} x ({tokens['stills']} -> {tokens['video']} tokens)"
    for row in found["growth"]["rows"]:
        lines[f"whole step at {row['visual_tokens']} visual tokens"] = f"{row['seconds']:.2f} s"
    lines["growth exponent at the last doubling"] = found["growth"]["exponent_of_last"]
    return lines


def _both(shape: Shape, machine: Machine, folder: Path) -> dict[str, Side]:
    return {"stock": stock_side(folder, shape, machine), "shared": shared_side(folder, shape, machine)}


def _batches(sides: dict[str, Side], shape: Shape) -> dict[str, Any]:
    completions = random_completions(next(iter(sides.values())).processor, shape)
    return {name: side.batch(completions) for name, side in sides.items()}


def _must_be_identical(stock: dict[str, Any], shared: dict[str, Any], config: Any) -> None:
    """Stop unless both sides learn from the same tokens, pixels, completions and advantages."""
    pixels = shared["prompts"][0].pixel_values
    pairs = [
        (as_video(stock["prompt_ids"], config), shared["prompt_ids"]),
        (stock["pixel_values"][: len(pixels)].cpu(), pixels.cpu()),
        *((stock[name], shared[name]) for name in ("completion_ids", "completion_mask", "advantages")),
    ]
    if not all(torch.equal(a, b) for a, b in pairs):
        raise ValueError("the two sides do not learn from the same batch; the bench compares nothing")
