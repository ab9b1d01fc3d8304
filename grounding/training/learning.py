"""What all stages share: what a stage is given, which weights move, what transformers is told, how a trainer is run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import PrinterCallback

from grounding.core import OnBroken, Source
from grounding.jobs.checkpoints import Checkpoints, shared_folder
from grounding.jobs.processes import PATIENCE, told_to_shard, without_gpu
from grounding.policies.embedding_cache import EmbeddingCache, fingerprint
from grounding.policies.policy import Policy
from grounding.policies.precision import train_in_float32
from grounding.tasks.asking import Asking
from grounding.training.config import SAVED, Config, as_yaml
from grounding.training.steady import SAY, Steady

Phase = Callable[[dict[str, float]], None]  # takes the figures of every step


@dataclass(frozen=True)
class Work:
    """What a stage trains on, and whom it tells.

    Args:
        config: The run's configuration.
        asking: What is shown and asked.
        source: Training samples.
        on_broken: Takes each sample that cannot be used and why, and another stands in for it; None: it stops the run.
        say: Takes lines for the user.
    """

    config: Config
    asking: Asking
    source: Source
    on_broken: OnBroken | None = None
    say: Callable[[str], None] = SAY


def no_check(work: Work) -> None:
    """For a stage that can work with everything that was loaded."""


@dataclass(frozen=True)
class Place:
    """Where a stage keeps what it makes.

    Args:
        folder: Its own, for checkpoints and whatever else it needs to go on after it was stopped.
        model: Where its policy is saved in the end.
        alone: Whether the first process trains while the others wait.
    """

    folder: Path
    model: Path
    alone: bool = False

    def checkpoints(self, keep: int) -> Checkpoints:
        """Those of the stage, of which so many stay."""
        return Checkpoints(self.folder / "checkpoints", keep, self.alone)


def learn(policy: Policy, work: Work, place: Place, make: Callable[[Policy, EmbeddingCache | None], Steady]) -> Policy:
    """Train a policy from the newest checkpoint of the place, or from the start where there is none.

    Args:
        policy: Loaded from a folder or hub name.
        work: What it learns from.
        place: A model that is shared out is saved here, for no process holds it.
        make: Makes the trainer, of the policy with adapters, and of what keeps the features of a frozen tower.

    Returns:
        The trained policy, adapters merged.
    """
    model = trained_model(policy, work.config)
    adapted = replace(policy, model=model, encoded=Counter())
    # Where the tower is shared out, all processes must encode when one does; what is kept differs between them.
    cached = work.config.model.freeze_vision and not told_to_shard()
    trainer = make(adapted, features_cache(adapted, work.config, place.folder) if cached else None)
    trainer.remove_callback(PrinterCallback)
    with closing(trainer):
        trainer.resume()
    if trainer.sharded:
        save_sharded(trainer, place.model, as_yaml(work.config))
    # Merged in float32: in 16 bits most of what an adapter learnt would be rounded away.
    return replace(policy, model=model.float().merge_and_unload() if work.config.model.lora_rank else model)


def trained_model(policy: Policy, config: Config) -> Any:
    """The policy's model, with adapters if asked for; what is not trained is frozen, what is has float32.

    A tower is frozen with the mergers at its end: nothing in it moves, so features stay good.
    """
    if config.model.freeze_vision:
        policy.core.visual.requires_grad_(False)
    torch.manual_seed(config.seed)  # an adapter's first weights must not depend on what was drawn before
    model = with_adapter(policy.model, config.model.lora_rank) if config.model.lora_rank else policy.model
    train_in_float32(model)
    return model


def with_adapter(model: Any, rank: int) -> Any:
    """The model with LoRA on every projection of its language layers, scaled by 2 (our default)."""
    layers = r".*language_model.*\.(q|k|v|o|gate|up|gate_up|down)_proj"
    return get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers))


def features_cache(policy: Policy, config: Config, folder: Path) -> EmbeddingCache:
    """Where the features of a frozen tower are kept, as the model computes them."""
    ram, disk = (round(gb * 2**30) for gb in (config.model.features_ram_gb, config.model.features_disk_gb))
    tower = fingerprint(policy.core.visual, policy.processor.video_processor)
    where = folder / "features" if disk else None
    return EmbeddingCache(tower, where, ram_bytes=ram, disk_bytes=disk, dtype=policy.core.visual.dtype)


def save_sharded(trainer: Steady, folder: Path, config: str) -> None:
    """Gather the model from all processes and save it like `save_policy` would."""
    with shared_folder(folder) as partial:
        trainer.save_model(str(partial))
        if trainer.is_world_process_zero():
            (partial / "training_args.bin").unlink()  # a pickle that nothing reads
            (partial / SAVED).write_text(config, encoding="utf-8")


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
