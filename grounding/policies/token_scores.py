"""How likely tokens were, and the entropy of what they were drawn from; each logit is exponentiated once."""

from __future__ import annotations

from typing import Any

import torch


def token_scores(logits: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each token under the softmax of its logits, and that softmax's entropy in nats.

    Autograd's own way (`log_softmax`, then `gather`) would exponentiate once more for the entropy and once more in the
    backward pass, and fill a tensor of the logits' size with zeros.

    Args:
        logits: Float32, shape (N, vocabulary).
        tokens: int64, shape (N,).

    Returns:
        Two float32 tensors of shape (N,); the entropy carries no gradient.
    """
    return _TokenScores.apply(logits, tokens)


class _TokenScores(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probabilities = torch.softmax(logits, dim=-1)
        top, log_top = logits.amax(-1), probabilities.amax(-1).log()
        logp = logits.gather(-1, tokens[:, None])[:, 0] - top + log_top
        entropy = top - torch.linalg.vecdot(probabilities, logits) - log_top
        ctx.save_for_backward(probabilities, tokens)
        ctx.mark_non_differentiable(entropy)
        return logp, entropy

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        probabilities, tokens = ctx.saved_tensors
        grad = grads[0][:, None]
        return (probabilities * -grad).scatter_add_(-1, tokens[:, None], grad), None
