"""`learning`, `seeds` and `resume`: whole runs of the toy policy, as commands, with what a run leaves in its folder."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import zip_longest
from pathlib import Path
from typing import Any

from gpu_parts.conduct import SCRIPTS
from gpu_parts.parts import Place, Tell
from safetensors.torch import load_file

from grounding.core.reading import parse_json, read_json

SAVED = 2  # steps from one checkpoint to the next
# Few steps, but of everything: warm-up, evaluation, steps with a gradient (an untrained policy needs another reward).
SHORT = (
    *("task.weights={letters: 1.0}", "warmup.max_steps=20", "trainer.max_steps=6", "trainer.prompts=4"),
    *("trainer.groups_per_pass=4", f"trainer.save_steps={SAVED}", "data.eval_samples=8", "trainer.report_to=[]"),
)
TINY = (
    *("warmup.max_steps=2", "warmup.batch=2", "trainer.prompts=2", "trainer.groups_per_pass=2"),
    *("objective.generations=2", "model.max_new_tokens=6", "data.eval_samples=2"),
)
# Of the time and of the work that was done; a kept feature is encoded again after a resume.
TIMING = ("seconds/", "tokens_per_second", "step_time", "profiling/", "vision/")


def learning(place: Place, tell: Tell) -> None:
    """`python scripts/train.py task=stvg` as it stands."""
    out = place.folder / "run"
    small = [*TINY, "trainer.max_steps=2"] if place.tiny else []
    begin = time.perf_counter()
    run = subprocess.Popen([sys.executable, str(SCRIPTS / "train.py"), "task=stvg", *small, f"out={out}"])
    while run.poll() is None:
        time.sleep(1)
        if rows := figures(out):
            tell(result=f"step {rows[-1]['step']} of {rows[-1]['phase']}")
    ended(run)
    seconds = time.perf_counter() - begin
    summary = read_json(out / "summary.json")
    before, after = (summary[when]["m_vIoU"] for when in ("before", "after"))
    tell(
        before=summary["before"],
        after=summary["after"],
        seconds=seconds,
        result=f"m_vIoU {before:.3f} before GRPO, {after:.3f} after; {seconds:.0f} s in all, beside other parts",
    )


def seeds(place: Place, tell: Tell) -> None:
    """Two runs with the same seed, side by side."""
    one, other = place.folder / "one", place.folder / "other"
    for run in [begun(place, one), begun(place, other)]:
        ended(run)
    found = compared(one, other)
    tell(**found, result=sentence(found))


def resume(place: Place, tell: Tell) -> None:
    """A run that is killed after its first checkpoint and resumed, and one that is left alone."""
    whole, killed = place.folder / "whole", place.folder / "killed"
    runs = [begun(place, whole), begun(place, killed)]
    while not (killed / "grpo" / "checkpoints" / f"step-{SAVED:06d}").exists() and runs[1].poll() is None:
        time.sleep(0.005)
    runs[1].kill()
    runs[1].wait()
    steps = [row["step"] for row in figures(killed) if row["phase"] == "grpo"]
    ended(begun(place, killed))
    ended(runs[0])
    found = compared(whole, killed)
    tell(**found, killed_after=max(steps), result=f"killed after step {max(steps)} of 6: {sentence(found)}")


def begun(place: Place, out: Path) -> subprocess.Popen[bytes]:
    """A short run in a folder, from its last checkpoint where there is one."""
    options = [*SHORT, *(TINY if place.tiny else ()), f"out={out}", "resume=latest"]
    return subprocess.Popen([sys.executable, "-m", "gpu_parts.toy_run", *options])


def ended(run: subprocess.Popen[bytes]) -> None:
    """Wait for a run.

    Raises:
        SystemExit: With its status, if it failed; it said why.
    """
    if code := run.wait():
        raise SystemExit(code)


def compared(one: Path, other: Path) -> dict[str, Any]:
    """How two runs differ: the first step with another figure, and the largest difference of a figure and of a weight.

    Returns:
        `equal`; `first` as [phase, step, figure] or None; `largest_figure` of all figures but those of time;
        `largest_weight` of the trained models.
    """
    rows = zip_longest(figures(one), figures(other), fillvalue={})
    apart = [(a, name, difference(a.get(name), b.get(name))) for a, b in rows for name in {**a, **b}]
    apart = [(row, name, size) for row, name, size in apart if size]
    weights = [load_file(folder / "model" / "model.safetensors") for folder in (one, other)]
    largest = max(float((weights[0][name].double() - weights[1][name].double()).abs().max()) for name in weights[0])
    first = [apart[0][0].get("phase"), apart[0][0].get("step"), apart[0][1]] if apart else None
    return {
        "equal": not apart and largest == 0,
        "first": first,
        "largest_figure": max((size for *_, size in apart), default=0.0),
        "largest_weight": largest,
        "steps": len(figures(one)),
    }


def difference(a: Any, b: Any) -> float:
    """Of two figures; infinite where only one is a number."""
    if a == b:
        return 0.0
    return abs(a - b) if isinstance(a, (int, float)) and isinstance(b, (int, float)) else float("inf")


def figures(run: Path) -> list[dict[str, Any]]:
    """The figures of every step but those of time, so far as they are written."""
    file = run / "metrics.jsonl"
    lines = file.read_text(encoding="utf-8").rpartition("\n")[0].splitlines() if file.exists() else []
    rows = [parse_json(line, str(file)) for line in lines]
    return [{name: value for name, value in row.items() if not name.startswith(TIMING)} for row in rows]


def sentence(found: dict[str, Any]) -> str:
    """What `compared` found, for a reader."""
    if found["equal"]:
        return f"equal: all figures of {found['steps']} steps and all weights"
    if found["first"] is None:
        return f"figures equal, weights differ by up to {found['largest_weight']:.1e}"
    phase, step, name = found["first"]
    return (
        f"not equal: first {name} at step {step} of {phase}; figures differ by up to {found['largest_figure']:.1e}, "
        f"weights by up to {found['largest_weight']:.1e}"
    )
