"""The tiny policy, built once; clips of noise; and transformers' own full forward to compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    Glm4vConfig,
    Glm4vForConditionalGeneration,
    Glm4vProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
)
from transformers.models.glm4v.modeling_glm4v import Glm4vRMSNorm
from transformers.models.glm4v.video_processing_glm4v import Glm4vVideoProcessor
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLRMSNorm
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextRMSNorm
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

from grounding.core import Clip
from grounding.policies import rms_norm
from grounding.policies.policy import Policy, VideoPrompt, load_policy
from grounding.policies.rms_norm import LeanRMSNorm
from grounding.policies.tiny import CHAT_TEMPLATE, PATCH, build_tiny, build_tokenizer

INIT = 0.15  # at the usual 0.02 attention is almost uniform, and a wrong position hardly shows

CORPUS = ["Query: the blue square", "<think>blue square 8</think> <answer>Target ID: 8, Time range: 1.0 to 2.0"]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    build_tiny(folder, CORPUS * 4, seed=0)
    return folder


@pytest.fixture(scope="session")
def policy(tiny_folder: Path) -> Policy:
    """As built; no test may change it."""
    return load_policy(str(tiny_folder))


def sharpened(folder: Path) -> Policy:
    """With large random weights instead of look-ups: attention is far from uniform, and every position counts."""
    policy = load_policy(str(folder))
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=INIT, generator=rng)
    return policy


@pytest.fixture(scope="session")
def sharp(tiny_folder: Path) -> Policy:
    """A sharpened policy; no test may change it."""
    return sharpened(tiny_folder)


@pytest.fixture
def trainable(tiny_folder: Path) -> Policy:
    """A sharpened policy of a test's own."""
    return sharpened(tiny_folder)


@pytest.fixture(scope="session")
def noise() -> Callable[..., Clip]:
    def clip(frames: int = 4, fps: float = 2.0, height: int = 28, width: int = 28, seed: int = 0) -> Clip:
        pixels = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
        return Clip(pixels, np.arange(frames) / fps, 8.0, (height, width), frames / fps)

    return clip


@pytest.fixture(scope="session")
def full_logits() -> Callable[[Policy, VideoPrompt, list[int]], torch.Tensor]:
    """Logits of each completion token, (C, vocabulary): transformers' own forward of one unpadded full sequence."""

    def forward(policy: Policy, prompt: VideoPrompt, completion: list[int]) -> torch.Tensor:
        ids = torch.cat([prompt.input_ids, torch.tensor(completion, dtype=torch.long)])[None]
        config = policy.model.config
        # GLM's placeholder of a video is the image's; there is no other image in a prompt.
        is_video = ((ids == config.video_token_id) | (ids == config.image_token_id)).int()
        seconds = torch.tensor(prompt.seconds_per_grid)
        times = {"second_per_grid_ts": seconds} if seconds.any() else {}
        with as_transformers_has_it(policy):
            output = policy.model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                pixel_values_videos=policy.patches(prompt),
                video_grid_thw=prompt.grid,
                mm_token_type_ids=is_video * 2,
                use_cache=False,
                **times,
            )
        begin = len(prompt.input_ids) - 1
        return output.logits[0, begin : begin + len(completion)]

    return forward


@contextmanager
def as_transformers_has_it(policy: Policy) -> Iterator[None]:
    """The model with transformers' own attention and norms for as long as the block lasts."""
    model = policy.model.get_base_model() if hasattr(policy.model, "get_base_model") else policy.model
    parts = ("text_config", "vision_config")
    before = {part: getattr(model.config, part)._attn_implementation for part in parts}
    norms = [module for module in model.modules() if type(module) is LeanRMSNorm]
    assert norms
    model.set_attn_implementation({"text_config": "eager", "vision_config": "sdpa"})
    for norm in norms:
        norm.__class__ = NORMS[model.config.model_type]
    yield
    model.set_attn_implementation(before)
    rms_norm.hasten(model)


NORMS = {"qwen2_5_vl": Qwen2_5_VLRMSNorm, "qwen3_vl": Qwen3VLTextRMSNorm, "glm4v": Glm4vRMSNorm}


TEXT: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": INIT,
}
VISION: dict[str, Any] = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_heads": 2,
    "out_hidden_size": 64,
    "patch_size": PATCH,
    "initializer_range": INIT,
}
SIZES: dict[str, Any] = {
    "patch_size": PATCH,
    "merge_size": 2,
    "temporal_patch_size": 2,
    "size": {"shortest_edge": 2 * (2 * PATCH) ** 2, "longest_edge": 64 * 84 * 84},
}


def rope(*sections: int, **more: Any) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": list(sections), **more}


def tiny_qwen3(tokenizer: Any) -> tuple[Any, Any]:
    """A tiny Qwen3-VL of the real classes, whose tower leaves features for two depths."""
    config = Qwen3VLConfig(
        text_config={**TEXT, "vocab_size": len(tokenizer), "head_dim": 16, "rope_parameters": rope(4, 2, 2)},
        vision_config={**VISION, "deepstack_visual_indexes": [0, 1], "num_position_embeddings": 64},
        **{f"{kind}_token_id": tokenizer.convert_tokens_to_ids(f"<|{kind}_pad|>") for kind in ("image", "video")},
    )
    videos = Qwen3VLVideoProcessor(cap_pixels_per_frame=False, **SIZES)
    processor = Qwen3VLProcessor(Qwen2VLImageProcessor(), tokenizer, videos, chat_template=CHAT_TEMPLATE)
    return Qwen3VLForConditionalGeneration(config), processor


def tiny_glm(tokenizer: Any) -> tuple[Any, Any]:
    """A tiny GLM-4.1V of the real classes."""
    marks = [f"<|{side}_of_{kind}|>" for side in ("begin", "end") for kind in ("image", "video")]
    tokenizer.add_tokens(marks, special_tokens=True)
    config = Glm4vConfig(
        text_config={
            **TEXT,
            "vocab_size": len(tokenizer),
            "rope_parameters": rope(2, 1, 1, partial_rotary_factor=0.5),
        },
        vision_config={**VISION, "image_size": 8 * PATCH},
        **{f"{kind}_token_id": tokenizer.convert_tokens_to_ids(f"<|{kind}_pad|>") for kind in ("image", "video")},
    )
    template = CHAT_TEMPLATE.replace("<|vision_start|><|video_pad|><|vision_end|>", GLM_VIDEO)
    processor = Glm4vProcessor(Qwen2VLImageProcessor(), tokenizer, Glm4vVideoProcessor(**SIZES), chat_template=template)
    return Glm4vForConditionalGeneration(config), processor


GLM_VIDEO = "<|begin_of_video|><|video_pad|><|end_of_video|>"


@pytest.fixture(scope="session", params=[tiny_qwen3, tiny_glm], ids=["qwen3_vl", "glm4v"])
def other(request: pytest.FixtureRequest) -> Policy:
    """A tiny policy of another family than Qwen2.5-VL; no test may change it."""
    return built(request.param)


@pytest.fixture(scope="session", params=[None, tiny_qwen3, tiny_glm], ids=["qwen2_5_vl", "qwen3_vl", "glm4v"])
def each(request: pytest.FixtureRequest, sharp: Policy) -> Policy:
    """A tiny policy of each family; no test may change it."""
    return built(request.param) if request.param else sharp


def built(make: Callable[[Any], tuple[Any, Any]]) -> Policy:
    tokenizer = build_tokenizer(CORPUS * 4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, processor = make(tokenizer)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return Policy(model.eval(), processor)
