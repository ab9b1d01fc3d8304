"""A study: runs that differ in one choice each, over several seeds, compared by what they reach and what they cost.

Every run has a folder of its own, so a study that was stopped goes on where it was. It ends with a table of
means and 95 % intervals over seeds, and a plot of the figure over compute.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import statistics
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from scipy.stats import t as students

from grounding.commands.folder import SUMMARY
from grounding.commands.options import composed
from grounding.core import UserError
from grounding.core.checks import number, within
from grounding.core.extras import needs
from grounding.core.files import whole_file, write_text
from grounding.core.reading import read_json

HINT = "the study's file lists its options"
MOST_JOBS = 256


@dataclass(frozen=True)
class Study:
    """What is compared.

    Args:
        name: What `scripts/experiments.py` takes.
        options: Those of all runs, as on a command line.
        start: Further ones of the run of each seed that the others of that seed begin from.
        arms: Further ones of each run that is compared, by its name; the first is what the others are held against.
        seeds: Each arm is run with all of them.
        metric: The figure of held-out samples that is compared.
    """

    name: str
    options: tuple[str, ...]
    start: tuple[str, ...]
    arms: Mapping[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    metric: str


@dataclass(frozen=True)
class Run:
    """A run of a study.

    Args:
        out: Its folder.
        options: All of its options but paths, which may hold signs that an option may not.
        threads: How many it computes with.
        start: The model that it begins from, if it does not build one.
    """

    out: Path
    options: tuple[str, ...]
    threads: int
    start: Path | None = None


@dataclass(frozen=True)
class Reached:
    """What an arm reached.

    Args:
        arm: Its name.
        before: The figure before its last stage, of each seed.
        after: After it.
        seconds: Of the whole run without its evaluations and leak probes, of each seed.
        operations: Floating-point ones, likewise, estimated; NaN where a part is not known.
        costs: Mean of seconds and operations of each part over the seeds.
    """

    arm: str
    before: list[float]
    after: list[float]
    seconds: list[float]
    operations: list[float]
    costs: Mapping[str, Mapping[str, float]]


def run_study(study: Study, folder: Path, jobs: int = 2) -> list[Reached]:
    """Make all runs of a study that are not complete, some of them at a time, and write what came of it.

    Args:
        study: What is compared.
        folder: Holds a folder for each run, and in the end `table.md` and `plot.png`.
        jobs: Runs at a time; they share the cores.

    Raises:
        UserError: If a run cannot work; those that are complete stay.
    """
    if not 1 <= jobs <= MOST_JOBS:
        raise UserError(f"--jobs must be 1 to {MOST_JOBS}, got {jobs}")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    starts = [Run(start_of(folder, seed), (*options_of(study, seed), *study.start), threads) for seed in study.seeds]
    runs = [
        Run(folder / f"{arm}-{seed}", (*options_of(study, seed), *own), threads, start_of(folder, seed) / "model")
        for seed in study.seeds
        for arm, own in study.arms.items()
    ]
    for some in (starts, runs):
        with ThreadPoolExecutor(jobs) as side_by_side:
            pending = [side_by_side.submit(alone, run) for run in some]
            try:
                for one in as_completed(pending):
                    one.result()
            except BaseException:
                side_by_side.shutdown(cancel_futures=True)  # those under way come to their end
                raise
    reached = [reached_by(study, folder, arm) for arm in study.arms]
    write_text(folder / "table.md", table(study, reached), overwrite=True)
    plot(study, reached, folder / "plot.png")
    return reached


def start_of(folder: Path, seed: int) -> Path:
    """The folder of the run that all others of a seed begin from."""
    return folder / f"start-{seed}"


def options_of(study: Study, seed: int) -> tuple[str, ...]:
    """What all runs of a seed have in common."""
    return (*study.options, f"seed={seed}", "trainer.report_to=[]")


def alone(run: Run) -> None:
    """Make a run in a process of its own, so that it does not depend on what ran before.

    Raises:
        UserError: If it cannot work, or its process is killed.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        try:
            wrong = process.submit(go, run).result()
        except BrokenProcessPool as error:
            raise UserError(
                f"{run.out}: its process was killed; free some memory, and start the study again"
            ) from error
    if wrong:
        raise wrong


