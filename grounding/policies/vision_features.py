"""Videos are encoded once: a frozen tower's features serve every pass, a trained one's every pass of a generation.

A trained tower needs a graph for the update. Where one pass learns from a whole generation, that pass would hold the
graphs of all its videos in any case; so they are made at the first encoding, for the rollout, and wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch

from grounding.policies.embedding_cache import EmbeddingCache
from grounding.policies.policy import Policy, VideoPrompt


class VisionFeatures:
    """What vision towers made of the videos of one generation.

    Args:
        frozen: Whether the tower is not trained; the reference's is the same then.
        cache: Keeps the features of a frozen tower for later generations.
        autocast: Gives the context that an update computes in.
    """

    def __init__(
        self,
        *,
        frozen: bool,
        cache: EmbeddingCache | None = None,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self.frozen, self.cache, self.autocast = frozen, cache, autocast
        self._known: dict[tuple[int, int], tuple[VideoPrompt, torch.Tensor]] = {}  # a prompt kept keeps its id
        self._graphs: dict[int, torch.Tensor] = {}  # features, by prompt, that the next update flows back through
        self._learning: Any = None

    def forget(self, learning: Any = None) -> None:
        """A new generation begins: other videos, and a trained tower has changed.

        Args:
            learning: The tower that is trained, if one pass learns from the whole generation; else None.
        """
        self._known.clear()
        self._graphs.clear()
        self._learning = learning

    def of(self, policy: Policy, prompts: Sequence[VideoPrompt]) -> list[torch.Tensor]:
        """Features of each prompt's video, as `policy.encode_videos` gives them."""
        if torch.is_grad_enabled() and not self.frozen:
            return self._to_learn(policy, prompts)
        tower = 0 if self.frozen else id(policy.core.visual)
        missing = {id(prompt): prompt for prompt in prompts if (tower, id(prompt)) not in self._known}
        for prompt, made in zip(missing.values(), self._encode(policy, list(missing.values())), strict=True):
            self._known[tower, id(prompt)] = prompt, made
        return [self._known[tower, id(prompt)][1] for prompt in prompts]

    def _to_learn(self, policy: Policy, prompts: Sequence[VideoPrompt]) -> list[torch.Tensor]:
        """Features with their graphs; those that wait serve once, for then the weights change."""
        names = dict.fromkeys(map(id, prompts))
        made = {name: self._graphs.pop(name) for name in names if name in self._graphs}
        rest = [prompt for prompt in prompts if id(prompt) not in made]
        made |= zip(map(id, rest), policy.encode_videos(rest), strict=True)
        return [made[id(prompt)] for prompt in prompts]

    def _encode(self, policy: Policy, prompts: Sequence[VideoPrompt]) -> list[torch.Tensor]:
        if not self.frozen and policy.core.visual is self._learning:
            return self._encode_to_learn(policy, prompts)
        if self.cache is None:
            return policy.encode_videos(prompts)
        made = []
        for prompt in prompts:
            encode = partial(_named, policy, prompt)
            made.append(self.cache.features(prompt.pixel_values, prompt.grid, encode)["features"])
        return [one.to(policy.model.device, policy.core.visual.dtype) for one in made]

    def _encode_to_learn(self, policy: Policy, prompts: Sequence[VideoPrompt]) -> list[torch.Tensor]:
        tower, was_training = policy.core.visual, policy.core.visual.training
        tower.train()  # or gradient checkpointing, where it is on, would not take part
        with torch.enable_grad(), self.autocast():
            made = policy.encode_videos(prompts)
        tower.train(was_training)
        self._graphs |= zip(map(id, prompts), made, strict=True)
        return [one.detach() for one in made]


def _named(policy: Policy, prompt: VideoPrompt) -> dict[str, torch.Tensor]:
    return {"features": policy.encode_videos([prompt])[0]}
