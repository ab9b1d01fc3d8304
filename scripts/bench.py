"""Measure what sharing a prompt saves, `grpo-step`, `rollout`, `loader`; and `draw`, `rewards`, `lift`, `datasets`.

The first three run TRL's own way and ours in turns, in one process, on the same random model with the same batch.
"""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
import os
import tempfile
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from grounding.core import UserError
from grounding.core.extras import needs


@dataclass(frozen=True)
class Common:
    """Options of every bench.

    Args:
        json: Write all figures to this file, overwriting it.
        repeats: Measured turns, 1 or more.
        threads: Threads of torch; 0 leaves the choice to it. One is steadiest while other work runs.
        quick: The smallest sizes, to see that it works; its figures mean nothing.
    """

    json: Path | None = None
    repeats: int = 3
    threads: int = 1
    quick: bool = False


@dataclass(frozen=True)
class OnModel(Common):
    """Options of the benches that run a model.

    Args:
        device: Where to run.
        dtype: Number type of the weights.
        size: trial (1.86 M parameters, the model of the trials that the bars come from), tiny (the training
            default's, 1.6 M), 0.5b (a Qwen2.5-0.5B with a vision tower), 3b or 7b (Qwen2.5-VL's shapes, for a GPU);
            weights are random.
    """

    device: Literal["cpu", "cuda"] = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    size: Literal["trial", "tiny", "0.5b", "3b", "7b"] = "trial"


class GrpoStep(OnModel):
    """Log-probs and update, and the whole optimizer step; about three minutes on two cores."""


class Rollout(OnModel):
    """Generation of a group's completions."""


class Loader(Common):
    """Decoding, drawing and encoding of a batch, with 0 and 2 workers."""


class Draw(Common):
    """Drawing IDs on 1280 x 720 frames, against supervision's annotators, a floor and decoding."""


class Rewards(Common):
    """Tube vIoU of a group against HC-STVG's loop, and the time a text of every parser."""


class Lift(Common):
    """Masks to 3D on 200,000 vertices, 300 frames and 30 masks, against the same on open3d's calls; five minutes."""


@dataclass(frozen=True)
class Datasets(Common):
    """Loading 100,000 samples of every dataset from generated files of the official form; four minutes.

    Args:
        only: Names of datasets; all if none is given.
    """

    only: tuple[str, ...] = ()


Bench = (
    Annotated[GrpoStep, tyro.conf.subcommand("grpo-step")]
    | Annotated[Rollout, tyro.conf.subcommand("rollout")]
    | Annotated[Loader, tyro.conf.subcommand("loader")]
    | Annotated[Draw, tyro.conf.subcommand("draw")]
    | Annotated[Rewards, tyro.conf.subcommand("rewards")]
    | Annotated[Lift, tyro.conf.subcommand("lift")]
    | Annotated[Datasets, tyro.conf.subcommand("datasets")]
)


def main(bench: Bench) -> None:
    """Measure what sharing a prompt saves."""
    if bench.repeats < 1:
        raise UserError(f"--repeats must be at least 1, got {bench.repeats}")
    prepare(bench)
    with tempfile.TemporaryDirectory() as folder:
        measure(bench, Path(folder))


def prepare(bench: Common) -> None:
    """Set threads before torch starts, keep libraries quiet, and refuse a device that is not there."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # workers of the loader are forked
    warnings.filterwarnings("ignore")
    with needs("train"):
        import torch
        import transformers
        import trl  # noqa: F401 - found missing now and not at the end

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if bench.threads:
        torch.set_num_threads(bench.threads)
    if isinstance(bench, OnModel) and bench.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda needs a CUDA GPU that torch can see; leave it out to measure on the CPU")


def measure(bench: Bench, folder: Path) -> None:
    """Run a bench and report it."""
    from benchmarks import datasets, draw, grpo_step, lift, lift_work, loader, rewards, rollout  # heavy: not for --help
    from benchmarks.measure import report, verdicts

    if isinstance(bench, Draw):
        module: Any = draw
        scene = draw.Scene(size=(180, 320), frames=12) if bench.quick else draw.Scene()
        found = draw.draw(folder, scene, bench.repeats)
    elif isinstance(bench, Rewards):
        module = rewards
        calls, longest = (2, 800) if bench.quick else (200, 100_000)
        found = rewards.rewards(calls, bench.repeats, longest)
    elif isinstance(bench, Lift):
        module = lift
        work = lift_work.Work(4000, 8, 6, (120, 160)) if bench.quick else lift_work.Work()
        found = lift.lift(folder, work, bench.repeats)
    elif isinstance(bench, Datasets):
        module = datasets
        found = datasets.datasets(folder, 200 if bench.quick else 100_000, bench.repeats, bench.only)
    elif isinstance(bench, Loader):
        module = loader
        batches, generations, settle = (2, 2, 0.0) if bench.quick else (16, 8, 8.0)
        found = loader.loader(folder, batches=batches, generations=generations, repeats=bench.repeats, settle=settle)
    else:
        module = grpo_step if isinstance(bench, GrpoStep) else rollout
        found = on_model(bench, folder)
    everything = {"setting": setting(bench), **found}
    title = f"{type(bench).__name__}, {everything['setting']['where']}"
    report(title, module.summary(found), verdicts(found, module.BARS), everything, bench.json)


def on_model(bench: OnModel, folder: Path) -> dict[str, Any]:
    """Run a bench that needs a model."""
    from benchmarks import grpo_step, rollout
    from benchmarks.world import Machine, Shape

    machine = Machine(bench.device, bench.dtype, bench.size)
    plan = grpo_step.Plan(repeats=bench.repeats)
    if bench.quick:
        small = Shape(frames=2, side=2, completion=4, generations=2)
        plan = grpo_step.Plan(small, replace(small, completion=6), (1, 2), bench.repeats)
    if isinstance(bench, GrpoStep):
        return grpo_step.grpo_step(plan, machine, folder)
    return rollout.rollout(plan.first, plan.long, machine, folder, bench.repeats)


def setting(bench: Common) -> dict[str, Any]:
    """What the figures depend on besides the code."""
    import torch
    import transformers
    import trl

    device = getattr(bench, "device", "cpu")
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return {
        "where": f"{name}, {getattr(bench, 'dtype', 'float32')}",
        "size": getattr(bench, "size", "tiny"),
        "cores": os.cpu_count(),
        "repeats": bench.repeats,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "trl": trl.__version__,
    }


if __name__ == "__main__":
    run(lambda: main(tyro.cli(Bench, description=__doc__)))
