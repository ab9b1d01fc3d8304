"""Numbers of a model's files that transformers takes as they are, and that would fail when they are used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from grounding.core import UserError
from grounding.core.checks import shown

MERGED = 2  # sampled frames in a temporal patch, of all families
POSITIVE = {  # of the language model or the tower, where they have them
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "depth",
    "num_attention_heads",
    "num_key_value_heads",
    "num_heads",
    "patch_size",
    "temporal_patch_size",
    "spatial_merge_size",
    "window_size",
    "tokens_per_second",
    "max_position_embeddings",
    "rms_norm_eps",
}


def check_settings(config: Any, processor: Any, ends: Sequence[Any]) -> None:
    """Refuse numbers that cannot be, of a model whose files are otherwise whole.

    Args:
        config: The model's configuration.
        processor: Its processor.
        ends: Tokens that end an answer.

    Raises:
        UserError: Naming the number.
    """
    for part in ("text_config", "vision_config"):
        for name, value in getattr(config, part).to_dict().items():
            if name in POSITIVE and value is not None and not 0 < value < math.inf:
                raise UserError(f"{part}.{name} of its config.json must be more than 0, got {shown(value)}")
    _check_tower(config.vision_config)
    _check_colours(processor.video_processor)
    words = config.text_config.vocab_size
    tokens = {
        "image_token_id of its config.json": config.image_token_id,
        "video_token_id of its config.json": config.video_token_id,
        "pad_token of its tokenizer": processor.tokenizer.pad_token_id,
        **{f"token {shown(end)} in eos_token_id of its generation_config.json": end for end in ends},
    }
    for name, token in tokens.items():
        if not (isinstance(token, int) and 0 <= token < words):
            raise UserError(f"{name} must be one of its {words:,} tokens, got {shown(token)}")


def _check_tower(config: Any) -> None:
    """A window of attention holds at least one merged patch."""
    window, least = getattr(config, "window_size", None), config.patch_size * config.spatial_merge_size
    if window is not None and window < least:
        raise UserError(f"vision_config.window_size of its config.json must be at least {least}, got {shown(window)}")


def _check_colours(processor: Any) -> None:
    """Pixels are divided by these numbers, and every answer would be of NaN."""
    scale, mean, std = (getattr(processor, name, None) for name in ("rescale_factor", "image_mean", "image_std"))
    _check_three("rescale_factor", [scale] * 3, 0, "a number above 0")
    _check_three("image_mean", mean, -math.inf, "three finite numbers")
    _check_three("image_std", std, 0, "three numbers above 0")


def _check_three(name: str, values: Any, above: float, what: str) -> None:
    good = isinstance(values, (list, tuple)) and len(values) == 3
    if not (good and all(type(value) in (int, float) and above < value < math.inf for value in values)):
        raise UserError(f"{name} of its processor must be {what}, got {shown(values)}")
