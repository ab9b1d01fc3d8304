"""TRL's own trainer, TRL's with PrefixGrouper, and ours on the same batch, in pieces that can be timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from benchmarks.world import ASKED, NO_TOKEN, Machine, Shape, StillsPolicy, build_model, noise_source, patch_of, stills
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from grounding.core.seeds import generator
from grounding.policies.policy import Policy
from grounding.policies.tiny import SPECIAL
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.examples import Collator
from grounding.training.objectives import Row, rows_of
from grounding.training.trainer import VideoGRPOTrainer, draws_of
from prompting import IdMarker


def letters(completions: Sequence[Any], **_: Any) -> list[float]:
    """A reward that differs between random texts, the same on both sides."""
    said = [text if isinstance(text, str) else text[0]["content"] for text in completions]
    return [sum(map(ord, text)) % 11 / 10 for text in said]


def settings(folder: Path, shape: Shape, machine: Machine) -> GRPOConfig:
    """One configuration for both trainers: one group a step."""
    return GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=shape.generations,
        num_generations=shape.generations,
        steps_per_generation=1,
        gradient_accumulation_steps=1,
        max_completion_length=shape.completion,
        loss_type="grpo",
        beta=0.0,
        learning_rate=1e-6,
        max_grad_norm=1.0,
        use_cpu=machine.device == "cpu",
        bf16=machine.dtype == "bfloat16",
        gradient_checkpointing=False,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )


class Side:
    """A trainer, and the pieces of its step.

    Args:
        trainer: TRL's or ours.
        processor: Of its model.
        forget: Makes it forget what it encoded, as a new generation does; repeating a batch saves nothing then.
    """

    def __init__(self, trainer: Any, processor: Any, forget: Callable[[], None] = lambda: None) -> None:
        self.trainer, self.processor, self.forget = trainer, processor, forget
        trainer.current_gradient_accumulation_steps = 1  # set by `train`, which is not called here
        trainer.eos_token_ids = [NO_TOKEN]
        trainer.generation_config.eos_token_id = NO_TOKEN
        trainer.create_optimizer()
        trainer.model.train()

    @property
    def model(self) -> Any:
        """The model that is trained."""
        return self.trainer.model

    def rows(self, index: int) -> list[dict[str, Any]]:
        """A batch as the trainer's data loader makes it: the sample once for each completion."""
        fetched = [self.trainer.train_dataset[index] for _ in range(self.trainer.num_generations)]
        return self.trainer.data_collator(fetched)

    def batch(self, completions: list[list[int]], index: int = 0) -> dict[str, Any]:
        """What the trainer makes of a sample and given completions, ready to be learnt from."""
        with forced(self.trainer, completions):
            return self.trainer._generate_and_score_completions(self.rows(index))

    def rollout(self, completions: list[list[int]]) -> Callable[[], list[list[int]]]:
        """The trainer's own generation for the first sample, its inputs made beforehand.

        Args:
            completions: Any; they stand in for generated ones while the inputs are made.
        """
        with forced(self.trainer, completions) as calls:
            self.trainer._generate_and_score_completions(self.rows(0))
        args, kwargs = calls[0]
        draw = getattr(self.trainer, drawing_method(self.trainer))

        def generate() -> list[list[int]]:
            self.forget()
            return [row.tokens if isinstance(row, Row) else row for row in draw(*args, **kwargs)[0]]

        return generate

    def score(self, batch: dict[str, Any]) -> torch.Tensor:
        """Log-probabilities of the completions, without gradient, shape (G, C)."""
        kept: list[torch.Tensor] = []
        name = "_get_per_token_logps_and_entropies"
        original = getattr(self.trainer, name)

        def keep(*args: Any, **kwargs: Any) -> Any:
            output = original(*args, **kwargs)
            kept.append(output[0])
            return output

        setattr(self.trainer, name, keep)
        try:
            with torch.no_grad():
                self.trainer._compute_loss(self.model, batch)
        finally:
            delattr(self.trainer, name)
        return kept[0]

    def update(self, batch: dict[str, Any]) -> None:
        """Loss and gradients."""
        self.model.zero_grad()
        self.trainer._compute_loss(self.model, batch).backward()

    def score_and_update(self, batch: dict[str, Any]) -> None:
        """One pass without gradient, as for a reference or old policy, then loss and gradients."""
        self.forget()
        self.score(batch)
        self.update(batch)

    def step(self, index: int) -> None:
        """A whole optimizer step: load, generate, reward, loss, gradients, clip, AdamW."""
        self.trainer.training_step(self.model, self.rows(index), None)
        self.trainer._get_grad_norm(self.model, self.trainer._clip_grad_norm(self.model))
        self.trainer.optimizer.step()
        self.model.zero_grad()

    def gradients(self) -> dict[str, torch.Tensor]:
        """Gradients of the last update, by parameter."""
        return {name: p.grad.clone() for name, p in self.model.named_parameters() if p.grad is not None}


