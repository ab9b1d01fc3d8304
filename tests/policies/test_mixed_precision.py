"""Weights of float32, computed in bfloat16 (autocast) as `trainer.bf16` does: other families score, learn and sample.

Their first products are of bfloat16, but the norms of queries and keys (Qwen3) have weights of float32.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from grounding.core import Clip
from grounding.policies.policy import Policy, VideoPrompt, pad_tokens
from grounding.policies.shared_prefix import Sampling, log_probs, read_prompts, sample

ROWS = [[40, 50, 60], [90, 31, 7, 12]]


def scored(policy: Policy, prompt: VideoPrompt) -> list[torch.Tensor]:
    tokens, mask = pad_tokens([torch.tensor(row) for row in ROWS], 0, side="right")
    logp, _ = log_probs(policy, read_prompts(policy, [prompt], [len(ROWS)]), tokens, mask)
    return [one[: len(row)] for one, row in zip(logp, ROWS, strict=True)]


def test_scores_and_gradients_are_near_those_in_float32(other: Policy, noise: Callable[..., Clip]) -> None:
    prompt = other.encode([("find it", noise(4, 2, 28, 28, seed=1))])[0]
    found = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            rows = torch.cat(scored(other, prompt))
        rows.sum().backward()
        weight = other.core.language_model.layers[0].self_attn.k_proj.weight
        found.append((rows.detach(), weight.grad.clone()))
        other.model.zero_grad()
    (exact, wanted), (near, got) = found
    assert 0 < (exact - near).abs().max() < 0.3  # of 8 bits
    assert torch.nn.functional.cosine_similarity(wanted.flatten(), got.flatten(), dim=0) > 0.98


def test_sampling(other: Policy, noise: Callable[..., Clip]) -> None:
    prompt = other.encode([("find it", noise(4, 2, 28, 28, seed=1))])[0]
    with torch.autocast("cpu", torch.bfloat16):
        rows = sample(other, [prompt], 3, Sampling(5))
    assert [1 <= len(row) <= 5 for row in rows] == [True] * 3
