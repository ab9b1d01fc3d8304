"""Rewards for policies that know nothing: those of a task do not differ between their completions."""

from __future__ import annotations

import itertools

from grounding.core import Answer, ParseFailure
from rewards import Meta, reward

_turns = itertools.cycle((0.0, 1.0))


def letters(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float:
    """The sum of a text's letters, modulo 11."""
    return sum(map(ord, meta.text)) % 11 / 10


def in_turn(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float:
    """0 and 1 in turn: for a model with more words than its tokenizer, whose texts are empty for the most part."""
    return next(_turns)


def enter() -> None:
    """Let a run of this process know them, once; an import alone must not change what rewards there are."""
    for one in (letters, in_turn):
        reward(range=(0.0, 1.0))(one)
