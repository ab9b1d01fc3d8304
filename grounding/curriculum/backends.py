"""Who can be asked: a policy of ours, or known replies. For a server see `grounding.curriculum.server`."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from grounding.core import UserError
from grounding.core.checks import within
from grounding.core.seeds import generator
from grounding.curriculum.replies import Request

if TYPE_CHECKING:
    from grounding.policies.policy import Policy, VideoPrompt
    from grounding.policies.shared_prefix import Sampling


@dataclass(frozen=True, eq=False)
class LocalBackend:
    """A policy of ours. What it replies depends on the seed and on the request, not on what else is asked.

    Args:
        policy: Who is asked; it must not be trained as long as this is in use.
        how: How its tokens are drawn.
        seed: What they are drawn with.
        batch: Requests that are answered together, each as often as it is asked; does not change replies beyond
            floating point.
        spent: What replies took so far: `patches` that the vision tower encoded, tokens that the language model `read`
            and `written` ones.
    """

    policy: Policy
    how: Sampling
    seed: int = 0
    batch: int = 8
    spent: Counter[str] = field(default_factory=Counter, repr=False)
    identity: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        how = self.how
        if not (isfinite(how.temperature) and how.temperature >= 0 and 0 < how.top_p <= 1 and how.max_new_tokens >= 1):
            raise UserError(
                f"a policy is asked with temperature >= 0, top_p in (0, 1] and max_new_tokens >= 1, got {how}"
            )
        if self.batch < 1:
            raise UserError(f"a policy is asked 1 request or more at a time, got {self.batch}")
        object.__setattr__(self, "identity", repr((_version(self.policy), how, self.seed)))

    def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
        """Ask a batch at a time; without temperature all texts of a request are the same."""
        for start in range(0, len(requests), self.batch):
            some = requests[start : start + self.batch]
            yield from enumerate(self._answer(some, count), start)

    def _answer(self, requests: Sequence[Request], count: int) -> list[list[str]]:
        import torch

        from grounding.policies.shared_prefix import sample

        drawn = count if self.how.temperature > 0 else 1
        numbers = torch.from_numpy(np.stack([self._numbers(request, drawn) for request in requests]))
        prompts = [self._prompt(request) for request in requests]
        with _answering(self.policy):
            rows = sample(self.policy, prompts, drawn, self.how, numbers=numbers)
        self.spent.update(
            patches=sum(len(prompt.pixel_values) for prompt in prompts),
            read=sum(len(prompt.input_ids) for prompt in prompts),
            written=sum(map(len, rows)),
        )
        texts = self.policy.tokenizer.batch_decode(rows, skip_special_tokens=True)
        return [texts[row : row + drawn] * (count // drawn) for row in range(0, len(texts), drawn)]

    def _prompt(self, request: Request) -> VideoPrompt:
        turn = request.turn()
        with within(request.about):
            return self.policy.encode([turn])[0]

    def _numbers(self, request: Request, count: int) -> np.ndarray:
        return generator(self.seed, request.key, "replies").random((count, self.how.max_new_tokens))


@contextmanager
def _answering(policy: Policy) -> Iterator[None]:
    """Without dropout, for the block."""
    was_training = policy.model.training
    policy.model.eval()
    try:
        yield
    finally:
        policy.model.train(was_training)


def _version(policy: Policy) -> str:
    """A hash of what replies depend on: weights, processor, the tokens of words, and the chat around them."""
    from grounding.policies.fingerprints import fingerprint

    said = [policy.placing, policy.chat(("text", "video")), policy.end_tokens, policy.tokenizer.get_vocab()]
    text = json.dumps([fingerprint(policy.model, policy.processor), *said], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class ScriptedBackend:
    """Replies that are known beforehand.

    Args:
        known: The texts of each request by its key, or a function that gives them. Of more texts than are asked for,
            the first are taken.
        identity: The name of the script; another one is asked anew.
    """

    known: Mapping[str, Sequence[str]] | Callable[[Request], Sequence[str]]
    identity: str = "scripted"
    spent: Mapping[str, float] = field(default_factory=dict)

    def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
        """Look each request up.

        Raises:
            UserError: If a request has no texts, or fewer than are asked for.
        """
        for place, request in enumerate(requests):
            texts = self.known(request) if callable(self.known) else self.known.get(request.key, ())
            if len(texts) < count:
                raise UserError(f"the script has {len(texts)} replies to request {request.key!r}, asked for {count}")
            yield place, texts[:count]
