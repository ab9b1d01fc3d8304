"""`bench.py rollout`: TRL's generation, which repeats the prompt for every completion, against ours.

The bar is on the first batch, like that of a whole step. In the second, with a shorter prompt and longer completions,
the time goes into calling operators for eight tokens at a time, which sharing a prompt does not make fewer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.measure import Bar, busiest, clock, counting, interleave, medians, ratio
from benchmarks.sides import Side, random_completions, shared_side, stock_side
from benchmarks.world import Machine, Shape

BARS = [Bar("ratio", 4.0), Bar("greedy_match", 1.0)]


def rollout(first: Shape, longer: Shape, machine: Machine, folder: Path, repeats: int) -> dict[str, Any]:
    """Seconds of the generation of one group; no completion ends early."""
    parts = {"first": compare(first, machine, folder, repeats), "long": compare(longer, machine, folder, repeats)}
    return {
        "ratio": parts["first"]["ratio"],
        "ratio_long": parts["long"]["ratio"],
        "greedy_match": min(part["greedy_match"] for part in parts.values()),
        **parts,
    }


def compare(shape: Shape, machine: Machine, folder: Path, repeats: int) -> dict[str, Any]:
    """Time, counts and agreement of one group's generation."""
    sides = {"stock": stock_side(folder, shape, machine), "shared": shared_side(folder, shape, machine)}
    completions = random_completions(sides["stock"].processor, shape)
    calls = {name: side.rollout(completions) for name, side in sides.items()}
    seconds = interleave(calls, repeats, clock(machine.device))
    counts, rows = {}, {}
    for name, side in sides.items():
        with counting(side.model, side.processor) as counted:
            likeliest(side)
            rows[name] = calls[name]()
        counts[name] = {"vision_encodings": counted.frames, "text_tokens": counted.tokens}
    if any(len(row) != shape.completion for side in rows.values() for row in side):
        raise ValueError("a completion ended early; the bench compares unequal work")
    return {
        "ratio": ratio(seconds, "stock", "shared"),
        "seconds": medians(seconds),
        "counts": counts,
        "greedy_match": _share_equal(rows["stock"], rows["shared"]),
        "busiest": busiest(calls["shared"], machine.device),
    }


def likeliest(side: Side) -> None:
    """Let a side take the likeliest token from now on."""
    side.trainer.generation_config.do_sample = False
    side.trainer.temperature = 0.0


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The lines of the table."""
    lines: dict[str, Any] = {figure: found[figure] for figure in ("ratio", "ratio_long", "greedy_match")}
    for name in ("first", "long"):
        part = found[name]
        for side in ("stock", "shared"):
            counts = part["counts"][side]
            lines[f"{name}, {side}"] = (
                f"{part['seconds'][side]:.2f} s, {counts['vision_encodings']} frames, {counts['text_tokens']} tokens"
            )
        lines[f"{name}, busiest"] = ", ".join(f"{k} {v:.0%}" for k, v in part["busiest"].items())
    return lines


def _share_equal(left: list[list[int]], right: list[list[int]]) -> float:
    pairs = [a == b for one, other in zip(left, right, strict=True) for a, b in zip(one, other, strict=True)]
    return sum(pairs) / len(pairs)
