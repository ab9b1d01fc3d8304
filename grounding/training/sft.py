"""The stage `sft`: supervised training on gold or given completions, several questions a reading of the video.

The loss is the mean of -log p over all answer tokens of a step, their ends among them, however the step is split into
passes and processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import PrinterCallback, Trainer, TrainingArguments

from grounding.core import Source, UserError, UserErrors
from grounding.curriculum.order import Draws, Rows
from grounding.jobs.processes import told_to_shard
from grounding.jobs.runlog import LogCallback
from grounding.policies.embedding_cache import EmbeddingCache
from grounding.policies.policy import Policy
from grounding.policies.shared_prefix import log_probs, read_prompts
from grounding.policies.vision_features import VisionFeatures
from grounding.policies.wrapped import inside_forward
from grounding.tasks.asking import Asking
from grounding.training.config import Config, as_yaml
from grounding.training.data import OnBroken, problem_of
from grounding.training.dense import pad_answers
from grounding.training.examples import Ahead, Row, without_weights
from grounding.training.grpo import common_arguments, features_cache, save_sharded, split_step, trained_model
from grounding.training.steady import SAY, Steady
from grounding.training.talks import Talk, TalkMaker, Talks, by_video, check_given, tell


def run_sft(
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
    """Train a policy on answers, from the newest checkpoint of the folder where there is one; see `run_grpo`.

    Raises:
        UserErrors: If given completions cannot be read and no sample may be left out.
    """
    wrong = unreadable(source, asking, config, on_broken)
    videos = by_video(source, config.sft.questions, wrong)
    if not videos:
        raise UserError("no sample is left to train on; mend the completions of the data")
    model = trained_model(policy, config)
    adapted = replace(policy, model=model, encoded=Counter())
    args = sft_arguments(config, folder)
    draws = Draws(len(videos), config.sft.videos, config.sft.max_steps, config.seed)
    maker = TalkMaker(source, videos, without_weights(adapted), asking, on_broken is not None)
    ahead = Ahead(maker, 2 * config.sft.videos, config.trainer.workers, draws.moment if asking.changes else None)
    cached = config.model.freeze_vision and not told_to_shard()
    trainer = SFTTrainer(
        adapted,
        ahead,
        draws,
        args,
        cache=features_cache(adapted, config, folder) if cached else None,
        on_broken=on_broken,
        callbacks=[LogCallback(phase)],
        say=say,
    )
    trainer.remove_callback(PrinterCallback)
    with closing(ahead):
        trainer.resume()
    if trainer.sharded:
        save_sharded(trainer, model_folder or folder / "model", as_yaml(config))
    return replace(policy, model=model.float().merge_and_unload() if config.model.lora_rank else model)


def unreadable(source: Source, asking: Asking, config: Config, on_broken: OnBroken | None) -> frozenset[str]:
    """Ids of the samples whose given completions cannot be read; `on_broken` takes each.

    Raises:
        UserErrors: If there are any and no sample may be left out.
    """
    wrong = check_given(source, asking)
    if wrong and on_broken is None:
        annotations = str(getattr(config.data, "annotations", ""))
        broken = [sample for sample in source.samples if sample.id in wrong]
        raise UserErrors([problem_of(source, one, wrong[one.id], annotations).line() for one in broken])
    if wrong and on_broken:
        tell(wrong, source, on_broken)
    return frozenset(wrong)


def sft_arguments(config: Config, folder: Path) -> TrainingArguments:
    """Transformers' configuration of the stage; a pass holds whole videos."""
    sft = config.sft
    videos, passes = split_step(sft.videos, sft.videos_per_pass, PartialState().num_processes)
    return TrainingArguments(
        **common_arguments(config, folder),
        max_steps=sft.max_steps,
        per_device_train_batch_size=videos,
        gradient_accumulation_steps=passes,
        learning_rate=sft.lr,
        lr_scheduler_type=sft.scheduler,
        weight_decay=sft.weight_decay,
        max_grad_norm=sft.clip,
    )


