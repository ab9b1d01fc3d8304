"""One prompt, G completions: the video is encoded once and the prompt is read once, in sampling as in scoring.

The prompts of a batch run through the model once and leave their key-value cache, which is then repeated for each
prompt's completions. Gradients flow through the cache, so scores and gradients are those of G full sequences.

Completions continue at the *last* prompt position + 1. (`rope_deltas` would continue after the largest position,
which for a long video is a temporal one and lies beyond the text's.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from grounding.policies.policy import Policy, VideoPrompt, pad_tokens


@dataclass(frozen=True, eq=False)
class Prefix:
    """Prompts that were read, repeated for their completions (R rows in all).

    Args:
        cache: Keys and values of every layer, R rows.
        mask: 1 where a prompt token is, int64, shape (R, P).
        hidden: Last hidden state of each prompt, shape (R, 1, hidden size).
        position: Position of each prompt's last token, int64, shape (R, 1).
    """

    cache: Any
    mask: torch.Tensor
    hidden: torch.Tensor
    position: torch.Tensor


def read_prompts(policy: Policy, prompts: Sequence[VideoPrompt], repeats: Sequence[int]) -> Prefix:
    """Read each prompt once and repeat what it leaves `repeats` times."""
    batch = policy.pad(prompts)
    core = policy.core
    video = {name: batch[name] for name in ("video_grid_thw", "second_per_grid_ts", "mm_token_type_ids")}
    positions, _ = core.get_rope_index(batch["input_ids"], attention_mask=batch["attention_mask"], **video)
    output = core(**batch, position_ids=positions, use_cache=True)
    counts = torch.tensor(repeats, device=positions.device)
    cache = output.past_key_values
    cache.batch_repeat_interleave(counts)
    return Prefix(
        cache,
        batch["attention_mask"].repeat_interleave(counts, dim=0),
        output.last_hidden_state[:, -1:].repeat_interleave(counts, dim=0),
        positions[0, :, -1:].repeat_interleave(counts, dim=0),
    )


def log_probs(
    policy: Policy, prefix: Prefix, completions: torch.Tensor, mask: torch.Tensor, temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of every completion token, and the entropy it was drawn with.

    Args:
        policy: The policy that read the prefix.
        prefix: R rows; used up by this call.
        completions: Tokens, int64, shape (R, C), padded on the right.
        mask: 1 where a completion token is, shape (R, C).
        temperature: What logits are divided by.

    Returns:
        Two float tensors of shape (R, C); values at padding are meaningless.
    """
    hidden = prefix.hidden
    if completions.shape[1] > 1:
        steps = torch.arange(completions.shape[1] - 1, device=completions.device)
        output = policy.core(
            input_ids=completions[:, :-1],
            attention_mask=torch.cat([prefix.mask, mask[:, :-1].to(prefix.mask.dtype)], dim=1),
            position_ids=(prefix.position + 1 + steps).expand(3, -1, -1),
            past_key_values=prefix.cache,
            use_cache=True,
        )
        hidden = torch.cat([hidden, output.last_hidden_state], dim=1)
    logits = policy.head(hidden).float() / temperature
    logp = torch.log_softmax(logits, dim=-1)
    with torch.no_grad():
        entropy = -(logp.exp() * logp).sum(-1)
    return logp.gather(-1, completions.unsqueeze(-1)).squeeze(-1), entropy


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    Args:
        max_new_tokens: Longest completion.
        temperature: What logits are divided by; 0 takes the likeliest token.
        top_p: Smallest set of tokens with at least this probability is drawn from.
    """

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0


@torch.no_grad()
def sample(policy: Policy, prompts: Sequence[VideoPrompt], repeats: int, how: Sampling) -> list[list[int]]:
    """Draw `repeats` completions for each prompt, those of a prompt one after another.

    Returns:
        Tokens of each completion, up to and including its end token where it has one.
    """
    prefix = read_prompts(policy, prompts, [repeats] * len(prompts))
    ends = torch.tensor(policy.end_tokens, device=prefix.mask.device)
    mask, hidden = prefix.mask, prefix.hidden
    going = torch.ones_like(mask[:, 0], dtype=torch.bool)
    drawn: list[torch.Tensor] = []
    for step in range(how.max_new_tokens):
        token = _draw(policy.answer_logits(hidden[:, -1]), how)
        drawn.append(torch.where(going, token, policy.tokenizer.pad_token_id))
        going = going & ~torch.isin(token, ends)
        if not going.any() or step + 1 == how.max_new_tokens:
            break
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        output = policy.core(
            input_ids=drawn[-1][:, None],
            attention_mask=mask,
            position_ids=(prefix.position + 1 + step).expand(3, -1, -1),
            past_key_values=prefix.cache,
            use_cache=True,
        )
        hidden = output.last_hidden_state
    return [_until_end(row, policy.end_tokens) for row in torch.stack(drawn, dim=1).tolist()]


def generate(policy: Policy, prompts: Sequence[VideoPrompt], max_new_tokens: int) -> list[str]:
    """The likeliest completion of each prompt (greedy), as text without special tokens."""
    rows = sample(policy, prompts, 1, Sampling(max_new_tokens, temperature=0.0))
    return policy.tokenizer.batch_decode(rows, skip_special_tokens=True)


def completion_batch(policy: Policy, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad completions on the right; tokens and mask on the model's device, shape (R, C)."""
    tokens, mask = pad_tokens([torch.tensor(row) for row in rows], policy.tokenizer.pad_token_id, side="right")
    return tokens.to(policy.model.device), mask.to(policy.model.device)


def _draw(logits: torch.Tensor, how: Sampling) -> torch.Tensor:
    if how.temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits.float() / how.temperature, dim=-1)
    if how.top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        ordered[ordered.cumsum(-1) - ordered >= how.top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
    return torch.multinomial(probabilities, 1).squeeze(-1)


def _until_end(row: list[int], ends: Sequence[int]) -> list[int]:
    for index, token in enumerate(row):
        if token in ends:
            return row[: index + 1]
    return row
