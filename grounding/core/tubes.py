"""Spatio-temporal tubes: the boxes of one object over consecutive frames, and their overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from grounding.core.boxes import paired_box_iou
from grounding.core.errors import UserError


@dataclass(frozen=True, eq=False)
class Tube:
    """One object's boxes on the source frames `[start_frame, start_frame + N)`.

    Args:
        start_frame: Index of the first frame, 0-based.
        boxes: xyxy pixels of the source frame, shape (N, 4); a NaN row is a frame of the tube without a box.

    Raises:
        UserError: If the shape is not (N, 4), the start is negative, or a box is reversed, infinite or partly NaN.
    """

    start_frame: int
    boxes: np.ndarray

    def __post_init__(self) -> None:
        boxes = np.array(self.boxes, dtype=np.float64)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise UserError(f"tube boxes must have the shape (frames, 4), got {boxes.shape}")
        if self.start_frame < 0:
            raise UserError(f"a tube must start at frame 0 or later, got {self.start_frame}")
        if not (np.isfinite(boxes).all() and (boxes[:, :2] <= boxes[:, 2:]).all()):
            _check_absent(boxes)
        boxes.setflags(write=False)
        object.__setattr__(self, "boxes", boxes)

    @property
    def frames(self) -> range:
        """The frame indices of the tube."""
        return range(self.start_frame, self.start_frame + len(self.boxes))

    def shared_boxes(self, other: Tube) -> tuple[np.ndarray, np.ndarray]:
        """Both tubes' boxes on the S frames that both have, each of shape (S, 4)."""
        first = max(self.start_frame, other.start_frame)
        last = max(first, min(self.frames.stop, other.frames.stop))
        mine, theirs = (tube.boxes[first - tube.start_frame : last - tube.start_frame] for tube in (self, other))
        return mine, theirs

    def viou(self, truth: Tube) -> float:
        """Volume IoU of two tubes, in [0, 1], see `volume_iou`; two empty tubes overlap by 0."""
        mine, theirs = self.shared_boxes(truth)
        union = len(self.boxes) + len(truth.boxes) - len(mine)
        compared = np.count_nonzero(~np.isnan(theirs[:, 0]))
        return float(volume_iou(paired_box_iou(mine, theirs).sum(), len(mine), compared, union))


def volume_iou(ious: ArrayLike, shared: ArrayLike, compared: ArrayLike, union: ArrayLike) -> np.ndarray:
    """The volume IoU of HC-STVG: box IoUs summed over the frames in both tubes, divided by the frames in either.

    Where the truth has boxes on some of its frames only, the mean box IoU of the shared frames is that of those with a
    true box; without any it is 0.

    Args:
        ious: Sums of the box IoUs of the shared frames, a frame without a box counting 0; any shape.
        shared: Numbers of frames in both tubes.
        compared: How many of these have a true box.
        union: Numbers of frames in either tube.

    Returns:
        In [0, 1], of the broadcast shape.
    """
    seen = np.asarray(shared) / np.maximum(compared, 1)
    return np.minimum(np.asarray(ious) * seen / np.maximum(union, 1), 1.0)


def _check_absent(boxes: np.ndarray) -> None:
    """Refuse boxes of a tube that are neither right nor four NaN."""
    if np.isinf(boxes).any():
        raise UserError("a tube box must be four finite numbers or four NaN (no box), got an infinite one")
    absent = np.isnan(boxes)
    if (absent.any(axis=1) != absent.all(axis=1)).any():
        raise UserError("a tube box must be four numbers or four NaN (no box), got a mixture")
    reversed_ = (boxes[:, 2:] < boxes[:, :2]).any(axis=1)
    if reversed_.any():
        at = int(reversed_.argmax())
        raise UserError(f"a tube box must be [x1, y1, x2, y2] with x1 <= x2 and y1 <= y2, got {boxes[at].tolist()}")
