"""A training run from configuration to run folder: warm-up, evaluation, GRPO, evaluation, report."""

from __future__ import annotations

import json
import os
import platform
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import rich.progress
import torch
from accelerate import PartialState
from transformers.integrations import unset_hf_deepspeed_config
from transformers.utils.logging import disable_progress_bar

import grounding
from grounding.core import UserError
from grounding.core.files import write_json, write_text
from grounding.datasets.problems import write_skipped
from grounding.evaluation.bootstrap import Estimate, shown
from grounding.evaluation.evaluate import Evaluation, evaluate
from grounding.evaluation.metrics import CEILINGS, KNOWN, Score, gains, intervals
from grounding.evaluation.report import contact_sheet, curves, showcase_video
from grounding.policies.policy import Policy, load_policy, save_policy
from grounding.policies.saving import whole_folder
from grounding.policies.tiny import build_tiny
from grounding.training.checkpoints import Checkpoints
from grounding.training.config import Config, as_yaml, check
from grounding.training.examples import make_examples
from grounding.training.folder import forget, open_folder
from grounding.training.grpo import run_grpo
from grounding.training.processes import join_processes, stopping_when_told, told_to_shard
from grounding.training.runlog import RunLog
from grounding.training.sources import Sources, open_sources, warmup_first_clip
from grounding.training.turns import toy_corpus
from grounding.training.warmup import STAGES, WarmupPlan, warm_up
from prompting import IdMarker

BEFORE = "evaluation_before.json"  # figures of the evaluation before GRPO
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
    """Run everything that a configuration asks for; every part that is complete already (see `resume`) is left out.

    Returns:
        The run folder.

    Raises:
        UserErrors: If configuration or data cannot work; nothing was trained then.
        SystemExit: 143, after a line on stderr, when the process is told to terminate.
    """
    hush()
    with stopping_when_told():
        join_processes()
        check(config, PartialState().num_processes, shard=told_to_shard())
        torch.manual_seed(config.seed)
        folder = open_folder(config)
        log = RunLog(folder / "metrics.jsonl", quiet=not PartialState().is_main_process)
        if (folder / "summary.json").exists():
            log.say(f"{folder} is complete; nothing to resume")
        else:
            run_parts(config, folder, log)
        log.close()
    return folder


def run_parts(config: Config, folder: Path, log: RunLog) -> None:
    """Warm-up, evaluation, GRPO, evaluation and report, as far as they are wanted and not done."""
    begin = time.time()
    try:
        policy = start_policy(config, folder)
        checking = partial(rich.progress.track, description="checking", console=log.console)
        sources = open_sources(config.data, config.seed, policy.frame_pixels, checking)
    except UserError:
        forget(folder)  # or the mended command would find the folder taken
        raise
    tools = Tools(config, folder, IdMarker(config.marker.style, config.marker.size), sources, log)
    if PartialState().is_main_process:
        describe(tools)
    if config.trainer.dry_run:
        check_prompts(policy, tools)
        return
    if config.warmup.max_steps:
        policy = warmed_up(policy, tools)
    if PartialState().is_main_process:
        evaluated_before(policy, tools)
    if not (folder / "model").is_dir():
        train_policy(policy, tools)
    unset_hf_deepspeed_config()  # ZeRO-3 would wait for all processes to load what the first alone loads now
    PartialState().wait_for_everyone()
    if PartialState().is_main_process:
        after = evaluated(loaded(str(folder / "model"), config), tools, "after")
        report(tools, after, time.time() - begin)
    PartialState().wait_for_everyone()


def hush() -> None:
    """Silence progress bars of other libraries and their notices about their own future versions."""
    disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def start_policy(config: Config, folder: Path) -> Policy:
    """Load the policy, or build the tiny one."""
    initial = folder / "initial"
    if config.model.path is None and PartialState().is_main_process and not initial.is_dir():
        with whole_folder(initial) as partial:
            build_tiny(partial, toy_corpus(config.model.prompt), seed=config.seed)
    PartialState().wait_for_everyone()
    return loaded(config.model.path or str(initial), config)


def loaded(path: str, config: Config) -> Policy:
    """A policy from a folder or hub name, on this process's device."""
    model = config.model
    policy = load_policy(path, dtype=model.dtype, attention=model.attention, positions=model.positions)
    policy.model.to(PartialState().device)
    return policy


def describe(tools: Tools) -> None:
    """Write versions and skipped rows, and say what runs."""
    versions = {name: version(name) for name in PACKAGES}
    machine = {"python": platform.python_version(), "cores": os.cpu_count(), "cuda": torch.cuda.is_available()}
    write_json(
        tools.folder / "versions.json",
        {"tubelet": grounding.__version__, **versions, **machine, "seed": tools.config.seed},
        overwrite=True,  # of a run that is resumed
    )
    if tools.sources.skipped:
        (tools.folder / "skipped.jsonl").unlink(missing_ok=True)
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
    """The policy after the warm-up, from the folder that GRPO's reference is read from too."""
    folder = tools.folder / "warmup"
    if PartialState().is_main_process and not folder.is_dir():
        warm_up_and_save(policy, tools, folder)
    PartialState().wait_for_everyone()
    return loaded(str(folder), tools.config)