def stock_side(
    folder: Path,
    shape: Shape,
    machine: Machine,
    samples: int = 1,
    frozen: bool = False,
    kind: type[GRPOTrainer] = GRPOTrainer,
) -> Side:
    """TRL's `GRPOTrainer` as it is; its pictures are in memory, so that loading costs it nothing."""
    model, processor = build_model(machine, frozen)
    source = noise_source(shape, patch_of(model), samples)
    pictures = [stills(source.load(sample).clip) for sample in source.samples]
    chat = [{"role": "user", "content": STVG.prompt(ASKED, "short")}]

    def rows(found: dict[str, list[int]]) -> dict[str, list[Any]]:
        return {"prompt": [chat for _ in found["index"]], "images": [pictures[i] for i in found["index"]]}

    trainer = kind(
        model=model,
        reward_funcs=[letters],
        args=settings(folder, shape, machine),
        train_dataset=Dataset.from_dict({"index": list(range(samples))}).with_transform(rows),
        processing_class=processor,
    )
    return Side(trainer, processor)


def grouped_side(folder: Path, shape: Shape, machine: Machine) -> Side:
    """TRL's `GRPOTrainer` with PrefixGrouper."""
    from benchmarks.grouped import GroupedTrainer

    return stock_side(folder, shape, machine, kind=GroupedTrainer)


def shared_side(
    folder: Path,
    shape: Shape,
    machine: Machine,
    samples: int = 1,
    frozen: bool = False,
    kind: type[Policy] = StillsPolicy,
) -> Side:
    """Our trainer; with `kind=Policy` it gets true videos."""
    policy = kind(*build_model(machine, frozen))
    source = noise_source(shape, patch_of(policy.model), samples)
    collator = Collator(source, policy, Asking(STVG, "short", IdMarker()), keep=2)
    args = settings(folder, shape, machine)
    trainer = VideoGRPOTrainer(policy, STVG, {"id_match": 1.0}, collator, draws_of(args, samples), args)
    trainer.reward_funcs = [letters]  # the same on both sides
    return Side(trainer, policy.processor, lambda: trainer.vision.forget(learning=policy.core.visual))


def random_completions(processor: Any, shape: Shape) -> list[list[int]]:
    """Completions without special tokens, the same ones for both sides."""
    drawn = generator("bench", "completions").integers(
        len(SPECIAL), len(processor.tokenizer), (shape.generations, shape.completion)
    )
    return drawn.tolist()


def drawing_method(trainer: Any) -> str:
    """Which method of a trainer draws completions."""
    return "_roll_out" if isinstance(trainer, VideoGRPOTrainer) else "_generate_single_turn"


@contextmanager
def forced(trainer: Any, completions: list[list[int]]) -> Iterator[list[Any]]:
    """Let a trainer 'generate' given completions; yields the arguments of every such call."""
    calls: list[Any] = []
    name = drawing_method(trainer)

    def generate(*args: Any, **kwargs: Any) -> Any:
        calls.append((args, kwargs))
        if name == "_generate_single_turn":
            return completions, None
        inputs, members = args
        return rows_of([[Row(inputs[0]["example"].prompt, tokens)] for tokens in completions], members, 1)

    setattr(trainer, name, generate)
    try:
        yield calls
    finally:
        delattr(trainer, name)