def go(run: Run) -> UserError | None:
    """Make a run, or go on with it; gives what is wrong with it, for another process to raise."""
    import torch

    from grounding.commands.train import train
    from grounding.training.config import register

    torch.set_num_threads(run.threads)
    register()
    try:
        with within(str(run.out)):
            config: Any = OmegaConf.to_object(composed(run.options, HINT))
            if run.start:
                config = replace(config, model=replace(config.model, path=str(run.start)))
            train(replace(config, out=str(run.out), resume="latest"))
    except UserError as error:
        return error
    return None


def reached_by(study: Study, folder: Path, arm: str) -> Reached:
    """What the complete runs of an arm reached.

    Raises:
        UserError: If one of their summaries is damaged.
    """
    summaries = [read_json(folder / f"{arm}-{seed}" / SUMMARY, "summary") for seed in study.seeds]
    try:
        before, after = (
            [number(one[part][study.metric], study.metric) for one in summaries] for part in ("before", "after")
        )
        costs = [one["cost"] for one in summaries]
        seconds, operations = (
            [math.fsum(_known(part[unit]) for part in cost.values()) for cost in costs]
            for unit in ("seconds", "operations")
        )
        mean = {
            part: {unit: statistics.fmean(_known(cost[part][unit]) for cost in costs) for unit in costs[0][part]}
            for part in costs[0]
        }
    except (UserError, KeyError, TypeError, AttributeError) as error:
        why = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        raise UserError(f"a summary of {arm} in {folder} is damaged: {why}; remove the run's folder") from error
    return Reached(arm, before, after, seconds, operations, mean)


def _known(value: float | None) -> float:
    """A figure of a cost, NaN where it is not known."""
    return math.nan if value is None else value


def interval(values: Sequence[float]) -> str:
    """Mean and half of its 95 % interval over seeds, by Student's t."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    half = students.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.fmean(values):.3f} ± {half:.3f}"


def table(study: Study, reached: Sequence[Reached]) -> str:
    """What the arms reached and cost, in Markdown; compute is relative to the first arm, agents included."""
    first = reached[0]
    names = list(dict.fromkeys(part for one in reached for part in one.costs))
    lines = [
        f"Held-out {study.metric} of {len(study.seeds)} seeds: mean ± half of its 95 % interval (Student's t).",
        f"Operations and seconds are relative to `{first.arm}`, all parts included; then seconds of each part.",
        "",
        f"| arm | before | after | less `{first.arm}`, seed by seed | operations | seconds | {' | '.join(names)} |",
        f"| --- | --- | --- | --- | --- | --- | {' | '.join('---' for _ in names)} |",
    ]
    for one in reached:
        paired = [mine - its for mine, its in zip(one.after, first.after, strict=True)]
        relative = [
            statistics.fmean(getattr(one, unit)) / statistics.fmean(getattr(first, unit))
            for unit in ("operations", "seconds")
        ]
        parts = [f"{one.costs[part]['seconds']:.0f}" if part in one.costs else "" for part in names]
        figures = [interval(one.before), interval(one.after), "" if one is first else interval(paired)]
        lines.append(f"| {' | '.join([one.arm, *figures, *(f'{share:.2f}' for share in relative), *parts])} |")
    return "\n".join(lines) + "\n"


def plot(study: Study, reached: Sequence[Reached], path: Path) -> None:
    """Draw the figure of each arm over its compute, with a dot a seed.

    Raises:
        UserError: If matplotlib is missing, or the file cannot be written.
    """
    with needs("train"):
        from matplotlib.figure import Figure  # without pyplot there is no display

    figure = Figure(figsize=(7.5, 4.8), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    for one in reached:
        compute = [each / 1e12 for each in one.operations]
        (line,) = axes.plot(compute, one.after, ".", alpha=0.4)
        axes.plot(statistics.fmean(compute), statistics.fmean(one.after), "o", color=line.get_color(), label=one.arm)
    axes.set_xlabel("compute after the warm-up, agents included (10¹² operations, estimated)")
    axes.set_ylabel(f"held-out {study.metric}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with whole_file(path, overwrite=True) as temporary:
        figure.savefig(temporary, format="png")
