"""What differs between the versions of transformers that we support.

All other code is written for the newest one; the functions here make of an older one's results what that one returns.
They ask what is there, not which version it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch

Turns = tuple[torch.Tensor, torch.Tensor]


def composer(text: Any, *, adjacent: bool) -> Callable[[Turns], Turns]:
    """What makes of the cosines and sines of a rotary embedding those of whole heads, each of shape (1, tokens, size).

    The newest version's embeddings return these. Before, attention made them: of Qwen2.5-VL's for each axis of a
    position, shape (3, 1, tokens, size), and of GLM's for pairs that are half a head apart.

    Args:
        text: The language model.
        adjacent: Whether rotary positions turn neighbouring numbers (GLM), not those half a head apart (Qwen).
    """
    if hasattr(text.rotary_emb, "recomposition_frequencies"):
        return _as_it_is
    return functools.partial(_composed, adjacent, text.config.rope_parameters.get("mrope_section"))


def by_video(level: torch.Tensor | Sequence[torch.Tensor], videos: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    """An inner level of Qwen3-VL's features, a tensor (tokens, width) for each video.

    Args:
        level: That, or before transformers split it, one tensor of all videos.
        videos: The last features of each video, as many.
    """
    return level.split([len(video) for video in videos]) if isinstance(level, torch.Tensor) else level


def _as_it_is(turns: Turns) -> Turns:
    return turns


def _composed(adjacent: bool, sections: Sequence[int] | None, turns: Turns) -> Turns:
    cosines, sines = (_whole(turn, adjacent, sections) for turn in turns)
    return cosines, sines


def _whole(turn: torch.Tensor, adjacent: bool, sections: Sequence[int] | None) -> torch.Tensor:
    """Cosines or sines of whole heads; `sections` says how many pairs turn with time, height and width."""
    if turn.ndim == 4 and sections is not None:
        parts = turn.split([*sections, *sections], dim=-1)
        turn = torch.cat([part[axis % 3] for axis, part in enumerate(parts)], dim=-1)
    return turn.chunk(2, dim=-1)[0].repeat_interleave(2, dim=-1) if adjacent else turn
