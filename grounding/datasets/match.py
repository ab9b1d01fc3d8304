"""Which masklet is the object that an annotator drew boxes around."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from grounding.core.boxes import paired_box_iou
from grounding.core.masklets import Masklets

MIN_OVERLAP = 0.3  # ours: boxes drawn by hand around half-hidden objects stay above, neighbouring objects below


class Match(NamedTuple):
    """The masklet that overlaps given boxes best.

    Args:
        best_id: Its id; None when there are no masklets.
        overlap: Its mean box IoU with the given boxes, in [0, 1].
    """

    best_id: int | None
    overlap: float

    @property
    def object_id(self) -> int | None:
        """The best id, or None where its overlap is below `MIN_OVERLAP` and so no match."""
        return self.best_id if self.overlap >= MIN_OVERLAP else None


def match_boxes(boxes: Mapping[int, tuple[float, float, float, float]], masklets: Masklets) -> Match:
    """Compare boxes with each masklet's tight boxes: IoU of each given frame, averaged over the given frames.

    A frame where a masklet is not seen counts as 0. Of equal overlaps the lowest id wins.

    Args:
        boxes: Source frame index -> xyxy in pixels of the source frame; at least one frame, all within the video.
        masklets: The candidates.
    """
    frames = sorted(boxes)
    given = np.array([boxes[frame] for frame in frames], dtype=np.float64)
    overlaps = {i: float(paired_box_iou(given, masklets.boxes(i)[frames]).mean()) for i in masklets.ids}
    if not overlaps:
        return Match(None, 0.0)
    best = max(masklets.ids, key=overlaps.__getitem__)
    return Match(best, overlaps[best])
