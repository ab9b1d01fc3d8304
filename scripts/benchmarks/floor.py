"""The floor of a step's time: the arithmetic that its tokens need, at the rate at which this machine multiplies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.world import Shape
from torch import nn

FORWARD_BACKWARD = 3  # a backward pass costs two forward passes


def score_and_update_flops(model: Any, shape: Shape, prompt: int) -> float:
    """FLOPs of one pass without gradient and one with, every prompt token and frame counted once a pass.

    The vision tower counts once, forward and backward: its features need not be computed again for the other pass.
    Norms, activations and rotations are left out.

    Args:
        model: A Qwen2.5-VL model.
        shape: The batch.
        prompt: Tokens of the prompt.
    """
    text = text_flops(model, shape, prompt)
    return text * (1 + FORWARD_BACKWARD) + vision_flops(model, shape) * FORWARD_BACKWARD


def repeated_flops(model: Any, shape: Shape, prompt: int) -> float:
    """FLOPs of the same two passes where every completion brings its own prompt and frames, as in TRL's trainer."""
    one = replace(shape, generations=1)
    apart = text_flops(model, one, prompt) + vision_flops(model, one)
    return shape.generations * apart * (1 + FORWARD_BACKWARD)


def text_flops(model: Any, shape: Shape, prompt: int) -> float:
    """FLOPs of a forward pass through the text layers and, at completion tokens, the head.

    Prompt tokens count in full in the last layer too, where most of what they would make is not needed.
    """
    config = model.config.text_config
    answers = shape.generations * shape.completion
    seen = prompt * prompt / 2 + answers * (prompt + shape.completion / 2)  # pairs of tokens under the causal mask
    layers = 2 * _weights(model.model.language_model.layers) * (prompt + answers)
    attention = 4 * config.hidden_size * config.num_hidden_layers * seen
    head = 2 * config.hidden_size * config.vocab_size * answers
    return layers + attention + head


def vision_flops(model: Any, shape: Shape) -> float:
    """FLOPs of a forward pass of all frames, as stills, through the vision tower."""
    config, tower = model.config.vision_config, model.model.visual
    frame = (shape.side * config.spatial_merge_size) ** 2  # patches of a frame
    window = min(frame, (config.window_size // config.patch_size) ** 2)
    whole = len(config.fullatt_block_indexes)
    seen = frame * whole + window * (config.depth - whole)
    patches = shape.frames * frame
    merged = _weights(tower.merger) / config.spatial_merge_size**2
    every = _weights(tower) - _weights(tower.merger) + tower.patch_embed.proj.weight.numel()
    return patches * (2 * (every + merged) + 4 * config.hidden_size * seen)


def _weights(module: nn.Module) -> int:
    """Numbers in the matrices of all linear layers."""
    return sum(part.weight.numel() for part in module.modules() if isinstance(part, nn.Linear))
