"""TRL's trainer with PrefixGrouper, the best known peer that shares prompts: the prompt once, its completions after it.

Its attention is registered through transformers' `AttentionInterface`, as its authors advise. Everything else is the
model's own: only the log-probabilities are asked for in another way, and the tower sees a sample's pictures once.
"""

from __future__ import annotations

from typing import Any

import torch
from prefix_grouper import PrefixGrouper
from prefix_grouper.utils.register_transformers import register_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from trl import GRPOTrainer

ATTENTION = "prefix_grouper_attention"  # as PrefixGrouper registers it
CAUSAL = "causal_sdpa"  # what it calls for the prompt, and for each completion behind its prompt


def causal_sdpa(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, padding: torch.Tensor, **kwargs: Any
) -> tuple[torch.Tensor, None]:
    """SDPA for what PrefixGrouper hands over, which is made for FlashAttention: a mask of padding alone.

    The bench has no padding, so the mask says how many completions' tokens stand behind the prompt, and no more.
    """
    asked, there = query.shape[2], key.shape[2]
    mask = None
    if asked < there:
        mask = torch.ones(asked, there, dtype=torch.bool, device=query.device).tril(there - asked)[None, None]
    return ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, mask, **kwargs)


def no_mask(*_: Any, **__: Any) -> None:
    """PrefixGrouper makes masks of its own."""


register_attention()
AttentionInterface.register(CAUSAL, causal_sdpa)
AttentionMaskInterface.register(ATTENTION, no_mask)


class GroupedTrainer(GRPOTrainer):
    """TRL's GRPO whose log-probabilities read a prompt once for its whole group; one group a pass."""

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        *_: Any,
        pixel_values: torch.Tensor,
        image_grid_thw: torch.Tensor,
        mm_token_type_ids: torch.Tensor,
        **__: Any,
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        prompts, prompt_mask = (t[:1, :-logits_to_keep] for t in (input_ids, attention_mask))
        said, said_mask = (t[:, -logits_to_keep:] for t in (input_ids, attention_mask))
        members, pictures = len(input_ids), len(image_grid_thw) // len(input_ids)
        grouper = PrefixGrouper.from_ungrouped_masks(prompt_mask, said_mask, members, device=input_ids.device)
        places, _deltas = model.model.get_rope_index(
            prompts, mm_token_type_ids[:1, :-logits_to_keep], image_grid_thw=image_grid_thw[:pictures]
        )
        after = places.amax(dim=(0, 2)) + 1 + torch.arange(logits_to_keep, device=places.device)
        text = model.model.language_model
        text.config._attn_implementation = ATTENTION
        try:
            with self.accelerator.autocast():
                hidden = model.model(
                    input_ids=grouper.concat_input(prompts, prompt_mask, said, said_mask),
                    position_ids=torch.cat([places, after.repeat(members).expand(3, 1, -1)], dim=2),
                    pixel_values=pixel_values[: len(pixel_values) // members],
                    image_grid_thw=image_grid_thw[:pictures],
                    use_cache=False,
                    prefix_grouper=grouper,
                    prefix_grouper_attn_func=CAUSAL,
                ).last_hidden_state
                # Only what predicts a completion's token goes through the head.
                logits = model.lm_head(grouper.split_output(hidden, include_prefix_last=1)[2][:, :-1]).float()
        finally:
            text.config._attn_implementation = "sdpa"
        every = (logits / self.temperature).log_softmax(-1)
        with torch.no_grad():
            entropies = -(every.exp() * every).sum(-1)
        return every.gather(-1, said.unsqueeze(-1)).squeeze(-1), entropies, None
