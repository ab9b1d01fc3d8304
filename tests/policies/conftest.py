"""The tiny policy, built once; clips of noise; and transformers' own full forward to compare with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from grounding.core import Clip
from grounding.policies.policy import Policy, VideoPrompt, load_policy
from grounding.policies.tiny import build_tiny

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


@pytest.fixture(scope="session")
def sharp(tiny_folder: Path) -> Policy:
    """With larger weights, so that attention is far from uniform and every position counts; no test may change it."""
    policy = load_policy(str(tiny_folder))
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.mul_(1.5)
    return policy


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
        is_video = (ids == policy.tokenizer.convert_tokens_to_ids("<|video_pad|>")).int()
        output = policy.model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values_videos=prompt.pixel_values,
            video_grid_thw=prompt.grid,
            second_per_grid_ts=torch.tensor([prompt.seconds_per_grid]),
            mm_token_type_ids=is_video * 2,
            use_cache=False,
        )
        begin = len(prompt.input_ids) - 1
        return output.logits[0, begin : begin + len(completion)]

    return forward
