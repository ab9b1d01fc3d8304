"""The stage `sft`: supervised training on gold or given completions, several questions a reading of the video.

The loss is the mean of -log p over all answer tokens of a step, their ends among them, however the step is split into
passes and processes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import Trainer, TrainingArguments

from grounding.core import UserError, UserErrors
from grounding.curriculum.order import Draws, Rows
from grounding.curriculum.table import curriculum_of
from grounding.jobs.runlog import LogCallback
from grounding.jobs.skipped import problem_of
from grounding.policies.embedding_cache import EmbeddingCache
from grounding.policies.policy import Policy
from grounding.policies.shared_prefix import log_probs, read_prompts
from grounding.policies.vision_features import VisionFeatures
from grounding.policies.wrapped import inside_forward
from grounding.training.config import Config
from grounding.training.data import annotations_of
from grounding.training.examples import Ahead, Drawn, without_weights
from grounding.training.learning import Phase, Place, Work, common_arguments, learn, split_step
from grounding.training.steady import Steady
from grounding.training.talks import Talk, TalkMaker, Talks, by_video, check_given, pad_answers


def run_sft(policy: Policy, work: Work, place: Place, phase: Phase) -> Policy:
    """Train a policy on answers, see `learn`.

    Raises:
        UserErrors: If given completions cannot be read and no sample may be left out.
    """
    config, source, asking = work.config, work.source, work.asking
    videos = by_video(source, config.sft.questions, unreadable(work))
    if not videos:
        raise UserError("no sample is left to train on; mend the completions of the data")
    args = sft_arguments(config, place.folder)
    draws = Draws(len(videos), config.sft.videos, config.sft.max_steps, config.seed)
    moments = draws.moment if asking.changes else None

    def trainer(adapted: Policy, cache: EmbeddingCache | None) -> SFTTrainer:
        maker = TalkMaker(source, videos, without_weights(adapted), asking, work.on_broken is not None)
        ahead = Ahead(maker, 2 * config.sft.videos, config.trainer.workers, moments, work.on_broken)
        return SFTTrainer(adapted, ahead, draws, args, cache=cache, callbacks=[LogCallback(phase)], say=work.say)

    return learn(policy, work, place, trainer)


def check_completions(work: Work) -> None:
    """Refuse completions that the task cannot read, and a curriculum that weighs samples: videos are drawn here."""
    curriculum = work.config.curriculum
    if curriculum_of(curriculum).weigh:
        by = f"curriculum.select.by={curriculum.select.by}"
        raise UserError(f"{by} weighs samples, and the stage sft draws videos; leave one of them out")
    unreadable(work)


def unreadable(work: Work) -> frozenset[str]:
    """Ids of the samples whose given completions cannot be read; `on_broken` takes each.

    Raises:
        UserErrors: If there are any and no sample may be left out.
    """
    wrong = check_given(work.source, work.asking)
    broken = [sample for sample in work.source.samples if sample.id in wrong] if wrong else []
    if work.on_broken:
        for sample in broken:
            work.on_broken(sample, wrong[sample.id])
    elif broken:
        annotations = annotations_of(work.config.data)
        raise UserErrors([problem_of(work.source, one, wrong[one.id], annotations).line() for one in broken])
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
        options: Further keyword arguments of `Steady` and `Trainer`.
    """

    def __init__(
        self,
        policy: Policy,
        ahead: Ahead[Talks],
        draws: Draws,
        args: TrainingArguments,
        cache: EmbeddingCache | None = None,
        **options: Any,
    ) -> None:
        self.ahead, self.draws = ahead, draws
        self._figures: dict[str, float] = {}
        self._since = time.perf_counter()  # the last log
        super().__init__(policy=policy, cache=cache, args=args, train_dataset=draws, data_collator=ahead.ask, **options)

    def _get_train_sampler(self, dataset: Any = None) -> Rows:
        return Rows(self.draws.groups, 1, 1, self.draws.generations)

    def close(self) -> None:
        """End the workers that make talks."""
        self.ahead.close()

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
        read = sum(len(prompt.input_ids) for one in made for prompt in one["prompts"])
        own = torch.tensor([tokens, answers, rows, read], device=self.args.device)
        tokens, answers, rows, read = self.accelerator.reduce(own, reduction="sum").tolist()
        self._figures = {
            "answer_tokens": tokens,
            "prompt_tokens": read,
            "questions_per_row": answers / max(1, rows),
        }
        return made, torch.tensor(tokens, device=self.args.device)

    def _pass(self, rows: Sequence[Drawn]) -> dict[str, Any]:
        found: list[Talk] = [talk for one in self.ahead(rows) for talk in one.rows]
        tokens, mask, owner = pad_answers(self.policy, [(talk.tokens, talk.owner) for talk in found])
        return {
            "prompts": [talk.prompt for talk in found],
            "tokens": tokens,
            "mask": mask,
            "owner": owner,
            "sample_ids": [list(talk.ids) for talk in found],
        }

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with the step's tokens, questions and seconds, and with what the tower encoded."""
        if "learning_rate" in logs:
            now, encoded = time.perf_counter(), self.policy.encoded
            logs |= {**self._figures, "seconds/step": now - self._since}
            logs |= {f"vision/encoded_{what}": encoded[what] for what in ("frames", "patches")}
            self._since = now
            encoded.clear()
        super().log(logs, start_time)
