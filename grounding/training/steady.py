"""transformers' trainer made steady: exact resume, whole checkpoints, no step on bad numbers.

Departures from transformers 5.16 to 5.24, each an overridden method (pinned by tests/training/test_contract.py): its
resume does not restore the weights of a model whose names differ between file and memory; its checkpoint is there
before it is whole; and some norms decay.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.distributed.tensor import DTensor
from transformers import AutoModelForImageTextToText, Trainer, TrainerCallback, TrainerState

from grounding.core import UserError
from grounding.jobs.batches import save_batch
from grounding.jobs.checkpoints import Checkpoints, reading
from grounding.policies.precision import MOVED, Movement, too_still

MOST_SKIPPED = 5  # steps in a row that may be skipped
FIGURE = "nonfinite"  # 1 in the figures of a skipped step
SAY: Callable[[str], None] = logging.getLogger(__name__).warning  # where no console takes the lines


def skipped_in_a_row(history: Sequence[Mapping[str, Any]]) -> int:
    """How many of the last logged steps were skipped."""
    steps = [row for row in history if "learning_rate" in row]
    return next((count for count, row in enumerate(reversed(steps)) if not row.get(FIGURE)), len(steps))


class Steady(Trainer):
    """A trainer that can be killed at any moment and goes on as if nothing had happened; to be mixed into another.

    Checkpoints go to `checkpoints/` of `args.output_dir`, batches of skipped steps to `nonfinite/`.

    Args:
        say: Takes lines for the user.
        options: Keyword arguments of the other trainer; `save_total_limit` checkpoints are kept, and the best.
    """

    def __init__(self, *, say: Callable[[str], None] = SAY, **options: Any) -> None:
        super().__init__(**options)
        self.say = say
        self.folder = Path(self.args.output_dir)
        self.checkpoints = Checkpoints(self.folder / "checkpoints", self.args.save_total_limit or 1)
        self._saving_to: Path | None = None
        self._passes: list[tuple[dict[str, Any], torch.Tensor]] = []  # inputs and loss of this step's passes
        self._skipped = False
        self._norm = 0.0  # of the newest step's gradient
        self._moved: float | None = None  # share of the weights that the first step moved, until it is logged
        self.add_callback(_FirstStep(self))

    def close(self) -> None:
        """End what works beside the trainer."""

    def keep(self, folder: Path) -> None:
        """Write into a checkpoint what else is needed to go on from it; only the first process does so."""

    def take_up(self, folder: Path) -> None:
        """Read what `keep` wrote, in all processes."""

    def resume(self) -> int:
        """Train from the newest checkpoint, or from the start where there is none; gives the step begun from."""
        newest = self.checkpoints.latest()
        if newest:
            self.take_up(newest.path)
        self.train(resume_from_checkpoint=str(newest.path) if newest else None)
        return newest.step if newest else 0

    def get_decay_parameter_names(self, model: torch.nn.Module) -> list[str]:
        """Names of the weights that decay: all but biases and norms, whatever a norm is called.

        transformers tells norms by their names, and takes `norm1` and `ln_q` of Qwen2.5-VL's tower for others.
        """
        norms = {name for name, module in model.named_modules() if type(module).__name__.endswith("Norm")}
        names = super().get_decay_parameter_names(model)
        return [name for name in names if name.rpartition(".")[0] not in norms]

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._saving_to or self.folder)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        step = self.state.global_step
        rewards = [row["reward"] for row in self.state.log_history if row.get("reward") is not None]
        window = rewards[-int(self.args.save_steps) :]
        with self.checkpoints.saving(step, sum(window) / len(window) if window else None) as self._saving_to:
            Trainer._save_checkpoint(self, model, trial)  # TRL's own only adds a model card
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                _move_up(self._saving_to / f"checkpoint-{step}")
                self.keep(self._saving_to)
        self._saving_to = None

    @property
    def sharded(self) -> bool:
        """Whether no process holds the whole model (FSDP, DeepSpeed)."""
        return bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        target = self.model if model is None else model
        if self.is_fsdp_enabled:
            with reading(resume_from_checkpoint):
                super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        if hasattr(target, "peft_config"):
            with reading(resume_from_checkpoint):
                _load_adapters(target, Path(resume_from_checkpoint))
            return
        # transformers compares the names of the file with those in memory, and for this model they differ.
        with reading(resume_from_checkpoint):
            saved = AutoModelForImageTextToText.from_pretrained(
                resume_from_checkpoint, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
            )  # float32 holds frozen weights of 16 bits exactly too
            target.load_state_dict(saved.state_dict())

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        with reading(checkpoint):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        with reading(checkpoint):
            super()._load_rng_state(checkpoint)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """The loss of a pass, kept with its inputs until the step is taken."""
        loss: torch.Tensor = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if self.model.training:
            self._passes.append((inputs, loss.detach()))
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm  # FSDP2 leaves it in parts
        passes, self._passes = self._passes, []
        losses = torch.stack([loss for _, loss in passes])
        bad = ~torch.isfinite(losses).all() | ~torch.isfinite(torch.as_tensor(norm, device=losses.device))
        self._skipped, self._norm = bool(self.accelerator.reduce(bad.float(), reduction="sum") > 0), float(norm)
        if self._skipped:
            for parameter in model.parameters():
                parameter.grad = None  # then the optimizer passes it over, its moments too
            facts = {"step": self.state.global_step + 1, "grad_norm": str(float(norm)), "losses": str(losses.tolist())}
            self._skip([inputs for inputs, _ in passes], facts)
        return norm

    def _skip(self, passes: list[dict[str, Any]], facts: dict[str, Any]) -> None:
        rank = f"-process-{self.args.process_index}" if self.args.world_size > 1 else ""
        folder = self.folder / "nonfinite" / f"step-{facts['step']:06d}{rank}"
        save_batch(folder, passes, facts)
        self.say(f"step {facts['step']} was skipped: loss or gradient is not finite; its batch is in {folder}")
        if skipped_in_a_row(self.state.log_history) + 1 >= MOST_SKIPPED:
            raise UserError(
                f"{MOST_SKIPPED} steps in a row had a loss or gradient that is not finite; lower the learning rate, or "
                f"look at the batches in {folder.parent}"
            )

    def stepped(self) -> Iterator[torch.Tensor]:
        """The numbers that the optimizer changes: trained weights, or DeepSpeed's float32 copies of them."""
        whole: Callable[[torch.Tensor], torch.Tensor] = torch.Tensor.detach
        if self.is_deepspeed_enabled:
            from deepspeed.utils import safe_get_full_fp32_param

            whole = safe_get_full_fp32_param
        return (whole(parameter) for parameter in self.model.parameters() if parameter.requires_grad)

    def watch_step(self, movement: Movement) -> bool:
        """Say how many weights a step moved, and warn if they are few; False if it had no gradient to move them."""
        if self._skipped or not self._norm:
            return False
        counts = movement.counts(self.stepped()).to(self.accelerator.device)
        moved, looked_at = self.accelerator.reduce(counts, reduction="sum").tolist()
        self._moved = moved / max(1, looked_at)
        if warning := too_still(self._moved):
            self.say(warning)
        return True

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log; the loss of a skipped step is none."""
        if self._moved is not None:
            logs |= {MOVED: self._moved}
            self._moved = None
        if self._skipped and "loss" in logs:
            logs |= {"loss": math.nan, FIGURE: 1.0}
        super().log(logs, start_time)


class _FirstStep(TrainerCallback):
    """Watches the first step that has a gradient."""

    def __init__(self, trainer: Steady) -> None:
        self._trainer, self._done = trainer, False
        self._movement: Movement | None = None

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        self._done = any(MOVED in row for row in state.log_history)  # before the checkpoint that training goes on from

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        if not self._done:
            self._movement = Movement(self._trainer.stepped())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        if self._movement is not None:
            self._done, self._movement = self._trainer.watch_step(self._movement), None


def _load_adapters(model: Any, folder: Path) -> None:
    """Load every adapter; beside a reference's, transformers up to 5.22 leaves out the one that is trained."""
    trained = model.active_adapter
    for name in model.peft_config:
        model.load_adapter(folder if name == "default" else folder / name, name, is_trainable=name == trained)
    model.set_adapter(trained)


def _move_up(folder: Path) -> None:
    """Everything in the folder moves to its parent, but for a pickle that nothing reads."""
    (folder / "training_args.bin").unlink()
    for path in folder.iterdir():
        path.rename(folder.parent / path.name)
    folder.rmdir()
