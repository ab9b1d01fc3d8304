"""What both SAM backends share: one frame at a time, encoded at most once, and a past that does not grow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


class StreamingTracker(ABC):
    """A `Tracker` whose objects have a state each and share the features of the current frame.

    Args:
        keep: How many frames of an object's past the model looks at, beside the one on which it began.
    """

    def __init__(self, keep: int) -> None:
        self.passes = 0
        self._keep = keep
        self.reset()

    def reset(self) -> None:
        """Forget all objects and the current frame."""
        self._states: dict[int, Any] = {}
        self.frame, self.size, self.reverse = -1, (0, 0), False
        self._picture: np.ndarray | None = None
        self._features: torch.Tensor | None = None

    def show(self, frame: int, picture: np.ndarray, *, reverse: bool = False) -> None:
        """Make a frame current; it is encoded when the first object needs it."""
        self.frame, self.size, self.reverse = frame, (picture.shape[0], picture.shape[1]), reverse
        self._picture, self._features = picture, None

    @torch.inference_mode()
    def start(self, key: int, box: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Begin to follow an object; with a mask, the box is not looked at."""
        self._encoded()
        self._states[key], logits = self._begin(box, mask)
        return self._dense(logits)

    @torch.inference_mode()
    def follow(self, keys: Sequence[int]) -> list[np.ndarray]:
        """The masks on the current frame of objects that began on another one."""
        if keys:
            self._encoded()
        return [self._dense(self._step(self._states[key])) for key in keys]

    @torch.inference_mode()
    def embedding(self, mask: np.ndarray) -> np.ndarray:
        """Mean of the encoder's coarsest features under the mask, at length 1; zeros for an empty mask."""
        return pooled(self._encoded(), mask)

    def drop(self, key: int) -> None:
        """Forget one object."""
        del self._states[key]

    @abstractmethod
    def _encode(self, picture: np.ndarray) -> torch.Tensor:
        """Encode the current frame for all objects, and give its coarsest features, shape (C, h, w)."""

    @abstractmethod
    def _begin(self, box: np.ndarray, mask: np.ndarray | None) -> tuple[Any, torch.Tensor]:
        """A new object's state and its mask's logits, shape (1, 1, h, w)."""

    @abstractmethod
    def _step(self, state: Any) -> torch.Tensor:
        """An object's mask logits on the current frame, shape (1, 1, h, w)."""

    def _encoded(self) -> torch.Tensor:
        if self._features is None:
            assert self._picture is not None, "no frame is shown"
            self._features = self._encode(self._picture)
            self._picture = None
            self.passes += 1
        return self._features

    def _dense(self, logits: torch.Tensor) -> np.ndarray:
        full = torch.nn.functional.interpolate(logits.float(), self.size, mode="bilinear", align_corners=False)
        return (full[0, 0] > 0).cpu().numpy()

    def _forget_past(self, memories: dict[str, dict[int, dict[str, Any]]], of_no_use: tuple[str, ...]) -> None:
        """Keep of an object's past what the model still looks at: the frame where it began, and the last ones.

        Args:
            memories: `cond_frame_outputs` and `non_cond_frame_outputs`, both by frame, as both backends hold them.
            of_no_use: What of a frame is needed on that frame only.
        """
        recent = memories["non_cond_frame_outputs"]
        for frame in [t for t in recent if abs(t - self.frame) >= self._keep]:
            del recent[frame]
        for kept in memories.values():
            for name in of_no_use:
                kept.get(self.frame, {}).pop(name, None)


def pooled(features: torch.Tensor, mask: np.ndarray) -> np.ndarray:
    """Mean of features under a mask as a unit vector.

    Args:
        features: Shape (C, h, w).
        mask: bool, shape (H, W), of any size; shrunk to h x w, so that border cells count by their share.

    Returns:
        float32, shape (C,); zeros where the mask is empty.
    """
    dense = torch.from_numpy(mask).to(features.device, torch.float32)[None, None]
    weight = torch.nn.functional.interpolate(dense, size=features.shape[1:], mode="area")[0, 0]
    mean = (features.float() * weight).sum(dim=(1, 2))
    return torch.nn.functional.normalize(mean, dim=0).cpu().numpy()
