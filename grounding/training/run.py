"""A training run from configuration to run folder: warm-up, evaluation, GRPO, evaluation, report."""

from __future__ import annotations

import json
import os
import platform
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers.utils.logging import disable_progress_bar

import grounding
from grounding.core import UserError
from grounding.core.files import write_json, write_text
from grounding.datasets.problems import write_skipped
from grounding.evaluation.evaluate import Evaluation, evaluate
from grounding.evaluation.metrics import CEILINGS
from grounding.evaluation.report import Shown, contact_sheet, curves, showcase_video
from grounding.policies.policy import Policy, load_policy, save_policy
from grounding.policies.tiny import build_tiny
from grounding.training.config import Config, as_yaml, check
from grounding.training.examples import make_examples
from grounding.training.grpo import run_grpo
from grounding.training.runlog import RunLog
from grounding.training.sources import Sources, open_sources, warmup_first_clip
from grounding.training.warmup import Stage, WarmupPlan, toy_corpus, warm_up
from prompting import IdMarker

SHOWN = 6  # held-out clips on the contact sheet and in the video
PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft", "numpy", "opencv-python-headless", "av")


@dataclass(frozen=True)
class Tools:
    """What all parts of a run share."""

    config: Config
    folder: Path
    marker: IdMarker
    sources: Sources
    log: RunLog


def train(config: Config) -> Path:
    """Run everything that a configuration asks for.

    Returns:
        The run folder.

    Raises:
        UserErrors: If configuration or data cannot work; nothing was trained then.
    """
    begin = time.time()
    check(config)
    hush()
    torch.manual_seed(config.seed)
    folder = make_folder(config)
    log = RunLog(folder / "metrics.jsonl")
    policy = start_policy(config, folder)
    sources = open_sources(config.data, config.seed, policy.frame_pixels)
    tools = Tools(config, folder, IdMarker(config.marker.style, config.marker.size), sources, log)  # type: ignore[arg-type]
    describe(tools)
    if config.trainer.dry_run:
        check_prompts(policy, tools)
        return folder
    if config.warmup.max_steps:
        policy = warmed_up(policy, tools)
    before = evaluated(policy, tools, "before")
    if config.trainer.max_steps:
        with log.phase("grpo", config.trainer.max_steps) as phase:
            policy = run_grpo(policy, sources.train, tools.marker, config, folder, phase)
    save_policy(policy, folder / "model", {"tubelet.yaml": as_yaml(config)})
    after = evaluated(policy, tools, "after")
    report(tools, before, after, time.time() - begin)
    log.close()
    return folder


def hush() -> None:
    """Silence progress bars of other libraries and their notices about their own future versions."""
    disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def make_folder(config: Config) -> Path:
    """Make the run folder and write down what is about to run."""
    folder = Path(config.out or f"runs/{config.task.name}/{time.strftime('%Y-%m-%d_%H-%M-%S')}")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"out={folder} exists and is not empty; choose another run folder or remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the run folder {folder}: {error.strerror or error}") from error
    write_text(folder / "config.yaml", as_yaml(config))
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
    return folder


def start_policy(config: Config, folder: Path) -> Policy:
    """Load the policy, or build the tiny one."""
    if config.model.path is None:
        build_tiny(folder / "initial", toy_corpus(config.model.prompt), seed=config.seed)
    return load_policy(
        config.model.path or str(folder / "initial"), dtype=config.model.dtype, attention=config.model.attention
    )


def describe(tools: Tools) -> None:
    """Write versions and skipped rows, and say what runs."""
    versions = {name: version(name) for name in PACKAGES}
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "cuda": torch.cuda.is_available()}
    write_json(
        tools.folder / "versions.json",
        {"tubelet": grounding.__version__, **versions, **machine, "seed": tools.config.seed},
    )
    if tools.sources.skipped:
        write_skipped(tools.folder / "skipped.jsonl", tools.sources.skipped)
        tools.log.say(f"{len(tools.sources.skipped)} broken rows were left out: {tools.folder / 'skipped.jsonl'}")
    held_out = len(tools.sources.held_out.samples)
    tools.log.say(
        f"{len(tools.sources.train.samples)} training samples, {held_out} to evaluate; run folder {tools.folder}"
    )


