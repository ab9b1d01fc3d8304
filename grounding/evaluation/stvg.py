"""Metrics of spatio-temporal video grounding: vIoU as it is defined, and what two official scripts compute instead.

HC-STVG's script (`eval_hcvg.py`) divides by the frames from the first start to the last end; TubeDETR's evaluators
look at 5 frames a second. Until its authors mended it on 25 May 2022 (commit 3c32cc9), their union ended at the
*earlier* end (`min` for `max`), so a prediction that ran on past the truth cost nothing. Numbers published with either
are comparable with numbers of the same kind only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from grounding.core.boxes import paired_box_iou
from grounding.core.tubes import volume_iou
from grounding.evaluation.bootstrap import Figure, mean
from grounding.evaluation.temporal import interval_iou
from grounding.tasks.stvg import THRESHOLDS, overlap_figures

SAMPLED_FPS, SAMPLED_MOST = 5, 200  # TubeDETR's frames
DENSE = 5.0  # boxes a second; a truth with fewer has boxes on some of its frames only


@dataclass(frozen=True, eq=False)
class FrameTube:
    """The boxes of one object on some frames of a video, and the time it is about.

    Args:
        start: Begin of the time, in frames, seconds or shares of the clip.
        end: Its end, exclusive, in the same unit.
        frames: Frame numbers, ascending, shape (K,).
        boxes: xyxy in pixels, shape (K, 4); a NaN row is a frame without a box.
        whole: Its frames are all from start to end, and those not named have no box. Otherwise they are those named.
    """

    start: float
    end: float
    frames: np.ndarray
    boxes: np.ndarray
    whole: bool = False

    def __len__(self) -> int:
        """The number of its frames."""
        return int(self.end - self.start) if self.whole else len(self.frames)


def tiou(prediction: FrameTube, truth: FrameTube) -> float:
    """Temporal IoU, in [0, 1]."""
    one, other = (np.array([tube.start, tube.end], float) for tube in (prediction, truth))
    return float(interval_iou(one, other))


def viou(prediction: FrameTube, truth: FrameTube) -> float:
    """Volume IoU as it is defined, over the frames of both tubes, in [0, 1]; 0 where nothing can be compared.

    Either both tubes are `whole`, or neither is. See `core.tubes.volume_iou`.
    """
    mine, theirs = _shared_boxes(prediction, truth)
    if prediction.whole:
        shared = max(0, int(min(prediction.end, truth.end) - max(prediction.start, truth.start)))
        compared = np.count_nonzero(_within(truth.frames[_has_box(truth)], prediction))
    else:
        shared, compared = len(theirs), np.count_nonzero(~np.isnan(theirs[:, 0]))
    union = len(prediction) + len(truth) - shared
    return float(volume_iou(paired_box_iou(mine, theirs).sum(), shared, compared, union))


def is_sparse(truth: FrameTube) -> bool:
    """Whether a truth in seconds has boxes on a few frames of its time only."""
    return _boxes_a_second(truth) < DENSE


def viou_in_seconds(prediction: FrameTube, truth: FrameTube) -> float:
    """Volume IoU of tubes whose times are in seconds and whose frames are those with boxes, in [0, 1].

    A dense prediction is compared with a sparse truth on the frames that have a true box: their mean IoU, a missing
    box counting 0, times the true share of both times together. It is never above the temporal IoU.
    """
    if not is_sparse(truth) or _boxes_a_second(prediction) <= 2 * _boxes_a_second(truth):
        return viou(prediction, truth)
    compared = int(np.count_nonzero(_has_box(truth)))
    mean_iou = float(paired_box_iou(*_shared_boxes(prediction, truth)).sum()) / max(compared, 1)
    length, said = truth.end - truth.start, prediction.end - prediction.start
    both = max(0.0, min(truth.end, prediction.end) - max(truth.start, prediction.start))
    return float(min(mean_iou * length, both)) / (length + said - both)


def hcstvg_scores(prediction: FrameTube, truth: FrameTube) -> tuple[float, float]:
    """Both IoUs (tIoU, vIoU) of HC-STVG's `eval_hcvg.py`: frames that have both boxes, over the span from start to end.

    The same as the definition where both tubes have a box in every frame.
    """
    mine, theirs = _shared_boxes(prediction, truth)
    ious = paired_box_iou(mine, theirs)[~np.isnan(mine[:, 0] + theirs[:, 0])]
    span = max(prediction.end, truth.end) - min(prediction.start, truth.start)
    return (len(ious) / span, float(ious.sum()) / span) if span > 0 else (0.0, 0.0)


def sampled_viou(prediction: FrameTube, truth: FrameTube, grid: np.ndarray, *, min_for_max: bool = False) -> float:
    """Volume IoU over sampled frames.

    Args:
        prediction: With start and end in frames.
        truth: With start and end in frames.
        grid: The sampled frame numbers, ascending, shape (S,); see `sampled_frames`.
        min_for_max: Make the mistake of TubeDETR's evaluators before 25 May 2022, and of papers that used them.

    Returns:
        In [0, 1]. The union is from the first start to the last end; where that has a hole, nothing is shared anyway.
    """
    last = (min if min_for_max else max)(prediction.end, truth.end)
    union = (grid >= min(prediction.start, truth.start)) & (grid < last)
    shared = grid[_within(grid, prediction) & _within(grid, truth)]
    ious = paired_box_iou(_rows(prediction, shared), _rows(truth, shared))
    return float(ious.sum()) / max(int(union.sum()), 1)


def sampled_frames(first: int, last: int, fps: float) -> np.ndarray:
    """TubeDETR's frames of a clip: 5 a second, thinned out to at most 200.

    Args:
        first: First frame of the clip.
        last: The frame to stop before.
        fps: Of the video.

    Returns:
        Frame numbers, ascending, at least `first`.
    """
    frames = np.arange(first, max(last, first + 1))
    ticks = (frames * min(1.0, SAMPLED_FPS / fps)).astype(np.int64)
    chosen = frames[np.unique(ticks, return_index=True)[1]]
    if len(chosen) > SAMPLED_MOST:
        chosen = chosen[np.arange(SAMPLED_MOST) * len(chosen) // SAMPLED_MOST]
    return chosen


def stvg_figures(tious: np.ndarray, vious: np.ndarray, prefix: str = "") -> dict[str, Figure]:
    """The figures that papers give.

    Args:
        tious: One a sample, shape (n,), NaN for a sample that takes no part.
        vious: Likewise.
        prefix: What to put in front of the names.

    Returns:
        Those of `tasks.stvg.overlap_figures`; `vIoU>=R` and `tIoU>=0.5`, which count equality (STVG-R1, ST-Align).
    """
    columns = overlap_figures(tious, vious)
    columns |= {f"vIoU>={level}": _share(vious >= level, vious) for level in THRESHOLDS}
    columns["tIoU>=0.5"] = _share(tious >= 0.5, tious)
    return {prefix + name: mean(column) for name, column in columns.items()}


def _share(reached: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.nan, reached)


def _boxes_a_second(tube: FrameTube) -> float:
    boxes = int(np.count_nonzero(_has_box(tube)))
    return boxes / (tube.end - tube.start) if tube.end > tube.start else math.inf


def _has_box(tube: FrameTube) -> np.ndarray:
    return np.asarray(~np.isnan(tube.boxes[:, 0]))


def _shared_boxes(one: FrameTube, other: FrameTube) -> tuple[np.ndarray, np.ndarray]:
    """Both tubes' boxes on each frame that both have, shape (S, 4) each."""
    _, mine, theirs = np.intersect1d(one.frames, other.frames, assume_unique=True, return_indices=True)
    return one.boxes[mine], other.boxes[theirs]


def _within(frames: np.ndarray, tube: FrameTube) -> np.ndarray:
    return (frames >= tube.start) & (frames < tube.end)


def _rows(tube: FrameTube, frames: np.ndarray) -> np.ndarray:
    """The tube's boxes on these frames, NaN where it has none."""
    places = np.searchsorted(tube.frames, frames).clip(0, max(len(tube.frames) - 1, 0))
    boxes = np.full((len(frames), 4), np.nan)
    if len(tube.frames):
        has = tube.frames[places] == frames
        boxes[has] = tube.boxes[places[has]]
    return boxes