class AnswerLoss(Trainer):
    """Computes the loss of a pass inside the wrapped model.

    Args:
        policy: What is trained.
        cache: Keeps a frozen tower's features.
        options: Of transformers' trainer.
    """

    def __init__(self, *, policy: Policy, cache: EmbeddingCache | None = None, **options: Any) -> None:
        self.policy = policy
        frozen = not any(parameter.requires_grad for parameter in policy.core.visual.parameters())
        self.vision = VisionFeatures(frozen=frozen, cache=cache)
        super().__init__(model=policy.model, processing_class=policy.processor, **options)
        self.model_accepts_loss_kwargs = True  # so that a pass is not divided once more by the number of passes

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """The pass's part of the mean over the step's tokens, times the processes, whose gradients are averaged."""
        policy = replace(self.policy, model=self.accelerator.unwrap_model(model))
        prompts = inputs["prompts"]

        def loss() -> torch.Tensor:
            prefix = read_prompts(policy, prompts, [1] * len(prompts), self.vision.of(policy, prompts))
            logp, _ = log_probs(policy, prefix, inputs["tokens"], inputs["mask"])
            return -logp[inputs["owner"] > 0].sum() / num_items_in_batch * self.args.world_size

        with self.accelerator.autocast():
            return inside_forward(model, self.policy.model, loss)


class SFTTrainer(Steady, AnswerLoss):
    """Supervised training over talks.

    Args:
        policy: The policy to train.
        ahead: Makes the talks of dataset rows.
        draws: The videos that the run draws.
        args: transformers' configuration.
        cache: Keeps a frozen tower's features from one drawing of a video to the next.
        on_broken: Takes each sample that cannot be used, once.
        options: Further keyword arguments of `Steady` and `Trainer`.
    """

    def __init__(
        self,
        policy: Policy,
        ahead: Ahead[Talks],
        draws: Draws,
        args: TrainingArguments,
        cache: EmbeddingCache | None = None,
        on_broken: OnBroken | None = None,
        **options: Any,
    ) -> None:
        self.ahead, self.draws, self._on_broken = ahead, draws, on_broken
        self._told: set[str] = set()
        self._figures: dict[str, float] = {}
        super().__init__(policy=policy, cache=cache, args=args, train_dataset=draws, data_collator=self._ask, **options)

    def _get_train_sampler(self, dataset: Any = None) -> Rows:
        return Rows(self.draws.groups, 1, 1, self.draws.generations)

    def _ask(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows as they are; their talks are made ahead, and waited for when the step begins."""
        self.ahead.pending(rows)
        return rows

    def get_batch_samples(
        self, epoch_iterator: Any, num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, Any]], torch.Tensor]:
        """The passes of a step, and how many tokens are scored in all of them, of all processes."""
        passes, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        self.vision.forget()
        made = [self._pass(rows) for rows in passes]
        tokens = sum(int((one["owner"] > 0).sum()) for one in made)
        answers = sum(int(one["owner"].amax(1).sum()) for one in made)
        rows = sum(len(one["prompts"]) for one in made)
        own = torch.tensor([tokens, answers, rows], device=self.args.device)
        tokens, answers, rows = self.accelerator.reduce(own, reduction="sum").tolist()
        self._figures = {"answer_tokens": tokens, "questions_per_row": answers / max(1, rows)}
        return made, torch.tensor(tokens, device=self.args.device)

    def _pass(self, rows: Sequence[Row]) -> dict[str, Any]:
        pending = self.ahead.pending(rows)
        talks = [pending[self.ahead.wanted(row)]() for row in rows]
        for sample, why in [broken for one in talks for broken in one.passed_over]:
            if self._on_broken and sample.id not in self._told:
                self._told.add(sample.id)
                self._on_broken(sample, why)
        found: list[Talk] = [talk for one in talks for talk in one.rows]
        tokens, mask, owner = pad_answers(self.policy, [(talk.tokens, talk.owner) for talk in found])
        return {
            "prompts": [talk.prompt for talk in found],
            "tokens": tokens,
            "mask": mask,
            "owner": owner,
            "sample_ids": [list(talk.ids) for talk in found],
        }

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with the step's tokens and questions."""
        if "learning_rate" in logs:
            logs |= self._figures
        super().log(logs, start_time)
