"""GRPO on video: TRL's trainer, taught to read videos once a prompt and to keep groups together.

Departures from TRL 1.16's `GRPOTrainer`, each an overridden method (pinned by tests/training/test_contract.py):
prompts carry an encoded video (TRL reads images only, and would score a video prompt blind); sampling and scoring
share each prompt among its completions; micro-batches are whole groups, never shuffled rows; the order of samples
follows from the seed alone (its resume draws the first pass's order again in later passes); TRL is given one reward,
the sum that `rewards.WeightedSum` makes, and its parts are logged here under TRL's names; TRL's makers are told
nothing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils.fsdp_utils import fsdp2_prepare_model
from datasets import Dataset
from torch.distributed.fsdp import FSDPModule
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import nanstd

from grounding.core import LoadedSample, ParseFailure
from grounding.curriculum.order import Draws, Rows, Weights
from grounding.curriculum.scores import Scores
from grounding.policies.embedding_cache import EmbeddingCache
from grounding.policies.policy import Policy, VideoPrompt
from grounding.policies.shared_prefix import Sampling, log_probs, read_prompts, runs
from grounding.policies.vision_features import VisionFeatures
from grounding.policies.wrapped import inside_forward
from grounding.tasks.task import Said, Task
from grounding.training.examples import Collator
from grounding.training.groups import check_groups, flat_groups, put_groups, split_groups
from grounding.training.objectives import (
    OBJECTIVES,
    ROLLOUTS,
    Drawing,
    Generation,
    Objective,
    Pass,
    Rollout,
    Row,
    rows_of,
)
from grounding.training.steady import Steady
from rewards import Meta, WeightedSum

Parts = Mapping[str, float | None]  # what each reward gives a completion, None where it is not scored


SCORES = "scores.jsonl"  # in a checkpoint: what the groups scored so far


def draws_of(args: GRPOConfig, samples: int, weights: Weights | None = None, scores: Scores | None = None) -> Draws:
    """The draws of a run with TRL's numbers, of so many samples; see `Draws`."""
    groups = args.generation_batch_size // args.num_generations
    repeats = args.steps_per_generation * args.num_iterations
    generations = -(-args.max_steps * args.gradient_accumulation_steps // repeats)
    return Draws(samples, groups, generations, args.seed, weights, scores)


class VideoGRPOTrainer(Steady, GRPOTrainer):
    """TRL's GRPO over examples that hold a video.

    Args:
        policy: The policy to train; its model was loaded from a folder or hub name (the reference is read again there).
        task: Reads the completions.
        weights: Weight of each registered reward.
        collator: Makes examples of dataset rows.
        draws: The samples that the run draws, see `draws_of`.
        args: TRL's configuration; the batch on a device must be whole groups.
        cache: Keeps a frozen tower's features over generations.
        refills: Rounds of drawing other samples in place of groups without variance.
        objective: How rewards become a gradient; what it fixes of `args` is set there already.
        rollout: How completions come about; `args.num_generations` counts rows, `turns` for each member.
        options: Further keyword arguments of `Steady` and `GRPOTrainer`.
    """

    _reference: Any  # what `ref_model` gives
    _buffered_inputs: Any  # TRL's: the batches of the generation that is being learnt from

    def __init__(
        self,
        policy: Policy,
        task: Task,
        weights: dict[str, float],
        collator: Collator,
        draws: Draws,
        args: GRPOConfig,
        cache: EmbeddingCache | None = None,
        refills: int = 0,
        objective: Objective = OBJECTIVES["grpo"],
        rollout: Rollout = ROLLOUTS["one_turn"],
        **options: Any,
    ) -> None:
        self.policy, self.task, self.collator, self.refills = policy, task, collator, refills
        self.objective, self.rollout = objective, rollout
        frozen = not any(parameter.requires_grad for parameter in policy.core.visual.parameters())
        self.vision = VisionFeatures(frozen=frozen, cache=cache, autocast=lambda: self.accelerator.autocast())
        self.seconds: dict[str, float] = defaultdict(float)
        self._tokens_logged = self._unique_frames = 0
        self._prompts: list[VideoPrompt] = []  # of the rows that are being sampled or scored, one a row
        self._rows: list[Row] = []  # of the newest generation
        self._judged: list[int] = []  # for each of them the number of the row that is read and rewarded
        self._rewards = torch.empty(0)  # of the rows that were rewarded last
        self.weights = WeightedSum(weights)
        super().__init__(
            model=policy.model,
            reward_funcs=[self.reward],
            args=args,
            train_dataset=Dataset.from_dict({"prompt": [""]}),  # TRL takes no other kind, so ours is put in its place
            processing_class=policy.processor,
            **options,
        )
        self.draws = self.train_dataset = draws
        self.data_collator = collator.ask  # examples are waited for when a generation begins

    def close(self) -> None:
        """End the workers that make examples."""
        self.collator.close()

    def keep(self, folder: Path) -> None:
        """Write what the groups scored, if draws depend on it."""
        if self.draws.scores is not None:
            self.draws.scores.save(folder / SCORES)

    def take_up(self, folder: Path) -> None:
        """Read what `keep` wrote."""
        if self.draws.scores is not None:
            self.draws.scores.load(folder / SCORES)

    def _get_train_sampler(self, dataset: Any = None) -> Rows:
        repeats = self.args.steps_per_generation * self.num_iterations
        return Rows(self.draws.groups, self.num_generations, repeats, self.draws.generations)

    @property
    def ref_model(self) -> Any:
        """The model that the KL term compares with, if any."""
        return self._reference

    @ref_model.setter
    def ref_model(self, model: Any) -> None:
        """Share it out layer by layer for FSDP2: TRL would do so as a whole, and gather all of it at once."""
        if model is not None and self.accelerator.is_fsdp2 and not isinstance(model, FSDPModule):
            model = fsdp2_prepare_model(self.accelerator, model.requires_grad_(False))
        self._reference = model

    def _send_telemetry(self) -> None:
        """Send nothing to anybody.

        TRL's thread for it may read the environment while accelerate changes it, which is not safe in C.
        """

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the block's wall time to `seconds[phase]`."""
        begin = time.perf_counter()
        yield
        self.seconds[phase] += time.perf_counter() - begin

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        examples: list[Any] = self.collator(inputs)
        self.seconds["wait"] += self.collator.seconds_waited
        self.collator.seconds_waited = 0.0
        one_pass = self.model.training and self.args.steps_per_generation == 1 and not self.sharded
        self.vision.forget(learning=self.policy.core.visual if one_pass else None)
        members = self.num_generations // self.rollout.turns if self.model.training else 1
        check_groups([row["example"].prompt for row in examples], self.num_generations if self.model.training else 1)
        self._rows, self._judged = self._roll_out(examples, members)
        self._prompts = [row.prompt for row in self._rows]
        self._unique_frames += sum({id(prompt): prompt.frames for prompt in self._prompts}.values())
        batch = super()._generate_and_score_completions(examples)
        for figure in ("mean", "std"):  # TRL logs its one reward's twice, also as `reward` and `reward_std`
            self._metrics["train" if self.model.training else "eval"].pop(f"rewards/{self.reward.__name__}/{figure}")
        silent = [not row.tokens for row in self._rows]
        if any(silent):
            batch["completion_mask"][silent] = 0
        if self.rollout.turns > 1:
            batch["num_items_in_batch"] = self.accelerator.gather(batch["completion_mask"].sum()).sum()
        batch |= {
            "prompts": self._prompts,
            "group": torch.tensor([row["group"] for row in examples]),
            "sample_ids": [row["example"].loaded.sample.id for row in examples],
            "rewards": self._rewards,
        }
        if self.objective.advantages:
            rewards, tokens, mask = (batch[name] for name in ("rewards", "completion_ids", "completion_mask"))
            made = Generation(rewards, tokens, mask, self.num_generations, batch["advantages"])
            batch["advantages"] = self.objective.advantages(made)
        return batch

    def _roll_out(self, inputs: list[dict[str, Any]], members: int) -> tuple[list[Row], list[int]]:
        """The rows of all groups, and for each of them the number of the row that is read and rewarded."""
        turns = self.rollout.turns
        policy, was_training = self._as_policy(self.model), self.model.training
        how = Sampling(self.max_completion_length, self.temperature, self.top_p)
        examples = [row["example"] for row in inputs[:: members * turns]]
        features = partial(self.vision.of, policy)
        self.model.eval()
        with self.timed("rollout"), torch.no_grad(), self.accelerator.autocast():
            drawing = Drawing(policy, examples, members, how, features)
            drawn = inside_forward(self.model, policy.model, lambda: self.rollout.draw(drawing))
        self.model.train(was_training)
        return rows_of(drawn, members, turns)

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [prompt.input_ids.tolist() for prompt in self._prompts], None, {}

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], images: Any, multimodal_fields: Any, num_generations: int, **_: Any
    ) -> tuple[list[list[int]], None]:
        # TRL cannot hold a row of no tokens; what stands in for them is masked afterwards.
        return [row.tokens or [self.policy.tokenizer.eos_token_id] for row in self._rows], None

    def _calculate_rewards(
        self, inputs: list[dict[str, Any]], prompts: list[Any], completions: list[str], completion_ids_list: list[Any]
    ) -> torch.Tensor:
        last = sorted(set(self._judged))
        texts = [completions[row] for row in last]
        with self.timed("rewards"):
            loaded = [inputs[row]["example"].loaded for row in last]
            said = [self.task.read(*one) for one in zip(texts, loaded, strict=True)]
            tokens = [completion_ids_list[row] for row in last]
            parts = [self.parts(*one) for one in zip(texts, tokens, loaded, said, strict=True)]
            if self.model.training and self.draws.scores is not None:
                self._keep_scores(self.draws.scores, inputs, dict(zip(last, said, strict=True)))
        parsed = [not isinstance(one, ParseFailure) for one in said]
        empty = [not text.strip() for text in texts]
        metrics = self._metrics["train" if self.model.training else "eval"]
        metrics["parse_rate"].append(self._share(parsed))
        metrics["completions/empty_ratio"].append(self._share(empty))
        for name in self.weights.weights:  # means and deviations of all processes, as TRL logs them
            values = self._gathered([torch.nan if (value := one[name]) is None else value for one in parts])
            metrics[f"rewards/{name}/mean"].append(values.nanmean().item())
            metrics[f"rewards/{name}/std"].append(nanstd(values).item())
        of_row = dict(zip(last, parts, strict=True))
        scored = [{**row, "parts": of_row[judged]} for row, judged in zip(inputs, self._judged, strict=True)]
        sums = super()._calculate_rewards(scored, prompts, completions, completion_ids_list)
        self._rewards = sums[self.accelerator.process_index * len(prompts) :][: len(prompts), 0]
        return sums

    def _keep_scores(self, scores: Scores, inputs: Sequence[dict[str, Any]], said: Mapping[int, Said]) -> None:
        """Keep what the groups of all processes scored, by what was said in some of the rows of each."""
        found, size = [], self.num_generations
        for start in range(0, len(inputs), size):
            example = inputs[start]["example"]
            index = (inputs[start]["group"] + len(example.passed_over)) % self.draws.samples
            rows = [said[row] for row in range(start, start + size) if row in said]
            values = [self.task.graded(one, example.loaded.sample.truth) for one in rows]
            found.append([index, np.mean(values), np.std(values)])
        own = torch.tensor(found, dtype=torch.float64, device=self.accelerator.device)
        groups = [(int(index), mean, std) for index, mean, std in self.accelerator.gather(own).tolist()]
        scores.add(self.state.global_step // self.num_iterations, groups)

    def parts(self, text: str, ids: Sequence[int], loaded: LoadedSample, said: Said) -> Parts:
        """What each reward gives a completion."""
        progress = self.state.global_step / max(1, self.state.max_steps)
        meta = Meta(text, loaded.clip.duration, progress, len(ids), self.max_completion_length, loaded.sample.previous)
        return self.weights.parts(said, loaded.sample.truth, meta)

    def reward(self, parts: Sequence[Parts], **_: Any) -> list[float | None]:
        """The one reward that TRL knows: the sums of the parts, None where no part is scored."""
        return [self.weights.total(one) for one in parts]

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        policy = self._as_policy(model)
        completions, mask = input_ids[:, -logits_to_keep:], attention_mask[:, -logits_to_keep:]
        size = batch_size or len(input_ids)

        def score(rows: slice) -> tuple[torch.Tensor, torch.Tensor]:
            prompts, counts = zip(*runs(self._prompts[rows]), strict=True)
            prefix = read_prompts(policy, prompts, counts, self.vision.of(policy, prompts))
            return log_probs(policy, prefix, completions[rows], mask[rows], self.temperature)

        parts = []
        for start in range(0, len(input_ids), size):
            with self.timed("scoring"), self.accelerator.autocast():
                parts.append(inside_forward(model, policy.model, partial(score, slice(start, start + size))))
        logps, entropies = zip(*parts, strict=True)
        return torch.cat(logps), torch.cat(entropies), None

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        if not self.model.training:
            return self._generate_and_score_completions(generation_batch)
        every = self.args.steps_per_generation * self.num_iterations
        if self._step % every == 0 or self._buffered_inputs is None:
            batch = self._refilled(self._generate_and_score_completions(generation_batch))
            self._buffered_inputs = split_groups(batch, self.args.steps_per_generation)
        return self._buffered_inputs[self._step % self.args.steps_per_generation]

    def _refilled(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch with other samples' groups in place of flat ones, as far as `refills` rounds find any.

        The logged figures stay those of the first draw: groups chosen for their rewards would flatter them.
        """
        if not self.refills:
            return batch
        metrics, members = self._metrics["train"], self.num_generations
        first = {name: list(values) for name, values in metrics.items() if name != "num_tokens"}
        flat = flat_groups(batch["rewards"], members)
        for number in range(self.refills):
            wanted = int(self.accelerator.gather(torch.tensor([len(flat)], device=self.accelerator.device)).max())
            if not wanted:  # of any process: all take part in every round
                break
            purpose = ("refill", self.state.global_step, number, self.args.process_index)
            drawn = self.draws.others(self.state.global_step // self.num_iterations, wanted, *purpose)
            others = self._generate_and_score_completions([row for row in drawn for _ in range(members)])
            useless = flat_groups(others["rewards"], members)
            good = [group for group in range(wanted) if group not in useless][: len(flat)]
            batch = put_groups(batch, flat[: len(good)], others, good, members, self.policy.tokenizer.pad_token_id)
            flat = flat[len(good) :]
        metrics.update(first)
        left = [group in flat for group in range(len(batch["prompts"]) // members)]
        metrics["flat_after_refill"].append(self._share(left))
        return {**batch, "num_items_in_batch": self.accelerator.gather(batch["completion_mask"].sum()).sum()}

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        self._prompts = inputs["prompts"]
        if self.objective.loss is None:
            return super()._compute_loss(model, inputs)
        mask = inputs["completion_mask"]
        ids, whole = (
            torch.cat([inputs[f"prompt_{part}"], inputs[f"completion_{part}"]], dim=1) for part in ("ids", "mask")
        )
        logps, entropies, _ = self._get_per_token_logps_and_entropies(model, ids, whole, mask.shape[1])
        old, reference = inputs.get("old_per_token_logps"), inputs.get("ref_per_token_logps")
        known = inputs["advantages"], inputs["rewards"], mask, self.num_generations
        loss = self.objective.loss(Pass(logps, logps.detach() if old is None else old, reference, *known))
        entropy = self._gathered([float((entropies * mask).sum() / mask.sum().clamp(min=1))]).mean().item()
        self._metrics["train" if self.model.training else "eval"]["entropy"].append(entropy)
        return loss / self.current_gradient_accumulation_steps

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """One forward and backward pass; its time is the phase `step`."""
        with self.timed("step"):
            return super().training_step(model, inputs, num_items_in_batch)

    def _share(self, flags: Sequence[bool]) -> float:
        """Share of true ones, over all processes."""
        return float(self._gathered(flags).mean())

    def _gathered(self, values: Sequence[float]) -> torch.Tensor:
        """One value a row, of all processes, float32."""
        own = torch.tensor(values, dtype=torch.float32, device=self.accelerator.device)
        return self.accelerator.gather(own)

    def _as_policy(self, model: Any) -> Policy:
        return replace(self.policy, model=self.accelerator.unwrap_model(model))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log with seconds a phase and tokens a second since the last log."""
        if self.model.training and self.seconds.get("step"):
            seconds = dict(self.seconds)
            logs |= {f"seconds/{phase}": value for phase, value in seconds.items()}
            tokens = self.state.num_input_tokens_seen
            before = max(self._tokens_logged, self._initial_num_input_tokens_seen)  # the latter where a resume began
            logs["tokens_per_second"] = (tokens - before) / seconds["step"]
            self._tokens_logged = tokens
            self.seconds.clear()
            if self._unique_frames:  # 1 for a frozen tower, less where its features were kept
                logs |= {f"vision/encoded_{what}": self.policy.encoded[what] for what in ("frames", "patches")}
                logs["vision/encodings_per_frame"] = self.policy.encoded["frames"] / self._unique_frames
                self.policy.encoded.clear()
                self._unique_frames = 0
        super().log(logs, start_time)
