"""A training run from configuration to run folder: its stages, the evaluations around the last one, the report."""

from __future__ import annotations

import os
import platform
import time
import warnings
from contextlib import closing
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import rich.progress
import torch
from accelerate import PartialState
from transformers.integrations import unset_hf_deepspeed_config
from transformers.utils.logging import disable_progress_bar

import grounding
from grounding.commands.folder import METRICS, SKIPPED, forget, is_complete, open_folder
from grounding.commands.leaks import probe_leak
from grounding.commands.memory import COLUMNS, LENGTHS, WAYS, Forecast
from grounding.commands.outcome import (
    BEFORE,
    Tools,
    ceilings_first,
    evaluated_after,
    evaluated_before,
    read_before,
    report,
)
from grounding.core import UserError
from grounding.core.files import write_json
from grounding.curriculum.masking import check_told
from grounding.datasets.problems import TOLD
from grounding.jobs.lock import naming_a_full_disk
from grounding.jobs.processes import join_processes, stopping_when_told, told_how, told_to_shard
from grounding.jobs.runlog import RunLog
from grounding.jobs.skipped import Skipped
from grounding.policies.policy import Policy, VideoPrompt, load_policy, save_policy
from grounding.policies.saving import whole_folder
from grounding.policies.tiny import build_tiny
from grounding.training.config import SAVED, Config, as_yaml, asking_of, check
from grounding.training.data import annotations_of, open_sources, skips
from grounding.training.examples import ExampleMaker
from grounding.training.lessons import toy_corpus
from grounding.training.stages import Judge, Stage, chosen, judged, places, train_stage, training

PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft", "numpy", "opencv-python-headless", "av")


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
        stages = chosen(config)
        config = replace(config, stages=[stage.name for stage in stages])
        torch.manual_seed(config.seed)
        with open_folder(config, stages) as folder:
            done, first = is_complete(folder), PartialState().is_main_process
            log = RunLog(Path(os.devnull) if done else folder / METRICS, quiet=not first)
            with closing(log), naming_a_full_disk(folder):
                if done:
                    log.say(f"{folder} is complete; nothing to resume")
                else:
                    run_parts(config, stages, folder, log)
    return folder


def run_parts(config: Config, stages: list[Stage | Judge], folder: Path, log: RunLog) -> None:
    """The stages, with an evaluation before and after the last of them, and the report; what is done is left out."""
    begin = time.time()
    if (folder / BEFORE).exists():
        read_before(folder / BEFORE)  # needed at the end, so looked at before the work
    try:
        policy = start_policy(config, folder)
        checking = partial(rich.progress.track, description="checking", console=log.console)
        asking = asking_of(config)
        sources = open_sources(config.data, asking.task, config.seed, policy.frame_pixels, checking)
        skipped = Skipped(folder / SKIPPED, annotations_of(config.data), allowed=skips(config.data))
        tools = Tools(config, folder, asking, sources, log, skipped)
        check_told(config.curriculum.mask, policy)
        for stage in stages:
            stage.check(tools.work)
        if PartialState().is_main_process:
            describe(tools)
            ceilings_first(tools)
        if config.trainer.dry_run:
            check_prompts(policy, tools)
            return
    except BaseException:
        forget(folder)  # or the mended command would find the folder taken
        raise
    train_stages(policy, stages, tools)
    unset_hf_deepspeed_config()  # ZeRO-3 would wait for all processes to load what the first alone loads now
    PartialState().wait_for_everyone()
    if PartialState().is_main_process:
        policy = loaded(str(folder / "model"), config)
        after = evaluated_after(policy, tools)
        probe_leak(policy, tools, "after")
        report(tools, stages, after, policy, time.time() - begin)
    PartialState().wait_for_everyone()


def train_stages(policy: Policy, stages: list[Stage | Judge], tools: Tools) -> None:
    """Train a policy through all stages, and evaluate it before the last that trains; the trained one is the run's.

    Each begins from what the one before saved: the reference of a KL term is read there again.
    """
    first, work, trained = PartialState().is_main_process, tools.work, training(stages)
    where = dict(zip(trained, places(tools.folder, trained), strict=True))
    for stage in stages:
        if isinstance(stage, Judge):
            work = judged(stage, policy, work, tools.folder, tools.log)
            continue
        if stage is trained[-1] and first:
            evaluated_before(policy, tools)
            probe_leak(policy, tools, "before")
        train_stage(stage, policy, work, where[stage], tools.log)
        if stage is not trained[-1]:
            policy = loaded(str(where[stage].model), tools.config)
    if not trained and first:  # the run is its two evaluations
        evaluated_before(policy, tools)
        if not (tools.folder / "model").is_dir():
            save_policy(policy, tools.folder / "model", {SAVED: as_yaml(tools.config)})


def hush() -> None:
    """Silence progress bars of other libraries and their notices about their own future versions."""
    disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def start_policy(config: Config, folder: Path) -> Policy:
    """Load the policy, or build the tiny one."""
    initial = folder / "initial"
    if config.model.path is None and PartialState().is_main_process and not initial.is_dir():
        with whole_folder(initial) as partial:
            build_tiny(partial, toy_corpus(asking_of(config)), seed=config.seed)
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
    tools.skipped.begin(tools.sources.skipped)
    if listed := len(tools.skipped.listed()):
        tools.log.say(f"{listed} broken rows were left out: {tools.skipped.path}")
    for note in tools.sources.notes[:TOLD]:
        tools.log.say(f"note: {note.line()}")
    held_out = len(tools.sources.held_out.samples)
    tools.log.say(
        f"{len(tools.sources.train.samples)} training samples, {held_out} to evaluate; run folder {tools.folder}"
    )


def check_prompts(policy: Policy, tools: Tools) -> None:
    """Load and encode one sample, as training would, and say how large its prompt is."""
    example = ExampleMaker(tools.sources.train, policy, tools.asking, tools.skipped.allowed)(0)
    loaded, prompt = example.loaded, example.prompt
    longest = len(prompt.input_ids) + tools.config.model.max_new_tokens
    if longest > policy.context:
        raise UserError(f"prompt and completion may have {longest} tokens but the model takes {policy.context}")
    parameters = sum(p.numel() for p in policy.model.parameters())
    tools.log.say(
        f"dry run: {parameters / 1e6:.1f} M parameters, first prompt {len(prompt.input_ids)} tokens "
        f"({len(loaded.clip)} frames), context {policy.context}; nothing was trained"
    )
    if "grpo" in (tools.config.stages or ()):  # which the forecast is of
        tell_memory(policy, prompt, tools)


def tell_memory(policy: Policy, prompt: VideoPrompt, tools: Tools) -> None:
    """Show what GRPO will take of a GPU: with prompts as long as this one, and with longer videos that fit."""
    way, processes, config = told_how(), PartialState().num_processes, tools.config
    if way not in WAYS:
        return
    visual = int((policy.family.token_types(policy.model.config, prompt.input_ids) > 0).sum())
    text = len(prompt.input_ids) - visual
    room = policy.context - text - config.model.max_new_tokens
    lengths = [visual, *(length for length in LENGTHS if visual < length <= room)]
    rows = Forecast(policy.model.config, config, way, processes).rows(lengths, text)
    tools.log.table(f"GB of each GPU ({way}, processes: {processes}); computed, see docs/scale.md", list(COLUMNS), rows)
