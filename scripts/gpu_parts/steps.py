"""`grpo_step_0.5b` and `grpo_step_3b`: log-probs and update of one group, by TRL, PrefixGrouper and ours.

The sides are those of `bench.py grpo-step`, one after another: only one model is on the card at a time.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from benchmarks import grpo_step
from benchmarks.floor import score_and_update_flops
from benchmarks.measure import clock, interleave, medians, peak_bytes
from benchmarks.sides import Side, grouped_side, random_completions, shared_side, stock_side
from benchmarks.world import Machine, Shape
from gpu_parts.parts import Place, Tell
from gpu_parts.peak import mfu

REPEATS = 3
SIDES: dict[str, Callable[..., Side]] = {"ours": shared_side, "TRL": stock_side, "PrefixGrouper": grouped_side}
ORDER = ("TRL", "PrefixGrouper", "ours")
SMALL = (Shape(frames=2, side=2, completion=4, generations=2),)


@dataclass(frozen=True, eq=False)
class Measured:
    """What a side did with a batch.

    Args:
        figures: Its seconds, peak memory and MFU, and the tokens of the prompt.
        scores: Log-probabilities, shape (G, C), on the CPU.
        batch: What it learnt from.
        config: Of its model.
    """

    figures: dict[str, Any]
    scores: torch.Tensor
    batch: dict[str, Any]
    config: Any


def half_billion(place: Place, tell: Tell) -> None:
    """The 0.5 B model."""
    compare(place, tell, "0.5b", (Shape(completion=256), Shape(side=4, completion=512)))


def three_billion(place: Place, tell: Tell) -> None:
    """Qwen2.5-VL 3B; its prompts are shorter, for TRL reads and encodes them eight times."""
    compare(place, tell, "3b", (Shape(frames=8, completion=256), Shape(frames=8, side=4, completion=512)))


def compare(place: Place, tell: Tell, size: str, shapes: tuple[Shape, ...]) -> None:
    """Measure every side with every shape, and tell after each."""
    machine = Machine(place.device, "bfloat16", "trial" if place.tiny else size)
    shapes = SMALL if place.tiny else shapes
    found: list[dict[str, Measured | None]] = [{} for _ in shapes]
    for name, make in SIDES.items():
        for shape, sides in zip(shapes, found, strict=True):
            sides[name] = measured(make, shape, machine, place)
            rows = [row(each, one) for each, one in zip(shapes, found, strict=True)]
            tell(rows=rows, result="; ".join(map(sentence, rows)))


def measured(make: Callable[..., Side], shape: Shape, machine: Machine, place: Place) -> Measured | None:
    """A side's figures; None if the card's memory is too small for it."""
    try:
        return _measured(make(place.folder, shape, machine), shape, place)
    except torch.OutOfMemoryError:
        return None
    finally:
        gc.collect()
        torch.cuda.empty_cache()


def _measured(side: Side, shape: Shape, place: Place) -> Measured:
    batch = side.batch(random_completions(side.processor, shape))

    def work() -> None:
        side.score_and_update(batch)

    seconds = medians(interleave({"work": work}, REPEATS, clock(place.device)))["work"]
    side.model.zero_grad()  # the peak is over the weights, gradients included
    peak = peak_bytes(work, place.device)
    prompt = batch["prompt_ids"].shape[1]
    flops = score_and_update_flops(side.model, shape, prompt)
    figures = {
        "prompt_tokens": prompt,
        "seconds": seconds,
        "peak_gib": peak / 2**30,
        "mfu": mfu(flops, seconds, place.card),
    }
    return Measured(figures, side.score(batch).float().cpu(), batch, side.model.config)


def row(shape: Shape, sides: dict[str, Measured | None]) -> dict[str, Any]:
    """A shape's figures by side; those of a side for which memory is too small are None.

    Raises:
        ValueError: If TRL's side and ours do not learn from the same batch.
    """
    found: dict[str, Any] = {"completion": shape.completion, "generations": shape.generations}
    found["sides"] = {name: side and dict(side.figures) for name, side in sides.items()}
    stock, ours = sides.get("TRL"), sides.get("ours")
    if stock and ours:
        grpo_step._must_be_identical(stock.batch, ours.batch, stock.config)
    for name, side in sides.items():
        if side and stock:
            found["sides"][name]["max_abs_logp_diff"] = float((side.scores - stock.scores).abs().max())
        if side and ours:
            found["sides"][name]["over_ours"] = side.figures["seconds"] / ours.figures["seconds"]
    return found


def sentence(row: dict[str, Any]) -> str:
    """A row as a reader wants it, TRL / PrefixGrouper / ours."""
    sides = row["sides"]
    prompt = next((side["prompt_tokens"] for side in sides.values() if side), "?")

    def each(figure: str, form: str) -> str:
        return " / ".join(_shown(sides, name, figure, form) for name in ORDER)

    return (
        f"P {prompt}, C {row['completion']}, G {row['generations']}: {each('seconds', '.3g')} s "
        f"({each('over_ours', '.2f')} x ours), {each('peak_gib', '.3g')} GiB over the weights, "
        f"MFU {each('mfu', '.0%')}, largest log-prob difference from TRL {each('max_abs_logp_diff', '.1e')}"
    )


def _shown(sides: dict[str, Any], name: str, figure: str, form: str) -> str:
    if name not in sides:
        return "-"
    if sides[name] is None:
        return "out of memory"
    value = sides[name].get(figure)
    return "unknown" if value is None else format(value, form)