def check_prompts(policy: Policy, tools: Tools) -> None:
    """Load and encode one sample, as training would, and say how large its prompt is."""
    loaded = tools.sources.train.load(tools.sources.train.samples[0])
    prompt = make_examples([loaded], policy, tools.marker, tools.config.model.prompt)[0].prompt
    longest = len(prompt.input_ids) + tools.config.model.max_new_tokens
    if longest > policy.context:
        raise UserError(f"prompt and completion may have {longest} tokens but the model takes {policy.context}")
    parameters = sum(p.numel() for p in policy.model.parameters())
    tools.log.say(
        f"dry run: {parameters / 1e6:.1f} M parameters, first prompt {len(prompt.input_ids)} tokens "
        f"({len(loaded.clip)} frames), context {policy.context}; nothing was trained"
    )


def warmed_up(policy: Policy, tools: Tools) -> Policy:
    """Warm up the tiny policy, save it, and load it from there (GRPO's reference is read from the same folder)."""
    config = tools.config
    stages = [
        Stage(1, True, 0.65),
        Stage(2, True, 0.75),
        Stage(3, True, 0.88, pace=0.5),
        Stage(3, False, config.warmup.goal, pace=0.5),
    ]
    plan = WarmupPlan(
        stages,
        config.warmup.batch,
        config.warmup.lr,
        config.warmup.max_steps,
        warmup_first_clip(config.seed),
        config.model.prompt,
    )
    with tools.log.phase("warmup", plan.max_steps) as phase:
        warm_up(policy, tools.marker, plan, phase)
    save_policy(policy, tools.folder / "warmup")
    return load_policy(str(tools.folder / "warmup"), dtype=config.model.dtype, attention=config.model.attention)


def evaluated(policy: Policy, tools: Tools, name: str) -> Evaluation:
    """Evaluate on the held-out samples and write the predictions down."""
    config = tools.config
    batches = -(-len(tools.sources.held_out.samples) // config.trainer.eval_batch)
    with tools.log.phase(name, batches) as phase:
        result = evaluate(
            policy,
            tools.sources.held_out,
            tools.marker,
            prompt_kind=config.model.prompt,
            max_new_tokens=config.model.max_new_tokens,
            batch=config.trainer.eval_batch,
            progress=phase.over,
        )
    rows = [{"id": p.loaded.sample.id, "query": p.loaded.sample.query, "text": p.text} for p in result.predictions]
    write_text(tools.folder / f"predictions_{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return result


def report(tools: Tools, before: Evaluation, after: Evaluation, seconds: float) -> None:
    """Write summary, curves, contact sheet and video; show the table."""
    config, folder = tools.config, tools.folder
    summary = {
        "task": config.task.name,
        "model": config.model.path or config.model.name,
        "data": config.data.name,
        "seed": config.seed,
        "steps": config.trainer.max_steps,
        "wall_s": round(seconds, 1),
        "skipped": len(tools.sources.skipped),
        "before": before.metrics,
        "after": after.metrics,
        "ceilings": after.ceilings,
    }
    write_json(folder / "summary.json", summary)
    if config.warmup.max_steps or config.trainer.max_steps:
        curves(folder / "metrics.jsonl", folder / "curves.png")
    shown = [Shown(p.loaded, p.marked, p.answer) for p in after.predictions[:SHOWN]]
    contact_sheet(shown, folder / "contact_sheet.png")
    showcase_video(shown, folder / "showcase.mp4")
    tools.log.table(f"held-out, {int(after.metrics['count'])} samples", *results_table(before, after))
    tools.log.say(f"wrote {folder}: summary.json, curves.png, contact_sheet.png, showcase.mp4, model/")


def results_table(before: Evaluation, after: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Header and rows: before, after, difference and the three ceilings of every metric."""
    header = ["metric", "before", "after", "gain", "both known", "ID known", "time known"]  # the last three: CEILINGS
    rows = []
    for name, value in after.metrics.items():
        if name == "count":
            continue
        ceilings: list[Any] = [after.ceilings[ceiling][name] for ceiling in CEILINGS]
        figures = [f"{before.metrics[name]:.3f}", f"{value:.3f}", f"{value - before.metrics[name]:+.3f}"]
        rows.append([name, *figures, *[f"{c:.3f}" for c in ceilings]])
    return header, rows
