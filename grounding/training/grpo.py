"""From our configuration to TRL's: every field of `GRPOConfig` that changes meaning is set here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from peft import LoraConfig, get_peft_model
from transformers import PrinterCallback
from trl import GRPOConfig

from grounding.core import Source
from grounding.core.checks import number, within
from grounding.curriculum.table import CURRICULA
from grounding.jobs.checkpoints import shared_folder
from grounding.jobs.processes import PATIENCE, told_to_shard, without_gpu
from grounding.jobs.runlog import LogCallback
from grounding.policies.embedding_cache import EmbeddingCache, fingerprint
from grounding.policies.policy import Policy
from grounding.policies.precision import train_in_float32
from grounding.tasks.asking import Asking
from grounding.training.config import SAVED, Config, TrainerConfig, as_yaml, weights_of
from grounding.training.data import OnBroken
from grounding.training.examples import Collator
from grounding.training.objectives import OBJECTIVES
from grounding.training.rollouts import ROLLOUTS
from grounding.training.steady import SAY, Steady
from grounding.training.trainer import VideoGRPOTrainer, draws_of


def run_grpo(
    policy: Policy,
    source: Source,
    asking: Asking,
    config: Config,
    folder: Path,
    phase: Callable[[dict[str, float]], None],
    say: Callable[[str], None] = SAY,
    on_broken: OnBroken | None = None,
    model_folder: Path | None = None,
) -> Policy:
    """Train a policy with GRPO, from the newest checkpoint of the folder where there is one.

    Args:
        policy: Loaded from a folder or hub name.
        source: Training samples.
        asking: What is shown and asked.
        config: The run's configuration.
        folder: Checkpoints, batches of skipped steps and features that are kept go there.
        phase: Takes the figures of every step.
        say: Takes lines for the user.
        on_broken: See `Collator`.
        model_folder: Where a model that is shared out is saved, for no process holds it; None: `model` in the folder.

    Returns:
        The trained policy, adapters merged; one that is shared out is saved instead.
    """
    model = trained_model(policy, config)
    adapted = replace(policy, model=model, encoded=Counter())
    args = trl_config(config, folder)
    curriculum = CURRICULA[config.curriculum]
    draws = draws_of(args, len(source.samples), curriculum.weigh, difficulties(source) if curriculum.weigh else None)
    keep = (2 + config.objective.dynamic_sampling) * config.trainer.prompts
    collator = Collator(source, adapted, asking, keep, config.trainer.workers, on_broken, draws.moment)
    trainer = VideoGRPOTrainer(
        adapted,
        asking.task,
        weights_of(config.task),
        collator,
        draws,
        args,
        # Where the tower is shared out, all processes must encode when one does; what is kept differs between them.
        cache=features_cache(adapted, config, folder) if config.model.freeze_vision and not told_to_shard() else None,
        refills=config.objective.dynamic_sampling,
        objective=OBJECTIVES[config.objective.loss],
        rollout=ROLLOUTS[config.objective.rollout],
        callbacks=[LogCallback(phase)],
        say=say,
    )
    trainer.remove_callback(PrinterCallback)
    with closing(collator):
        trainer.resume()
    if trainer.sharded:
        save_sharded(trainer, model_folder or folder / "model", as_yaml(config))
    # Merged in float32: in 16 bits most of what an adapter learnt would be rounded away.
    return replace(policy, model=model.float().merge_and_unload() if config.model.lora_rank else model)


def difficulties(source: Source) -> np.ndarray:
    """The `difficulty` of each sample, as its row or an earlier stage says it, float, shape (n,).

    Raises:
        UserError: If a sample has none.
    """
    known = [sample.meta.get("difficulty") for sample in source.samples]
    for sample, value in zip(source.samples, known, strict=True):
        with within(f"sample {sample.id}"):
            number(value, "the difficulty of its row, which the curriculum needs,")
    return np.array(known, float)


def trained_model(policy: Policy, config: Config) -> Any:
    """The policy's model, with adapters if asked for; what is not trained is frozen, what is has float32."""
    prepare(policy, config)
    torch.manual_seed(config.seed)  # an adapter's first weights must not depend on what was drawn before
    model = with_adapter(policy.model, config.model.lora_rank) if config.model.lora_rank else policy.model
    train_in_float32(model)
    return model


