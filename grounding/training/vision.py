"""Videos are encoded once: a frozen tower's features serve every pass, a trained one's every pass without gradient."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from grounding.policies.embedding_cache import EmbeddingCache
from grounding.policies.policy import Policy, VideoPrompt


class VisionFeatures:
    """What vision towers made of the videos of one generation.

    Args:
        frozen: Whether the tower is not trained; the reference's is the same then.
        cache: Keeps the features of a frozen tower for later generations.
    """

    def __init__(self, *, frozen: bool, cache: EmbeddingCache | None = None) -> None:
        self.frozen, self.cache = frozen, cache
        self._known: dict[tuple[int, int], tuple[VideoPrompt, torch.Tensor]] = {}  # a prompt kept keeps its id

    def forget(self) -> None:
        """A new generation begins: other videos, and a trained tower has changed."""
        self._known.clear()

    def of(self, policy: Policy, prompts: Sequence[VideoPrompt]) -> list[torch.Tensor]:
        """Features of each prompt's video, as `policy.encode_videos` gives them."""
        if torch.is_grad_enabled() and not self.frozen:
            return policy.encode_videos(prompts)
        tower = 0 if self.frozen else id(policy.core.visual)
        missing = {id(prompt): prompt for prompt in prompts if (tower, id(prompt)) not in self._known}
        for prompt, made in zip(missing.values(), self._encode(policy, list(missing.values())), strict=True):
            self._known[tower, id(prompt)] = prompt, made
        return [self._known[tower, id(prompt)][1] for prompt in prompts]

    def _encode(self, policy: Policy, prompts: Sequence[VideoPrompt]) -> list[torch.Tensor]:
        if self.cache is None:
            return policy.encode_videos(prompts)
        made = []
        for prompt in prompts:
            encode = partial(_named, policy, prompt)
            made.append(self.cache.features(prompt.pixel_values, prompt.grid, encode)["features"])
        return [one.to(policy.model.device, policy.model.dtype) for one in made]


def _named(policy: Policy, prompt: VideoPrompt) -> dict[str, torch.Tensor]:
    return {"features": policy.encode_videos([prompt])[0]}
