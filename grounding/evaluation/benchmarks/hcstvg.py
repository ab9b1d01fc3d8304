"""HC-STVG v1 and v2: official annotations or the challenge's form, and the challenge's submissions.

Frames are counted as the annotation counts them, from 1; a submission does the same.
"""

from __future__ import annotations

import reprlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.datasets.entries import field, object_of
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.benchmarks.tubes import (
    LARGEST,
    MAX_FRAMES,
    MODES,
    TubeTruth,
    figures,
    read_tube,
    tube_by_frames,
    whole_tube,
)
from grounding.evaluation.entries import id_of, numbers, read_truths

CLIP_SECONDS = 20  # of every clip: img_num is 20 times the frame rate


def read_truth(path: Path) -> dict[str, TubeTruth]:
    """The annotation file, `{video: {"bbox": [[x, y, w, h], ...], "st_frame": 1-based, "img_num": ..., ...}}`, or the
    challenge's form, `{video: {"st_frame", "ed_frame" (inclusive), "bbox": {"frame": [x1, y1, x2, y2]}}}`.

    Raises:
        UserError: Naming file and row of the first sample that is neither.
    """
    return read_truths(path, _truth, partial(id_of, names=("id", "vid")))


def _truth(value: Any) -> TubeTruth:
    row = object_of(value, "a sample")
    boxes, start = field(row, "bbox"), field(row, "st_frame")
    count = row.get("img_num")
    if type(start) is not int or not 0 <= start < LARGEST or not (count is None or _is_count(count)):
        raise UserError(
            f"st_frame and img_num must be whole numbers, got {reprlib.repr(start)} and {reprlib.repr(count)}"
        )
    if isinstance(boxes, dict):
        return TubeTruth(tube_by_frames(row, boxes), frame_count=count, sampling=_sampling(count))
    xywh = numbers(boxes, "bbox", 4)
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1).tolist()
    return TubeTruth(whole_tube(start, start + len(xywh), corners), frame_count=count, sampling=_sampling(count))


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value <= MAX_FRAMES


def _sampling(count: int | None) -> tuple[int, int, float] | None:
    return None if count is None else (0, count - 1, count / CLIP_SECONDS)


HCSTVG = Benchmark(
    truth="the annotation file (train, val, test), or one in the challenge's form",
    predictions='{id: {"st_frame", "ed_frame", "bbox": {"frame": [x1, y1, x2, y2]}}}, as submitted to the challenge',
    truths=read_truth,
    answer=read_tube,
    figures=figures,
    modes=MODES,
)
