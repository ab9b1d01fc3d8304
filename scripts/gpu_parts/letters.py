"""A reward that differs between the completions of an untrained policy, which no reward of a task does."""

from __future__ import annotations

from grounding.core import Answer, ParseFailure
from rewards import Meta, reward


@reward(range=(0.0, 1.0))
def letters(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float:
    """The sum of a text's letters, modulo 11."""
    return sum(map(ord, meta.text)) % 11 / 10
