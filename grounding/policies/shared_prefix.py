"""One prompt, G completions: the video is encoded once and the prompt is read once, in sampling as in scoring.

Scoring is one pass over a packed row [prompts | completions] in which each completion sees its prompt and itself
(`shared_attention.Packed`); it costs P^2 + G C (P + C), and its scores and gradients are those of G full sequences.
In the last layer a prompt makes keys and values, and nothing else but what predicts the first tokens.
Sampling keeps the keys and values of each prompt once and those of its completions beside them.

Completions continue where the text of the prompt ends, at its last position + 1, as in a full sequence. (With
`model.positions=transformers` a long video's times lie beyond it; `rope_deltas` would continue after those.)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.checkpoint import checkpoint

from grounding.core import UserError
from grounding.policies.policy import Policy, VideoPrompt
from grounding.policies.shared_attention import Decoding, Kept, Packed
from grounding.policies.text_layers import padded, rotated
from grounding.policies.token_scores import token_scores

LOGITS_AT_ONCE = 2**26  # elements of the largest tensor of logits; 256 MB in float32


@dataclass(frozen=True, eq=False)
class Prefix:
    """Prompts that are ready for their completions (B prompts, R completions, L prompt tokens in all).

    Args:
        embeds: Input embeddings of all prompts one after another, their videos' features in place, shape (1, L, width).
        positions: Positions in time, height and width, int64, shape (3, 1, L).
        visual: Where a visual token is, bool, shape (1, L).
        features: Features of all visual tokens, shape (levels, visual tokens, width).
        lengths: Tokens of each prompt.
        repeats: Completions of each prompt.
        start: Position of the first token of each prompt's completions, int64, shape (B,).
    """

    embeds: torch.Tensor
    positions: torch.Tensor
    visual: torch.Tensor
    features: torch.Tensor
    lengths: Sequence[int]
    repeats: Sequence[int]
    start: torch.Tensor


def runs(prompts: Sequence[VideoPrompt]) -> Iterator[tuple[VideoPrompt, int]]:
    """Consecutive rows of one prompt: the prompt and how many rows it has."""
    for _, rows in itertools.groupby(prompts, key=id):
        members = list(rows)
        yield members[0], len(members)


def read_prompts(
    policy: Policy,
    prompts: Sequence[VideoPrompt],
    repeats: Sequence[int],
    features: Sequence[torch.Tensor] | None = None,
) -> Prefix:
    """Make prompts ready, each for `repeats` completions.

    Args:
        policy: The policy that will read them.
        prompts: The prompts.
        repeats: Completions of each.
        features: What `policy.encode_videos(prompts)` returned, now or earlier; None encodes the videos here.

    Raises:
        UserError: If a prompt has not one placeholder for each of its video's features.
    """
    device = policy.model.device
    features = policy.encode_videos(prompts) if features is None else features
    ids = torch.cat([prompt.input_ids for prompt in prompts])[None].to(device)
    visual = policy.family.token_types(policy.model.config, ids) > 0
    embeds = policy.core.get_input_embeddings()(ids)
    for index, (prompt, made) in enumerate(zip(prompts, features, strict=True)):
        places = int((policy.family.token_types(policy.model.config, prompt.input_ids) > 0).sum())
        if places != made.shape[1]:
            raise UserError(
                f"prompt {index} has {places} visual tokens but its video has {made.shape[1]} features; "
                "give the processor that belongs to the model"
            )
    joined = torch.cat([made.to(device, embeds.dtype) for made in features], dim=1)
    positions = [policy.positions(prompt) for prompt in prompts]
    return Prefix(
        embeds.masked_scatter(visual[..., None], joined[0]),
        torch.cat(positions, dim=1)[:, None].to(device),
        visual,
        joined,
        [len(prompt.input_ids) for prompt in prompts],
        list(repeats),
        torch.stack([position[:, -1].max() + 1 for position in positions]).to(device),
    )


def log_probs(
    policy: Policy, prefix: Prefix, completions: torch.Tensor, mask: torch.Tensor, temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of every completion token, and the entropy it was drawn with.

    Args:
        policy: The policy that made the prefix ready.
        prefix: Prompts with R completions in all.
        completions: Tokens, int64, shape (R, C), padded on the right.
        mask: 1 where a completion token is, shape (R, C); a row may be empty.
        temperature: What logits are divided by.

    Returns:
        Two float tensors of shape (R, C), 0 at padding; the entropy carries no gradient.
    """
    mask = mask.bool()
    steps = torch.arange(completions.shape[1], device=completions.device)
    fed = mask & (steps < mask.sum(1, keepdim=True) - 1)  # the last token of a completion predicts nothing
    sizes = fed.sum(1)
    repeats = torch.tensor(prefix.repeats, device=completions.device)
    places = prefix.start.repeat_interleave(repeats)[:, None] + steps
    rows = [part.tolist() for part in sizes.split(prefix.repeats)]
    hidden = _read(policy, prefix, completions[fed][None], places[fed], rows)
    ends = torch.arange(len(repeats), device=completions.device).repeat_interleave(repeats)
    begins = len(repeats) + sizes.cumsum(0) - sizes
    before = torch.where(steps == 0, ends[:, None], begins[:, None] + steps - 1)
    logp, entropy = _score(policy, hidden.index_select(0, before[mask]), completions[mask], temperature)
    empty = torch.zeros_like(completions, dtype=logp.dtype)
    return empty.masked_scatter(mask, logp), empty.masked_scatter(mask, entropy)