def warm_up_and_save(policy: Policy, tools: Tools, folder: Path) -> None:
    """Warm up the tiny policy and save it."""
    config = tools.config
    plan = WarmupPlan(
        STAGES,
        config.warmup.batch,
        config.warmup.lr,
        config.warmup.max_steps,
        warmup_first_clip(config.seed),
        config.model.prompt,
    )
    with tools.log.phase("warmup", plan.max_steps) as phase:
        warm_up(policy, tools.marker, plan, phase)
    save_policy(policy, folder)


def train_policy(policy: Policy, tools: Tools) -> None:
    """GRPO from the newest checkpoint, if any, and the trained policy in `model/`."""
    config, folder = tools.config, tools.folder
    if config.trainer.max_steps:
        newest = Checkpoints(folder / "checkpoints", config.trainer.keep).latest()
        done = newest.step if newest else 0
        with tools.log.phase("grpo", config.trainer.max_steps, done) as phase:
            policy = run_grpo(policy, tools.sources.train, tools.marker, config, folder, phase, tools.log.say)
    if PartialState().is_main_process and not (folder / "model").is_dir():
        save_policy(policy, folder / "model", {"tubelet.yaml": as_yaml(config)})


def evaluated_before(policy: Policy, tools: Tools) -> None:
    """Evaluate before GRPO, once a run; figures go to evaluation_before.json."""
    file = tools.folder / BEFORE
    if file.exists():
        return
    (tools.folder / "predictions_before.jsonl").unlink(missing_ok=True)  # killed between the two files
    result = evaluated(policy, tools, "before")
    scores = [asdict(one) for one in result.scores]
    write_json(file, {"metrics": result.metrics, "ceilings": result.ceilings, "scores": scores})


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
            keep=SHOWN,
            progress=phase.over,
        )
    rows = [{"id": p.sample.id, "query": p.sample.query, "text": p.text} for p in result.predictions]
    write_text(tools.folder / f"predictions_{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return result


def report(tools: Tools, after: Evaluation, seconds: float) -> None:
    """Write curves, contact sheet, video and, when all is there, the summary; show the table."""
    config, folder = tools.config, tools.folder
    before = json.loads((folder / BEFORE).read_text(encoding="utf-8"))
    scores = [Score(**one) for one in before.get("scores", ())]  # a run begun before 95 % intervals has none
    bounds = {"before": intervals(scores), "after": intervals(after.scores), "gain": gains(scores, after.scores)}
    summary = {
        "task": config.task.name,
        "model": config.model.path or config.model.name,
        "data": config.data.name,
        "seed": config.seed,
        "steps": config.trainer.max_steps,
        "wall_s": round(seconds, 1),
        "skipped": len(tools.sources.skipped),
        "before": before["metrics"],
        "after": after.metrics,
        "ceilings": after.ceilings,
        "intervals": {part: {name: asdict(one) for name, one in of.items()} for part, of in bounds.items()},
    }
    if config.warmup.max_steps or config.trainer.max_steps:
        curves(folder / "metrics.jsonl", folder / "curves.png")
    contact_sheet(after.shown, folder / "contact_sheet.png")
    showcase_video(after.shown, folder / "showcase.mp4")
    write_json(folder / "summary.json", summary)
    title = f"held-out, {int(after.metrics['count'])} samples"
    tools.log.table(f"{title}, with 95 % intervals", *results_table(before["metrics"], after.metrics, bounds))
    tools.log.table(f"{title}, ceilings", *ceilings_table(after))
    tools.log.say(f"wrote {folder}: summary.json, curves.png, contact_sheet.png, showcase.mp4, model/")


def results_table(
    before: Mapping[str, float], after: Mapping[str, float], bounds: Mapping[str, Mapping[str, Estimate]]
) -> tuple[list[str], list[list[str]]]:
    """Header and rows: before, after and difference of every metric, with their intervals where these are known."""
    rows = []
    for name in (name for name in after if name != "count"):
        values = {"before": before[name], "after": after[name], "gain": after[name] - before[name]}
        rows.append([name, *(shown(value, bounds[part].get(name), part == "gain") for part, value in values.items())])
    return ["metric", *bounds], rows


def ceilings_table(after: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Header and rows: the three ceilings of every metric."""
    names = [name for name in after.metrics if name != "count"]
    rows = [[name, *(f"{after.ceilings[ceiling][name]:.3f}" for ceiling in CEILINGS)] for name in names]
    return ["metric", *KNOWN], rows
