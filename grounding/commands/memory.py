"""Memory of a GPU in training, computed from a model's shape and a run's options; nothing is loaded and nothing runs.

Counted: weights, a reference's weights (objective.beta, unless adapters are trained), gradients, AdamW's two moments,
and the larger of two moments of a step: the update of one pass, and the sampling of all completions. Not counted: what
CUDA and its libraries hold, and what the allocator loses to rounding (together some GB); compiled kernels; the first
step's look at what moves. No GPU has confirmed the figures.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import nn

from grounding.policies.activations import text_layer, tower
from grounding.policies.policy import Policy
from grounding.policies.published import meta_model
from grounding.policies.shared_prefix import LOGITS_AT_ONCE
from grounding.training.config import Config
from grounding.training.learning import split_step, trained_model

DDP, ZERO2, ZERO3, FSDP2 = WAYS = ("ddp", "zero2", "zero3", "fsdp2")  # the files of scripts/accelerate
GB = 1e9
TEXT = 512  # tokens of a prompt beside its video's
LENGTHS = (2048, 8192, 32768)  # visual tokens
COLUMNS = ("tokens", "weights", "KL copy", "gradients", "AdamW", "update", "rollout", "in all")  # tokens of the video
# What DeepSpeed does by default: most weights that are gathered, and gradients that are reduced at once.
ZERO_GATHERED, ZERO_BUCKET = 10**9, 5 * 10**8


@dataclass(frozen=True)
class Memory:
    """Bytes of one GPU.

    Args:
        weights: Of the policy, as they are held between steps.
        reference: Of the frozen copy that the KL term needs.
        gradients: Of all trained weights, from the first pass of a step to its end.
        optimizer: Two moments, and DeepSpeed's float32 masters.
        update: Activations of one pass, with copies of weights in the type of the products.
        rollout: The same of sampling, with keys and values.
    """

    weights: float
    reference: float
    gradients: float
    optimizer: float
    update: float
    rollout: float

    @property
    def total(self) -> float:
        """At the worst moment of a step. Gradients are counted in full though the first pass only comes to them."""
        return self.weights + self.reference + self.optimizer + max(self.gradients + self.update, self.rollout)


@dataclass(frozen=True)
class Copies:
    """Bytes of weights in the type of the products: most at a time, and while one layer is computed again."""

    all: float
    of_layer: float


class Forecast:
    """The memory that a run will take.

    Args:
        shape: The model's configuration of transformers.
        config: The run's configuration.
        way: How the processes share the work, one of `WAYS`.
        processes: How many, each with a GPU.
    """

    def __init__(self, shape: Any, config: Config, way: str, processes: int) -> None:
        self.config, self.way, self.processes = config, way, processes
        policy = Policy(meta_model(shape, config.model.dtype), None)
        self.model = trained_model(policy, config)
        self.text, self.visual, self.shape = policy.core.language_model, policy.core.visual, policy.model.config
        embeds = self.text.embed_tokens.weight.dtype.itemsize
        if way == DDP:
            self.product = 2 if config.trainer.bf16 else embeds
            row = embeds
        else:
            row = self.product = 2 if config.trainer.bf16 else 4
        rank = config.model.lora_rank
        self.layer = text_layer(self.text.layers[0], self.shape.text_config, row=row, product=self.product, rank=rank)
        self.levels = 1 + len(getattr(self.visual, "deepstack_merger_list", ()))
        self.tower = tower(self.visual, self.shape.vision_config, product=self.product, casts=row > self.product)
        self.groups = split_step(config.trainer.prompts, config.trainer.groups_per_pass, processes)[0]
        self.own = config.trainer.prompts // processes

    def at(self, visual: int, text: int = TEXT) -> Memory:
        """The memory with prompts of so many visual tokens and of text, and completions as long as allowed."""
        return Memory(*self._weights(), self._update(visual, text), self._rollout(visual, text))

    def rows(self, lengths: Iterable[int], text: int = TEXT) -> list[list[str]]:
        """A row of `COLUMNS`, in GB, for each number of visual tokens."""
        found = [(visual, self.at(visual, text)) for visual in lengths]
        return [[f"{visual:,}", *(f"{b / GB:.3g}" for b in (*astuple(one), one.total))] for visual, one in found]

    def _weights(self) -> tuple[float, float, float, float]:
        """Weights, reference, gradients and optimizer.

        Of t trained weights, f frozen ones, n in all, on N GPUs (w bytes of a frozen one, c of a product):

        - ddp: 4t + wf; reference n in the type of the policy's first weight; gradients 4t, and 4t more in the buckets
          that DDP reduces (N > 1); moments 8t.
        - fsdp2: the same without buckets, each divided by N.
        - zero2: c n; reference c n; gradients c t / N; masters and moments 12 t / N.
        - zero3: the same with everything divided by N.
        """
        each, n = list(self.model.parameters()), self.processes
        trained, all_ = _numbers(p for p in each if p.requires_grad), _numbers(each)
        c, referred = self.product, bool(self.config.objective.beta and not self.config.model.lora_rank)
        held = sum(p.numel() * p.dtype.itemsize for p in each)
        reference = referred * each[0].dtype.itemsize * all_
        if self.way == DDP:
            return held, reference, (8 if n > 1 else 4) * trained, 8 * trained
        if self.way == FSDP2:
            return held / n, reference / n, 4 * trained / n, 8 * trained / n
        parts = n if self.way == ZERO3 else 1
        return c * all_ / parts, referred * c * all_ / parts, c * trained / n, 12 * trained / n

    def copies(self) -> Copies:
        """Weights in the type of the products.

        - ddp under autocast: of each trained matrix a copy in 16 bits, made in the forward pass and held to its end;
          the backward pass makes those of a layer again.
        - fsdp2: the head, what belongs to no unit (the ends of the tower), two layers and the gradients of one.
        - zero3: a billion weights, and half a billion gradients; zero2: the latter.
        """
        each = [p for p in self.model.parameters() if p.requires_grad]
        c, trained, all_ = self.product, _numbers(each), _numbers(self.model.parameters())
        layer = _numbers(self.text.layers[0].parameters())
        if self.way == DDP:
            if not self.config.trainer.bf16:
                return Copies(0, 0)
            return Copies(2 * _in_products(self.model), 2 * _in_products(self.text.layers[0]))
        bucket = c * min(ZERO_BUCKET, trained)
        if self.way == ZERO2:
            return Copies(bucket, bucket)
        if self.way == ZERO3:
            gathered = c * min(ZERO_GATHERED, all_) + bucket
            return Copies(gathered, gathered)
        units = [*self.text.layers, *self.visual.blocks, self.text.embed_tokens, self.model.lm_head]
        loose = all_ - _numbers(p for unit in units for p in unit.parameters())  # tied weights count once
        gathered = c * (loose + _numbers(self.model.lm_head.parameters()) + 3 * layer)
        return Copies(gathered, gathered)

    def _update(self, visual: int, text: int) -> float:
        """Activations of one pass at its worst moment.

        Of g groups with prompts of P tokens and G completions of C, a packed row has T = g (P + G (C - 1)) tokens. With
        gradient checkpointing the rows before all layers wait for the backward pass, r h T each; without it all that
        layers save. So do cosines and sines, the prompts with their features, and what a trained tower keeps. Beside
        them stands the larger of

        - the forward pass: one layer, or logits; and all copies of weights;
        - the backward pass of the last layer but one (the last one computes little): what the layer saves, what it
          makes, and the copies of its weights, if it is computed again.

        Logits are at most `LOGITS_AT_ONCE` of those of the g G C completion tokens, 10 bytes each: probabilities and
        their gradient in float32, and themselves in 16 bits.
        """
        layer, model, layers = self.layer, self.config, len(self.text.layers)
        completions, longest = model.objective.generations, model.model.max_new_tokens
        prompts, answers = self.groups * (visual + text), self.groups * completions * (longest - 1)
        row, input_ = prompts + answers, layer.row * layer.width
        words = self.groups * completions * longest * self.shape.text_config.vocab_size
        logits, copies = 10 * min(LOGITS_AT_ONCE, words), self.copies()
        checkpointing = model.trainer.gradient_checkpointing
        kept = 2 * layer.row * self.text.layers[0].self_attn.head_dim * row + self._prompts(self.groups, visual, text)
        if any(p.requires_grad for p in self.visual.parameters()):
            kept += self.groups * visual * self.tower.merged * self.tower.kept(checkpointing=checkpointing)
        if checkpointing:
            again = (layer.saved - input_ + layer.backward) * row + copies.of_layer
            forward = input_ * row + copies.all + max(layer.forward * row, logits)
            return kept + (layers - 1) * input_ * row + max(forward, again)
        last = layer.saved_of_prompts * prompts + layer.saved * answers
        return kept + (layers - 1) * layer.saved * row + copies.all + max(last + logits, layer.backward * row)

    def _rollout(self, visual: int, text: int) -> float:
        """Sampling at its worst moment: all prompts of a process are read in one row, then completions grow.

        Keys and values of all layers wait, 2c k a token and layer. Reading holds one layer beside; growing holds the
        values a second time, as they are laid out for it, and keys and values of all completions.
        """
        layers, tokens = len(self.text.layers), self.own * (visual + text)
        cached = layers * self.layer.cached
        own = self.own * self.config.objective.generations * self.config.model.max_new_tokens
        reading = (cached + self.layer.forward + self.layer.row * self.layer.width) * tokens
        growing = cached * (1.5 * tokens + own)
        return self.copies().all + self._prompts(self.own, visual, text) + max(reading, growing)

    def _prompts(self, groups: int, visual: int, text: int) -> float:
        """Embeddings of prompts, r h a token, and the features of their videos, r h of each level."""
        return groups * self.layer.row * self.layer.width * (visual + text + self.levels * visual)


def _numbers(weights: Iterable[torch.Tensor]) -> int:
    return sum({id(weight): weight.numel() for weight in weights}.values())


def _in_products(model: nn.Module) -> int:
    """Numbers of the trained weights that autocast copies: those of matrices and convolutions."""
    matrices = (module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv3d)))
    each = (weight for module in matrices for weight in module.parameters(recurse=False))
    return _numbers(weight for weight in each if weight.requires_grad)
