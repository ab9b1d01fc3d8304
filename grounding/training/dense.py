"""Dense supervision: several questions about one video and their answers, learnt from one reading of the video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from grounding.policies.policy import Policy, pad_tokens


@dataclass(frozen=True)
class Turn:
    """One question about the video and its right answer.

    Args:
        prompt: The words of the user's turn.
        answer: The assistant's turn.
        ends: Whether it is scored that the assistant's turn ends there.
    """

    prompt: str
    answer: str
    ends: bool = True


def completion_tokens(policy: Policy, turns: Sequence[Turn]) -> tuple[torch.Tensor, torch.Tensor]:
    """Answers and further questions as one completion, and which answer (1, 2, ...) each token belongs to.

    Returns:
        Two int64 tensors, shape (C,); a question's tokens, and an end that is not scored, belong to 0.
    """
    tokenizer = policy.tokenizer
    tokens: list[int] = []
    owner: list[int] = []

    def say(new: list[int], answer: int) -> None:
        tokens.extend(new)
        owner.extend([answer] * len(new))

    for number, turn in enumerate(turns, start=1):
        if number > 1:
            say(tokenizer(policy.render_again(turn.prompt), add_special_tokens=False)["input_ids"], 0)
        say(tokenizer(turn.answer, add_special_tokens=False)["input_ids"], number)
        say([tokenizer.eos_token_id], number if turn.ends else 0)
    return torch.tensor(tokens), torch.tensor(owner)


def pad_answers(
    policy: Policy, rows: Sequence[tuple[torch.Tensor, torch.Tensor]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What `completion_tokens` made, padded on the right: tokens, their 0/1 mask and owners, int64, shape (B, C)."""
    tokens, mask = pad_tokens([tokens for tokens, _ in rows], policy.tokenizer.pad_token_id, side="right")
    return tokens, mask, pad_tokens([owner for _, owner in rows], 0, side="right")[0]
