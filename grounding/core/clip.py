"""A clip: frames sampled from a video, with the times at which the container shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grounding.core.errors import UserError


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames sampled from one video.

    Args:
        frames: RGB, uint8, shape (T, H, W, 3), T >= 1; may be smaller than the source frames.
        pts: Presentation time of each frame in seconds from the video's first frame, ascending, shape (T,).
        source_fps: Average frame rate of the video, > 0.
        size: (height, width) of the source frames in pixels, as shown (rotation applied).
        duration: Length of the whole video in seconds, > 0.

    Raises:
        UserError: If a shape, type or order is not as above; the message names expected and actual.
    """

    frames: np.ndarray
    pts: np.ndarray
    source_fps: float
    size: tuple[int, int]
    duration: float

    def __post_init__(self) -> None:
        if self.frames.dtype != np.uint8 or self.frames.ndim != 4 or self.frames.shape[3] != 3:
            raise UserError(
                f"clip frames must be uint8 RGB of shape (T, H, W, 3), got {self.frames.dtype} {self.frames.shape}"
            )
        if len(self.frames) == 0:
            raise UserError("a clip must have at least one frame, got none")
        pts = np.array(self.pts, dtype=np.float64)
        if pts.shape != (len(self.frames),):
            raise UserError(f"clip pts must have one time a frame, shape ({len(self.frames)},), got {pts.shape}")
        if not np.isfinite(pts).all() or (np.diff(pts) <= 0).any() or pts[0] < 0:
            raise UserError("clip pts must be finite, >= 0 and strictly ascending")
        for name, value in (("source_fps", self.source_fps), ("duration", self.duration)):
            if not (np.isfinite(value) and value > 0):
                raise UserError(f"clip {name} must be a finite number > 0, got {value}")
        pts.setflags(write=False)
        object.__setattr__(self, "pts", pts)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def sampled_fps(self) -> float:
        """Frames a second after sampling; that of the source when there is a single frame."""
        return (len(self) - 1) / float(self.pts[-1] - self.pts[0]) if len(self) > 1 else self.source_fps

    def with_frames(self, frames: np.ndarray) -> Clip:
        """The same clip with other pictures, for example with marks drawn on them."""
        return replace(self, frames=frames)


UserTurn = Sequence[str | Clip]  # what a user says and shows, in order; a still is a clip of one frame
