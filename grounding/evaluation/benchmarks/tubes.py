"""What all benchmarks with tubes share: how tubes are written in files, and their figures by mode."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.datasets.entries import field, object_of
from grounding.evaluation.bootstrap import Figure
from grounding.evaluation.entries import NOTHING, OWN, numbers, ordered, predicted
from grounding.evaluation.stvg import (
    FrameTube,
    hcstvg_scores,
    sampled_frames,
    sampled_viou,
    stvg_figures,
    tiou,
    viou,
    viou_in_seconds,
)

MODES = ("definition", "hcstvg", "tubedetr", "tubedetr_2022")
LARGEST = 10**9  # number of a frame
MAX_FRAMES = 1_000_000  # of a tube; 9 hours at 30 frames a second


@dataclass(frozen=True, eq=False)
class TubeTruth:
    """The truth of one sample.

    Args:
        tube: When and where.
        seconds: Its start and end are in seconds; otherwise in frames.
        frame_count: Of the video, where the annotation says it.
        sampling: First frame, the frame to stop before and frames a second of what TubeDETR samples, where the
            annotation says it.
        kind: Of the sentence, for figures of its own; empty for none.
    """

    tube: FrameTube
    seconds: bool = False
    frame_count: int | None = None
    sampling: tuple[int, int, float] | None = None
    kind: str = ""


def figures(truths: Sequence[TubeTruth], answers: Sequence[FrameTube | None], mode: str) -> dict[str, Figure]:
    """Figures over all samples, and of each kind of sentence where there are kinds.

    Args:
        truths: One a sample.
        answers: In the same order; None scores 0.
        mode: `definition`: native frames. `hcstvg`: HC-STVG's script. `tubedetr`: TubeDETR's script, on its frames.
            `tubedetr_2022`: that script before 25 May 2022, whose union ends too early.
    """
    pairs = zip(truths, answers, strict=True)
    values = np.array([(0.0, 0.0) if answer is None else _scores(truth, answer, mode) for truth, answer in pairs])
    tious, vious = values[:, 0], values[:, 1]
    result = stvg_figures(tious, vious)
    kinds = np.array([truth.kind for truth in truths])
    for kind in sorted(set(kinds.tolist()) - {""}):
        only = np.where(kinds == kind, 0.0, np.nan)
        result |= stvg_figures(tious + only, vious + only, f"{kind}_")
    return result


def _scores(truth: TubeTruth, answer: FrameTube, mode: str) -> tuple[float, float]:
    if mode == "definition":
        return tiou(answer, truth.tube), (viou_in_seconds if truth.seconds else viou)(answer, truth.tube)
    if mode == "hcstvg":
        return hcstvg_scores(answer, truth.tube)
    if truth.sampling is None:
        raise UserError(f"--compat {mode} needs the frame count of the videos; take a truth with img_num")
    grid = sampled_frames(*truth.sampling)
    return tiou(answer, truth.tube), sampled_viou(answer, truth.tube, grid, min_for_max=mode == "tubedetr_2022")


def read_tube(value: Any, truth: TubeTruth) -> FrameTube | None:
    """Read a predicted tube.

    The forms:

        {"st_frame": 3, "ed_frame": 5, "bbox": {"3": [x1, y1, x2, y2], ...}}      HC-STVG's challenge, both inclusive
        {"sted": [3, 6], "boxes": {"3": [x1, y1, x2, y2], ...}}                   TubeDETR, end exclusive
        {"interval": [0.1, 0.2], "boxes": {"3": [x1, y1, x2, y2], ...}}           seconds

    where a list of boxes (null: none) stands for one a frame from the first on. null, or boxes that are null or
    empty, mean that there is no answer. In rows that hold the truth too, the tube is under `pred` or `prediction`, or
    its keys begin with `pred_`; see `predicted`.

    Raises:
        UserError: If it is something else, reversed, has boxes where it has no frames, or may be the truth.
    """
    if value is None:
        return None
    row = object_of(value, "a prediction")
    row = next((row[name] for name in OWN if isinstance(row.get(name), dict)), row)
    boxes = predicted(row, "bbox", "boxes")
    if boxes is None or boxes in ({}, []):
        return None
    if truth.seconds:
        span = predicted(row, "interval", own=OWN)
        if span in NOTHING:
            return None
        start, end = ordered(numbers([span], "interval", 2), "interval")[0].tolist()
        frames, rows = read_boxes(boxes, None)
        tube = FrameTube(start, end, frames, rows)
    else:
        tube = tube_by_frames(row, boxes, predicted)
    if truth.frame_count is not None and tube.whole and tube.end - 1 > truth.frame_count:
        raise UserError(f"the tube goes to frame {tube.end - 1}, but the video has {truth.frame_count} frames")
    return tube


def tube_by_frames(row: Mapping[str, Any], boxes: Any, read: Callable[..., Any] = field) -> FrameTube:
    """A tube with its first and last frame in one of the two forms that `read_tube` names.

    Args:
        row: Holds the range.
        boxes: See `whole_tube`.
        read: Takes a key's value out of the row; `predicted` for predictions.

    Raises:
        UserError: See `whole_tube`; or if the range is missing, reversed or no range.
    """
    if {"sted", "pred_sted"} & row.keys():
        start, end = _frame_range(read(row, "sted"), "sted")
    else:
        start, end = _frame_range([read(row, "st_frame"), read(row, "ed_frame")], "st_frame to ed_frame")
        end += 1
    return whole_tube(start, end, boxes)


def whole_tube(start: int, end: int, boxes: Any) -> FrameTube:
    """A tube of all frames `[start, end)`, with boxes on some of them.

    Raises:
        UserError: If a box is on none of these frames, or a list has not one box a frame.
    """
    frames, rows = read_boxes(boxes, start)
    outside = (frames < start) | (frames >= end)
    if outside.any():
        at = int(frames[outside][0])
        raise UserError(f"{len(frames)} boxes for {end - start} frames: frame {at} is not within {start} to {end - 1}")
    if isinstance(boxes, list) and len(boxes) != end - start:
        raise UserError(f"{len(boxes)} boxes for {end - start} frames; give one a frame, null where there is none")
    return FrameTube(start, end, frames, rows, whole=True)


def read_boxes(value: Any, first: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers, ascending, and their boxes, NaN where null.

    Args:
        value: `{"frame": [x1, y1, x2, y2] or null, ...}`, or a list of boxes.
        first: The frame of a list's first box; None if lists have none.

    Raises:
        UserError: If it is something else, a box is reversed, or a frame is named twice.
    """
    if isinstance(value, list) and first is not None:
        frames, boxes = np.arange(first, first + len(value)), value
    else:
        named = object_of(value, "boxes")
        if not all(name.isascii() and name.isdigit() and len(name) < 10 for name in named):
            wrong = next(name for name in named if not (name.isascii() and name.isdigit() and len(name) < 10))
            raise UserError(f"boxes must be named by frames 0, 1, ..., got {reprlib.repr(wrong)}")
        frames, boxes = np.array([int(name) for name in named], np.int64), list(named.values())
    present = np.array([box is not None for box in boxes], bool)
    rows = np.full((len(boxes), 4), np.nan)
    rows[present] = numbers([box for box in boxes if box is not None], "boxes", 4)
    wrong_way = (rows[:, 2:] < rows[:, :2]).any(axis=1)
    if wrong_way.any():
        at = int(wrong_way.argmax())
        raise UserError(f"the box on frame {frames[at]} must be [x1, y1, x2, y2], x1 <= x2, y1 <= y2, got {boxes[at]}")
    order = np.argsort(frames, kind="stable")
    if (np.diff(frames[order]) == 0).any():
        raise UserError("boxes name a frame twice, with and without leading zeros; remove one of the two")
    return frames[order], rows[order]


def _frame_range(value: Any, name: str) -> tuple[int, int]:
    if not (isinstance(value, list) and len(value) == 2 and all(type(n) is int for n in value)):
        raise UserError(f"{name} must be two whole frame numbers, got {reprlib.repr(value)}")
    start, end = value
    if end < start:
        raise UserError(f"{name} is reversed: it starts at {start} and ends at {end}")
    if not 0 <= start < LARGEST or end - start > MAX_FRAMES:
        raise UserError(f"{name} must begin at 0 or later and have at most {MAX_FRAMES} frames, got {start} to {end}")
    return start, end