def _read(
    policy: Policy,
    prefix: Prefix,
    tokens: torch.Tensor,
    places: torch.Tensor,
    rows: Sequence[Sequence[int]],
    kept: Kept | None = None,
) -> torch.Tensor:
    """Hidden states after the last token of each prompt, then after each of `tokens`, shape (B + tokens, width).

    Args:
        policy: Reads them.
        prefix: Prompts.
        tokens: Those of all completions one after another, shape (1, tokens).
        places: Their positions, shape (tokens,).
        rows: Tokens of each completion, by prompt.
        kept: As for `Packed`.

    Raises:
        UserError: If features of the tower would enter the last layer, which leaves most prompt tokens out.
    """
    text = policy.core.language_model
    if len(prefix.features) > len(text.layers):
        raise UserError(
            f"the tower makes features of {len(prefix.features)} levels for a model of {len(text.layers)} layers; "
            "the engine needs at least as many layers"
        )
    # Prompts alone go through the last layer whole: a product with one row is rounded by where in memory weights lie.
    last = len(text.layers) - 1 if tokens.numel() else None
    shared = Packed(prefix.lengths, rows, last, kept)
    embeds = policy.core.get_input_embeddings()(tokens)
    visual = torch.cat([prefix.visual, torch.zeros_like(tokens, dtype=torch.bool)], dim=1)
    hidden = text(
        inputs_embeds=torch.cat([prefix.embeds, embeds], dim=1),
        position_ids=torch.cat([prefix.positions, places.expand(3, 1, -1)], dim=2),
        use_cache=False,
        shared=shared,
        **policy.family.deep(prefix.features, visual),
    ).last_hidden_state
    return (shared.predicting(hidden) if last is None else hidden)[0]


