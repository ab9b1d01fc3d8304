"""Numbers of a model's configuration that transformers takes as they are, and that would fail when they are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grounding.core import UserError
from grounding.core.checks import shown

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
}


def check_settings(config: Any, tokenizer: Any, ends: Sequence[Any]) -> None:
    """Refuse numbers that cannot be, of a model whose files are otherwise whole.

    Args:
        config: The model's configuration.
        tokenizer: Its tokenizer.
        ends: Tokens that end an answer.

    Raises:
        UserError: Naming the number.
    """
    for part in ("text_config", "vision_config"):
        for name, value in getattr(config, part).to_dict().items():
            if name in POSITIVE and value is not None and not value > 0:
                raise UserError(f"{part}.{name} of its config.json must be more than 0, got {shown(value)}")
    words = config.text_config.vocab_size
    tokens = {
        "image_token_id of its config.json": config.image_token_id,
        "video_token_id of its config.json": config.video_token_id,
        "pad_token of its tokenizer": tokenizer.pad_token_id,
        **{f"token {shown(end)} in eos_token_id of its generation_config.json": end for end in ends},
    }
    for name, token in tokens.items():
        if not (isinstance(token, int) and 0 <= token < words):
            raise UserError(f"{name} must be one of its {words:,} tokens, got {shown(token)}")
