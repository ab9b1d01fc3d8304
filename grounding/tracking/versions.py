"""What differs between the versions of transformers that we support, 5.16 to 5.24.

All other code, of trackers as of policies, is written for the newest; the functions here make of an older one's results
what the newest returns. They ask what is there, not which version it is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import Sam2VideoConfig, Sam2VideoMaskDecoderConfig

Turns = tuple[torch.Tensor, torch.Tensor]


def composer(text: Any, *, adjacent: bool) -> Callable[[Turns], Turns]:
    """What makes of the cosines and sines of a rotary embedding those of whole heads, each of shape (1, tokens, size).

    From 5.17 on the embeddings return these. In 5.16 attention makes them: of Qwen2.5-VL's for each axis of a
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
        level: That, or (up to 5.17) one tensor of all videos.
        videos: The last features of each video, as many.
    """
    return level.split([len(video) for video in videos]) if isinstance(level, torch.Tensor) else level


def with_mask_decoder(config: Any, options: Mapping[str, Any]) -> Any:
    """The same configuration; where it is SAM 2's, that of its mask decoder is of its own class.

    Up to 5.19 it is made a prompt encoder's, which lacks what the model asks for, so that no saved SAM 2 loads.

    Args:
        config: Of a model of any kind.
        options: What its file says.
    """
    if isinstance(config, Sam2VideoConfig) and not isinstance(config.mask_decoder_config, Sam2VideoMaskDecoderConfig):
        config.mask_decoder_config = Sam2VideoMaskDecoderConfig(**options["mask_decoder_config"])
    return config


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
