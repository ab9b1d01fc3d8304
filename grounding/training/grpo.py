"""From our configuration to TRL's: every field of `GRPOConfig` that changes meaning is set here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import LoraConfig, get_peft_model
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig

from grounding.core import Source
from grounding.policies.policy import Policy, save_policy
from grounding.training.config import Config, weights_of
from grounding.training.examples import Collator
from grounding.training.runlog import LogCallback, Phase
from grounding.training.trainer import VideoGRPOTrainer
from prompting import IdMarker


def run_grpo(policy: Policy, source: Source, marker: IdMarker, config: Config, folder: Path, phase: Phase) -> Policy:
    """Train a policy with GRPO.

    Args:
        policy: Loaded from a folder or hub name.
        source: Training samples.
        marker: Draws the IDs.
        config: The run's configuration.
        folder: The run folder; TensorBoard's files go there.
        phase: Takes the figures of every step.

    Returns:
        The trained policy, adapters merged.
    """
    prepare(policy, config)
    model = with_adapter(policy.model, config.model.lora_rank) if config.model.lora_rank else policy.model
    adapted = Policy(model, policy.processor)
    collator = Collator(source, adapted, marker, config.model.prompt, keep=2 * config.trainer.prompts)
    trainer = VideoGRPOTrainer(
        adapted,
        weights_of(config.task),
        collator,
        len(source.samples),
        trl_config(config, folder),
        callbacks=[LogCallback(phase), Snapshots(adapted, folder / "checkpoints", config.trainer.save_steps)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    merged = model.merge_and_unload() if config.model.lora_rank else model
    return Policy(merged, policy.processor)


def with_adapter(model: Any, rank: int) -> Any:
    """The model with LoRA on every projection of its language layers, scaled by 2 (our default)."""
    layers = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"
    return get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers))


class Snapshots(TrainerCallback):
    """Saves the policy every so many steps as `step-N`, each folder whole or not at all."""

    def __init__(self, policy: Policy, folder: Path, every: int) -> None:
        self.policy, self.folder, self.every = policy, folder, every

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save when it is time."""
        if self.every and state.global_step % self.every == 0 and state.is_world_process_zero:
            self.folder.mkdir(exist_ok=True)
            save_policy(self.policy, self.folder / f"step-{state.global_step:06d}")


def prepare(policy: Policy, config: Config) -> None:
    """Freeze the vision tower if asked to."""
    if config.model.freeze_vision:
        policy.core.visual.requires_grad_(False)


def trl_config(config: Config, folder: Path) -> GRPOConfig:
    """TRL's configuration of a run; a device's batch is always whole groups."""
    objective, trainer = config.objective, config.trainer
    passes = trainer.prompts // trainer.groups_per_pass
    return GRPOConfig(
        output_dir=str(folder),
        seed=config.seed,
        max_steps=trainer.max_steps,
        per_device_train_batch_size=trainer.groups_per_pass * objective.generations,
        gradient_accumulation_steps=passes,
        steps_per_generation=passes,
        num_generations=objective.generations,
        num_iterations=objective.iterations,
        max_completion_length=config.model.max_new_tokens,
        loss_type=objective.loss,
        beta=objective.beta,
        epsilon=objective.epsilon,
        scale_rewards=objective.scale_rewards,
        temperature=objective.temperature,
        top_p=objective.top_p,
        learning_rate=objective.lr,
        lr_scheduler_type=objective.scheduler,
        warmup_steps=0,
        weight_decay=objective.weight_decay,
        max_grad_norm=objective.clip,
        bf16=trainer.bf16,
        gradient_checkpointing=False,
        remove_unused_columns=False,
        logging_steps=1,
        logging_first_step=True,
        report_to=list(trainer.report_to) or "none",
        save_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        log_completions=False,
    )
