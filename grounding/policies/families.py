"""Model families behind one interface: how a video's times reach the model, where it goes, what the tower leaves.

A further family of transformers is one class here and one line in `FAMILIES`. What all of them share: the model has
`visual`, `language_model` and `get_rope_index`, and its processor writes one placeholder token a visual feature.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers.video_utils import VideoMetadata

from grounding.core import Clip

VIDEO = 2  # transformers' type of a video token; text is 0
MILLISECONDS = 1000
MERGED = 2  # sampled frames in a temporal patch


class Qwen25VL:
    """Qwen2.5-VL: a video's seconds are the temporal positions of its tokens, at one rate for the whole video."""

    rounding = 1e-3  # most seconds that a time loses on its way to the model
    adjacent = False  # rotary positions turn numbers that are half a head apart

    def metadata(self, clip: Clip) -> VideoMetadata:
        """What the processor is told of a clip's times."""
        return VideoMetadata(total_num_frames=len(clip), fps=clip.sampled_fps, frames_indices=list(range(len(clip))))

    def shown(self, clip: Clip) -> np.ndarray:
        """Seconds at which each temporal patch is, as far as the family can be told, shape (patches,)."""
        return np.arange(0, len(clip), MERGED) / clip.sampled_fps

    def drift(self, clip: Clip) -> float:
        """Most seconds between a temporal patch and where the family can be told it is."""
        return float(np.abs(clip.pts[::MERGED] - clip.pts[0] - self.shown(clip)).max())

    def told(self, config: Any, text: str, seconds_per_grid: float, patches: int) -> np.ndarray:
        """Seconds at which the encoded prompt says each temporal patch is, shape (patches,)."""
        return np.arange(patches) * seconds_per_grid

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


class Qwen3VL(Qwen25VL):
    """Qwen3-VL: times are text before each temporal patch; features of three depths enter the first layers too."""

    rounding = 0.051  # to one decimal, of whole milliseconds
    stamp = re.compile(r"<(\d+\.\d) seconds>")

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

    def told(self, config: Any, text: str, seconds_per_grid: float, patches: int) -> np.ndarray:
        """The time stamps of the text."""
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
        return tuple(torch.stack(levels) for levels in zip(found.pooler_output, *found.deepstack_features, strict=True))

    def deep(self, features: torch.Tensor, visual: torch.Tensor) -> dict[str, Any]:
        """The inner features, added after the first layers where a visual token is."""
        return {"visual_pos_masks": visual, "deepstack_visual_embeds": list(features[1:])}


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
