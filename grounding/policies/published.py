"""The shapes of published models, as config.json on the hub has them: to build one of this shape without its weights.

Numbers that are transformers' own defaults, such as activations and the size of first weights, are left out.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from grounding.core import UserError

_TEXT = {"rms_norm_eps": 1e-6, "bos_token_id": 151643, "eos_token_id": 151645}
_QWEN2_5_TEXT = {
    **_TEXT,
    "max_position_embeddings": 128000,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
}
_QWEN3_TEXT = {
    **_TEXT,
    "vocab_size": 151936,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 262144,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 5e6,
        "mrope_section": [24, 20, 20],
        "mrope_interleaved": True,
    },
}
_QWEN2_5_TOWER = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "spatial_merge_size": 2,
    "window_size": 112,
    "fullatt_block_indexes": [7, 15, 23, 31],
    "tokens_per_second": 2,
}
_QWEN3_TOWER = {
    "num_heads": 16,
    "patch_size": 16,
    "temporal_patch_size": 2,
    "spatial_merge_size": 2,
    "num_position_embeddings": 2304,
}
_TOKENS = {
    "image_token_id": 151655,
    "video_token_id": 151656,
    "vision_start_token_id": 151652,
    "vision_end_token_id": 151653,
}

PUBLISHED: dict[str, dict[str, Any]] = {
    "Qwen/Qwen2.5-VL-3B-Instruct": {
        "model_type": "qwen2_5_vl",
        "tie_word_embeddings": True,
        "text_config": {
            **_QWEN2_5_TEXT,
            "vocab_size": 151936,
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
        },
        "vision_config": {**_QWEN2_5_TOWER, "out_hidden_size": 2048},
    },
    "Qwen/Qwen2.5-VL-7B-Instruct": {
        "model_type": "qwen2_5_vl",
        "tie_word_embeddings": False,
        "text_config": {
            **_QWEN2_5_TEXT,
            "vocab_size": 152064,
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
        },
        "vision_config": {**_QWEN2_5_TOWER, "out_hidden_size": 3584},
    },
    "Qwen/Qwen3-VL-4B-Instruct": {
        "model_type": "qwen3_vl",
        "tie_word_embeddings": True,
        "text_config": {**_QWEN3_TEXT, "hidden_size": 2560, "intermediate_size": 9728},
        "vision_config": {
            **_QWEN3_TOWER,
            "depth": 24,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "out_hidden_size": 2560,
            "deepstack_visual_indexes": [5, 11, 17],
        },
    },
    "Qwen/Qwen3-VL-8B-Instruct": {
        "model_type": "qwen3_vl",
        "tie_word_embeddings": False,
        "text_config": {**_QWEN3_TEXT, "hidden_size": 4096, "intermediate_size": 12288},
        "vision_config": {
            **_QWEN3_TOWER,
            "depth": 27,
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "out_hidden_size": 4096,
            "deepstack_visual_indexes": [8, 16, 24],
        },
    },
}


def published_config(
    name: str,
    *,
    text: Mapping[str, Any] | None = None,
    vision: Mapping[str, Any] | None = None,
    tokens: Mapping[str, int] | None = None,
) -> Any:
    """The configuration of a published model.

    Args:
        name: Its name on the hub, one of `PUBLISHED`.
        text: Other numbers for the language model, such as fewer layers or words.
        vision: Other numbers for the tower.
        tokens: Other special tokens; needed where `text` has fewer words.

    Raises:
        UserError: If the name is unknown.
    """
    if name not in PUBLISHED:
        raise UserError(f"no shape of {name!r} is known; give one of {', '.join(PUBLISHED)}")
    parts = PUBLISHED[name]
    tied = parts["tie_word_embeddings"]
    return AutoConfig.for_model(
        parts["model_type"],
        tie_word_embeddings=tied,
        text_config={**parts["text_config"], "tie_word_embeddings": tied, **(text or {})},
        vision_config={**parts["vision_config"], **(vision or {})},
        **{**_TOKENS, **(tokens or {})},
    )


def meta_model(config: Any, dtype: str = "float32") -> Any:
    """A model of this configuration on the meta device: modules, names and sizes, without numbers."""
    with torch.device("meta"):
        kinds = {"dtype": getattr(torch, dtype), "attn_implementation": "sdpa"}  # ours is known to policies alone
        return AutoModelForImageTextToText.from_config(copy.deepcopy(config), **kinds)  # which writes in it
