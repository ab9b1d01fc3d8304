"""What the one-pass algorithm needs of a detector and of a tracker; no torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from grounding.core import UserError


@dataclass(frozen=True, eq=False)
class Detections:
    """The objects found on one frame.

    Args:
        boxes: xyxy, pixels of the source frame, shape (N, 4).
        scores: Confidence, higher is surer, shape (N,).
        labels: What each is, one a box; only compared with each other.
        masks: bool, shape (N, H, W), where the detector gives them; else None and the tracker makes them from boxes.

    Raises:
        UserError: If the numbers of boxes, scores, labels and masks differ.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: tuple[str, ...]
    masks: np.ndarray | None = None

    def __post_init__(self) -> None:
        count = len(self.boxes)
        if self.boxes.shape != (count, 4) or self.scores.shape != (count,) or len(self.labels) != count:
            raise UserError(
                f"detections must have one score and one label a box (N, 4), got boxes {self.boxes.shape}, "
                f"scores {self.scores.shape}, {len(self.labels)} labels"
            )
        if self.masks is not None and len(self.masks) != count:
            raise UserError(f"detections must have one mask a box ({count}), got {len(self.masks)}")

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, rows: Sequence[int]) -> Detections:
        """Those at `rows`, in that order."""
        at = np.asarray(rows, dtype=np.int64)
        masks = None if self.masks is None else self.masks[at]
        return Detections(self.boxes[at], self.scores[at], tuple(self.labels[i] for i in at), masks)


class Detector(Protocol):
    """Finds objects on single frames."""

    @property
    def frames(self) -> frozenset[int] | None:
        """The only frames it knows anything about; None if it can be asked about any."""

    def detect(self, frame: int, picture: np.ndarray) -> Detections:
        """What is on a frame.

        Args:
            frame: Index of the source frame.
            picture: RGB, uint8, shape (H, W, 3).
        """


class Tracker(Protocol):
    """Follows objects from frame to frame. One frame is current at a time, and encoded at most once.

    An object is known by a key that the caller chooses. Masks are bool, shape (H, W), all False where the object is
    not seen.
    """

    @property
    def passes(self) -> int:
        """How many frames have been encoded since it was made."""

    def reset(self) -> None:
        """Forget all objects and the current frame."""

    def show(self, frame: int, picture: np.ndarray, *, reverse: bool = False) -> None:
        """Make a frame current; `reverse` if frames come last to first."""

    def start(self, key: int, box: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Begin to follow the object in a box (xyxy), or of a mask, and give its mask on the current frame."""

    def follow(self, keys: Sequence[int]) -> list[np.ndarray]:
        """The masks on the current frame of objects that began on another one."""

    def embedding(self, mask: np.ndarray) -> np.ndarray:
        """How the masked part of the current frame looks: a unit vector, shape (C,); cosine compares two."""

    def drop(self, key: int) -> None:
        """Forget one object, and free what it holds."""
