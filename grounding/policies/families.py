"""Model families behind one interface: how a video's times reach the model, where it goes, what the tower leaves.

A further family of transformers is one class here and one line in `FAMILIES`. What all of them share: the model has
`visual`, `language_model` and `get_rope_index`, and its processor writes one placeholder token a visual feature.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers.video_utils import VideoMetadata

from grounding.core import Clip
from grounding.policies.settings import MERGED
from grounding.tracking.versions import by_video

TEXT, IMAGE, VIDEO = 0, 1, 2  # transformers' types of tokens
MILLISECONDS = 1000


class Qwen25VL:
    """Qwen2.5-VL: a video's seconds are the temporal positions of its tokens, at one rate for the whole video."""

    rounding = 1e-3  # most seconds that a time loses on its way to the model
    adjacent = False  # rotary positions turn numbers that are half a head apart
    uneven = False  # temporal patches cannot be at any times

    def metadata(self, clip: Clip) -> VideoMetadata:
        """What the processor is told of a clip's times."""
        return VideoMetadata(total_num_frames=len(clip), fps=clip.sampled_fps, frames_indices=list(range(len(clip))))

    def shown(self, clip: Clip) -> np.ndarray:
        """Seconds at which each temporal patch is, as far as the family can be told, shape (patches,)."""
        return np.arange(0, len(clip), MERGED) / clip.sampled_fps

    def drift(self, clip: Clip) -> float:
        """Most seconds between a temporal patch and where the family can be told it is."""
        return float(np.abs(clip.pts[::MERGED] - clip.pts[0] - self.shown(clip)).max())

    def told(self, text: str, seconds_per_grid: Sequence[float], patches: Sequence[int]) -> np.ndarray:
        """Seconds at which an encoded prompt says that the temporal patches of its clips are, one after another.

        Args:
            text: The prompt as the model reads it.
            seconds_per_grid: Of each clip.
            patches: Temporal patches of each clip.
        """
        return np.concatenate([np.arange(n) * seconds for n, seconds in zip(patches, seconds_per_grid, strict=True)])

    def resolution(self, config: Any) -> float:
        """Seconds that the model can tell apart."""
        return 1.0 / config.vision_config.tokens_per_second

    def frame_pixels(self, video_processor: Any) -> int:
        """Most pixels of a frame that the processor keeps."""
        return int(video_processor.size["longest_edge"])

    def token_types(self, config: Any, ids: torch.Tensor) -> torch.Tensor:
        """`VIDEO` where a video token is, else 0."""
        return (ids == config.video_token_id).int() * VIDEO

    def timing(self, seconds: Sequence[float], device: torch.device) -> dict[str, torch.Tensor]:
        """Times as keyword arguments of the model's forward."""
        return {"second_per_grid_ts": torch.tensor(seconds, device=device)}

    def features(self, core: Any, pixels: torch.Tensor, grid: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What the tower makes of each row of `grid`: shape (levels, tokens, width), the first level for the input."""
        return tuple(video[None] for video in core.get_video_features(pixels, grid, return_dict=True).pooler_output)

    def deep(self, features: torch.Tensor, visual: torch.Tensor) -> dict[str, Any]:
        """Further levels of the features as keyword arguments of the language model."""
        return {}

    def place_tokens(self, core: Any, positions: str) -> None:
        """Have a model number the positions of its tokens, in scoring as in sampling.

        Qwen2.5-VL was trained with the text after a video continuing at the video's largest position + 1, which for a
        long one is a time (its authors' pull request 35569 to transformers and their fine-tuning code; vLLM, verl and
        EasyR1 do the same). Since 5.3 transformers continues at start + max(height, width), among the video's times.

        Args:
            core: The transformer without its head.
            positions: "trained", as above, or "transformers", as transformers has it, for checkpoints trained so.
        """
        vars(core).pop("get_rope_index", None)
        if positions == "trained":
            core.get_rope_index = functools.partial(self.rope_index, core.config)

    def rope_index(
        self,
        config: Any,
        input_ids: torch.Tensor,
        mm_token_type_ids: torch.Tensor,
        image_grid_thw: torch.Tensor | None = None,
        video_grid_thw: torch.Tensor | None = None,
        second_per_grid_ts: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What transformers asks `get_rope_index` for: positions (3, B, L), and the next one less L, shape (B, 1)."""
        vision, videos = config.vision_config, [] if video_grid_thw is None else video_grid_thw.tolist()
        seconds = [1.0] * len(videos) if second_per_grid_ts is None else [float(s) for s in second_per_grid_ts]
        pictures = {
            IMAGE: iter([(grid, 0.0) for grid in ([] if image_grid_thw is None else image_grid_thw.tolist())]),
            VIDEO: iter(zip(videos, seconds, strict=True)),
        }
        read = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        positions, deltas = input_ids.new_zeros(3, *input_ids.shape), []
        for row, (kinds, seen) in enumerate(zip(mm_token_type_ids, read.bool(), strict=True)):
            placed = _placed(kinds[seen].tolist(), pictures, vision.spatial_merge_size, vision.tokens_per_second)
            positions[:, row, seen] = placed.to(positions)
            deltas.append([int(placed.max()) + 1 - placed.shape[1]])
        return positions, torch.tensor(deltas, device=input_ids.device)


def _placed(
    kinds: Sequence[int], pictures: Mapping[int, Iterator[tuple[list[int], float]]], merge: int, rate: float
) -> torch.Tensor:
    """Positions of a row's tokens in time, height and width, int64, shape (3, tokens).

    Args:
        kinds: `TEXT`, `IMAGE` or `VIDEO` of each token.
        pictures: By kind, the patches in time, height and width of each picture, and the seconds between its times.
        merge: Patches along each side of a token.
        rate: Positions a second.
    """
    parts, place, start = [], 0, 0
    while place < len(kinds):
        if kinds[place] == TEXT:
            size = next((size for size, kind in enumerate(kinds[place:]) if kind != TEXT), len(kinds) - place)
            part = torch.arange(size).expand(3, -1)
        else:
            (times, height, width), seconds = next(pictures[kinds[place]])
            axes = (torch.arange(times) * seconds * rate).long(), *(torch.arange(n // merge) for n in (height, width))
            part = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)
        parts.append(part + start)
        start = int(parts[-1].max()) + 1
        place += part.shape[1]
    return torch.cat(parts, dim=1)


class Qwen3VL(Qwen25VL):
    """Qwen3-VL: times are text before each temporal patch; features of three depths enter the first layers too."""

    rounding = 0.051  # to one decimal, of whole milliseconds
    uneven = True
    stamp = re.compile(r"<(\d+\.\d) seconds><\|vision_start\|><\|video_pad\|>")

    def metadata(self, clip: Clip) -> VideoMetadata:
        """Exact times: each frame's index is its time in milliseconds."""
        indices = [round(float(t) * MILLISECONDS) for t in clip.pts]
        return VideoMetadata(total_num_frames=indices[-1] + 1, fps=MILLISECONDS, frames_indices=indices)

    def shown(self, clip: Clip) -> np.ndarray:
        """A temporal patch is at the mean time of its two frames."""
        first, last = clip.pts[::MERGED], np.append(clip.pts, clip.pts[-1])[1::MERGED]
        return (first + last) / 2

    def drift(self, clip: Clip) -> float:
        """Each patch has a stamp of its own."""
        return 0.0

    def told(self, text: str, seconds_per_grid: Sequence[float], patches: Sequence[int]) -> np.ndarray:
        """The time stamps of the text, each beside tokens that a user cannot write."""
        return np.array([float(stamp) for stamp in self.stamp.findall(text)])

    def resolution(self, config: Any) -> float:
        """Stamps have one decimal."""
        return 0.1

    def frame_pixels(self, video_processor: Any) -> int:
        """The processor bounds the pixels of all frames together; a video has at least two."""
        return int(video_processor.size["longest_edge"]) // MERGED

    def timing(self, seconds: Sequence[float], device: torch.device) -> dict[str, torch.Tensor]:
        """Times are text already."""
        return {}

    def features(self, core: Any, pixels: torch.Tensor, grid: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The last features and those of the tower's inner layers."""
        found = core.get_video_features(pixels, grid, return_dict=True)
        inner = (by_video(level, found.pooler_output) for level in found.deepstack_features)
        return tuple(torch.stack(levels) for levels in zip(found.pooler_output, *inner, strict=True))

    def deep(self, features: torch.Tensor, visual: torch.Tensor) -> dict[str, Any]:
        """The inner features, added after the first layers where a visual token is."""
        return {"visual_pos_masks": visual, "deepstack_visual_embeds": list(features[1:])}

    def place_tokens(self, core: Any, positions: str) -> None:
        """Nothing to do: both ways are one here.

        Each temporal patch is a picture of its own, between texts, at one time. Its largest position is its start +
        max(height, width) - 1, so the authors' code (largest + 1, as in their fine-tuning code and in vLLM; for GLM in
        the model's first version in transformers) and today's transformers continue at the same position.
        """


class Glm4V(Qwen3VL):
    """GLM-4.1V: whole seconds as text after each temporal patch; a video's placeholder is the image's."""

    rounding = 1.0  # downwards
    adjacent = True  # rotary positions turn neighbouring numbers
    stamp = re.compile(r"<\|end_of_image\|>(\d+)")

    def shown(self, clip: Clip) -> np.ndarray:
        """A temporal patch is at the time of its first frame."""
        return clip.pts[::MERGED]

    def resolution(self, config: Any) -> float:
        """Stamps are whole seconds."""
        return 1.0

    def token_types(self, config: Any, ids: torch.Tensor) -> torch.Tensor:
        """A video's tokens are those of an image; prompts hold no others."""
        return (ids == config.image_token_id).int() * VIDEO

    features = Qwen25VL.features
    deep = Qwen25VL.deep


FAMILIES = {"qwen2_5_vl": Qwen25VL(), "qwen3_vl": Qwen3VL(), "glm4v": Glm4V()}