def _score(
    policy: Policy, hidden: torch.Tensor, tokens: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability and entropy of each token, shape (N,).

    Logits of more than `LOGITS_AT_ONCE` exist for some rows at a time, and are not kept for the backward pass.
    """

    def part(hidden: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = policy.head(hidden).float()
        return token_scores(logits if temperature == 1 else logits / temperature, tokens)

    size = max(1, LOGITS_AT_ONCE // policy.model.config.text_config.vocab_size)
    if len(tokens) <= size:
        return part(hidden, tokens)
    parts = [
        checkpoint(part, *chunk, use_reentrant=False, preserve_rng_state=False)
        for chunk in zip(hidden.split(size), tokens.split(size), strict=True)
    ]
    logp, entropy = zip(*parts, strict=True)
    return torch.cat(logp), torch.cat(entropy)


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
def sample(
    policy: Policy,
    prompts: Sequence[VideoPrompt],
    repeats: int,
    how: Sampling,
    features: Sequence[torch.Tensor] | None = None,
    numbers: torch.Tensor | None = None,
) -> list[list[int]]:
    """Draw `repeats` completions for each prompt, those of a prompt one after another.

    Args:
        policy: Draws them.
        prompts: The prompts.
        repeats: Completions of each.
        how: How tokens are drawn.
        features: As for `read_prompts`.
        numbers: What tokens are drawn by, from [0, 1), float64, shape (prompts, repeats, max_new_tokens): equal ones
            give equal completions, whatever is drawn beside them. None takes those of torch's own generator.

    Returns:
        Tokens of each completion, up to and including its end token where it has one.
    """
    prefix = read_prompts(policy, prompts, [repeats] * len(prompts), features)
    none = torch.zeros(1, 0, dtype=torch.long, device=prefix.start.device)
    kept: Kept = {}
    hidden = _read(policy, prefix, none, none[0], [[]] * len(prompts), kept).repeat_interleave(repeats, dim=0)
    growing = Decoding(kept, prefix.lengths, repeats, how.max_new_tokens)
    turns = _turns(policy, prefix, how.max_new_tokens)
    with torch.inference_mode():
        drawn = _complete(policy, growing, hidden, turns, how, numbers)
    return [_until_end(row, policy.end_tokens) for row in drawn.flatten(0, 1).tolist()]


def _turns(policy: Policy, prefix: Prefix, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of each prompt's completions at each step, each of shape (steps, prompts, 1, size)."""
    text = policy.core.language_model
    places = prefix.start + torch.arange(steps, device=prefix.start.device)[:, None]
    made = text.rotary_emb(prefix.embeds, places.view(1, 1, -1).expand(3, -1, -1))
    whole = padded(text.layers[0].compose(made), text.layers[0].self_attn.head_dim)
    cosines, sines = (turn.view(steps, len(prefix.start), 1, -1) for turn in whole)
    return cosines, sines


def _complete(
    policy: Policy,
    growing: Decoding,
    hidden: torch.Tensor,
    turns: tuple[torch.Tensor, torch.Tensor],
    how: Sampling,
    numbers: torch.Tensor | None = None,
) -> torch.Tensor:
    """Draw tokens until all completions have ended, shape (prompts, repeats, steps); after an end they mean nothing.

    Args:
        policy: Draws them.
        growing: Keys and values of the prompts.
        hidden: Hidden state of each prompt's last token, a row for each completion.
        turns: What `_turns` returned.
        how: How tokens are drawn.
        numbers: As for `sample`.
    """
    stops = torch.tensor(policy.end_tokens, device=hidden.device)
    groups = torch.arange(turns[0].shape[1], device=hidden.device)  # prompts with a completion that goes on
    shape = (len(groups), growing.repeats, how.max_new_tokens)
    drawn = torch.full(shape, policy.tokenizer.pad_token_id, device=hidden.device)
    numbers = None if numbers is None else numbers.to(hidden.device)
    going = torch.ones(shape[:2], dtype=torch.bool, device=hidden.device)
    unit = torch.eye(turns[0].shape[-1], dtype=hidden.dtype, device=hidden.device)
    for step in range(how.max_new_tokens):
        given = None if numbers is None else numbers[groups, :, step].view(-1, 1)
        token = _draw(policy.answer_logits(hidden), how, given).view(-1, growing.repeats)
        drawn[groups, :, step] = token
        going &= (token[..., None] != stops).all(-1)
        left = going.any(dim=1)
        some = left.tolist()
        if not any(some) or step + 1 == how.max_new_tokens:
            break
        if not all(some):
            groups, going, token = groups[left], going[left], token[left]
            growing.keep(left)
            turns = turns[0][:, left], turns[1][:, left]
        turned = rotated(unit, turns[0][step], turns[1][step], adjacent=policy.family.adjacent)
        hidden = _grow(policy, growing, token, turned)
    return drawn


def _grow(policy: Policy, growing: Decoding, tokens: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
    """Feed each completion its token, shape (prompts, repeats); hidden states of shape (completions, width).

    The layers are called one by one: a whole forward's overhead dominates for so few tokens.
    """
    text = policy.core.language_model
    hidden = policy.core.get_input_embeddings()(tokens.flatten())
    for layer in text.layers:
        hidden = layer(hidden, position_embeddings=turned, shared=growing)
    growing.step()
    return text.norm(hidden)


def generate(policy: Policy, prompts: Sequence[VideoPrompt], max_new_tokens: int) -> list[str]:
    """The likeliest completion of each prompt (greedy), as text without special tokens."""
    rows = sample(policy, prompts, 1, Sampling(max_new_tokens, temperature=0.0))
    return policy.tokenizer.batch_decode(rows, skip_special_tokens=True)


def _draw(logits: torch.Tensor, how: Sampling, numbers: torch.Tensor | None = None) -> torch.Tensor:
    """A token of each row; `numbers`, shape (rows, 1), are as for `sample`."""
    if how.temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits.float() / how.temperature, dim=-1)
    if how.top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        ordered[ordered.cumsum(-1) - ordered >= how.top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
    # The first token up to which the probabilities reach a number from (0, total]; one of probability 0 never is it.
    reached = probabilities.cumsum(-1, dtype=torch.float64)
    numbers = torch.rand_like(reached[..., -1:]) if numbers is None else numbers
    return torch.searchsorted(reached, reached[..., -1:] * (1 - numbers)).squeeze(-1)


def _until_end(row: list[int], ends: Sequence[int]) -> list[int]:
    for index, token in enumerate(row):
        if token in ends:
            return row[: index + 1]
    return row