def with_adapter(model: Any, rank: int) -> Any:
    """The model with LoRA on every projection of its language layers, scaled by 2 (our default)."""
    layers = r".*language_model.*\.(q|k|v|o|gate|up|gate_up|down)_proj"
    return get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers))


def save_sharded(trainer: Steady, folder: Path, config: str) -> None:
    """Gather the model from all processes and save it like `save_policy` would."""
    with shared_folder(folder) as partial:
        trainer.save_model(str(partial))
        if trainer.is_world_process_zero():
            (partial / "training_args.bin").unlink()  # a pickle that nothing reads
            (partial / SAVED).write_text(config, encoding="utf-8")


def features_cache(policy: Policy, config: Config, folder: Path) -> EmbeddingCache:
    """Where the features of a frozen tower are kept, as the model computes them."""
    ram, disk = (round(gb * 2**30) for gb in (config.model.features_ram_gb, config.model.features_disk_gb))
    tower = fingerprint(policy.core.visual, policy.processor.video_processor)
    where = folder / "features" if disk else None
    return EmbeddingCache(tower, where, ram_bytes=ram, disk_bytes=disk, dtype=policy.core.visual.dtype)


def prepare(policy: Policy, config: Config) -> None:
    """Freeze the vision tower if asked to, with the mergers at its end: nothing in it moves, so features stay good."""
    if config.model.freeze_vision:
        policy.core.visual.requires_grad_(False)


def groups_of_a_pass(trainer: TrainerConfig, processes: int) -> tuple[int, int]:
    """Groups in one pass of one process, at most as many as asked for, and passes of an optimizer step."""
    return split_step(trainer.prompts, trainer.groups_per_pass, processes)


def split_step(whole: int, most: int, processes: int) -> tuple[int, int]:
    """Parts of a step in one pass of one process, at most as many as asked for, and passes of a step."""
    own = whole // processes
    size = next(size for size in range(min(most, own), 0, -1) if own % size == 0)
    return size, own // size


def common_arguments(config: Config, folder: Path) -> dict[str, Any]:
    """What transformers' trainer is told in every stage."""
    trainer = config.trainer
    return {
        "output_dir": str(folder),
        "seed": config.seed,
        "warmup_steps": 0,
        "bf16": trainer.bf16,
        "use_cpu": without_gpu(),
        "ddp_timeout": round(PATIENCE.total_seconds()),
        "ddp_find_unused_parameters": False,  # every trained weight takes part in every pass
        "gradient_checkpointing": trainer.gradient_checkpointing,
        "remove_unused_columns": False,
        "logging_steps": 1,
        "logging_first_step": True,
        "report_to": list(trainer.report_to) or "none",
        "save_strategy": "steps" if trainer.save_steps else "no",
        "save_steps": trainer.save_steps or 1,
        "save_total_limit": trainer.keep,
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def trl_config(config: Config, folder: Path) -> GRPOConfig:
    """TRL's configuration of a run; a device's batch is always whole groups."""
    objective, trainer = config.objective, config.trainer
    groups, passes = groups_of_a_pass(trainer, PartialState().num_processes)
    rows = objective.generations * ROLLOUTS[objective.rollout].turns
    return GRPOConfig(
        **OBJECTIVES[objective.loss].trl,
        **common_arguments(config, folder),
        max_steps=trainer.max_steps,
        per_device_train_batch_size=groups * rows,
        gradient_accumulation_steps=passes,
        steps_per_generation=passes,
        num_generations=rows,
        num_iterations=objective.iterations,
        max_completion_length=config.model.max_new_tokens,
        beta=objective.beta,
        epsilon=objective.epsilon,
        epsilon_high=objective.epsilon_high,
        importance_sampling_level=objective.importance,
        scale_rewards=objective.scale_rewards,
        temperature=objective.temperature,
        top_p=objective.top_p,
        learning_rate=objective.lr,
        lr_scheduler_type=objective.scheduler,
        weight_decay=objective.weight_decay,
        max_grad_norm=objective.clip,
        log_completions=False,
    )
