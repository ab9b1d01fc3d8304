"""ScanRefer: one 3D box a sentence; accuracy at IoU 0.25 and 0.5, split into unique and multiple."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.files import inside
from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import whole_in
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.benchmarks.scans import scan_boxes
from grounding.evaluation.bootstrap import Figure, mean
from grounding.evaluation.entries import id_of, numbers, predicted, read_truths, text_id
from grounding.evaluation.scenes import box3d_iou

PARTS = ("scene_id", "object_id", "ann_id")
SPLITS = ("unique", "multiple")


@dataclass(frozen=True, eq=False)
class Truth:
    """`x1 y1 z1 x2 y2 z2` in metres, and "unique", "multiple", or "" where the file does not say."""

    box: np.ndarray
    split: str


def read_truth(path: Path) -> dict[str, Truth]:
    """Rows with `scene_id`, `object_id`, `ann_id`, `bbox` (see `read_box`) and, for the split, `unique_multiple`: 0 for
    unique, the only object of its class in the scene, or 1. Boxes are those of the aligned scene.

    ScanRefer's own `ScanRefer_filtered_val.json` has neither. Boxes are then those of the scans beside it, in
    `scans/<scene_id>` (see `scan_boxes`), and there is no split.

    Raises:
        UserError: Naming file and row of the first that is not so, or whose ids are taken.
    """
    return read_truths(path, partial(_truth, cache(partial(_scan, path.parent / "scans"))), identify)


def _scan(folder: Path, scene: str) -> dict[int, np.ndarray]:
    return scan_boxes(inside(folder, scene))


def _truth(boxes_of: Callable[[str], Mapping[int, np.ndarray]], value: Any) -> Truth:
    row = object_of(value, "a row")
    split = row.get("unique_multiple")
    if "bbox" in row or "box" in row:
        box = _box(field(row, "bbox", "box"))
    else:
        scene, number = text_id(field(row, "scene_id")), whole_in(field(row, "object_id"), "object_id")
        box = boxes_of(scene).get(number)
        if box is None:
            raise UserError(f"the scan of {scene} has no object {number}; take both from one version")
    if split not in (None, 0, 1):
        raise UserError(f'"unique_multiple" must be 0 or 1, got {reprlib.repr(split)}')
    if box is None:
        raise UserError('"bbox" is null; a truth needs a box')
    return Truth(box, "" if split is None else SPLITS[int(split)])


def identify(entry: Entry) -> str:
    """`<scene>-<object>-<annotation>`, from the three parts or an id that is so already.

    Raises:
        UserError: If a part is missing.
    """
    if entry.key is None and isinstance(entry.value, dict) and "scene_id" in entry.value:
        return "-".join(text_id(field(entry.value, part)) for part in PARTS)
    return id_of(entry)


def read_box(value: Any, _truth: Any = None) -> np.ndarray | None:
    """The `bbox` of a prediction's row (see `predicted`): the 8 corners, as ScanRefer's `predict.py` writes them, or
    `[cx, cy, cz, dx, dy, dz]`.

    A rotated box counts as the aligned one around its corners, as in ScanRefer's evaluator. null is no answer.

    Raises:
        UserError: If it is neither, a side is negative, or it may be the truth.
    """
    return None if value is None else _box(predicted(object_of(value, "a row"), "bbox", "box"))


def _box(box: Any) -> np.ndarray | None:
    if box is None:
        return None
    if isinstance(box, list) and box and isinstance(box[0], list):
        corners = numbers(box, "bbox", 3)
        if len(corners) != 8:
            raise UserError(f"bbox must have 8 corners, got {len(corners)}")
        return np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    sides = numbers(box, "bbox")
    if len(sides) != 6 or (sides[3:] < 0).any():
        raise UserError(f"bbox must be 8 corners or [cx, cy, cz, dx, dy, dz] with sides >= 0, got {reprlib.repr(box)}")
    return np.concatenate([sides[:3] - sides[3:] / 2, sides[:3] + sides[3:] / 2])


def figures(truths: Sequence[Truth], answers: Sequence[np.ndarray | None], _mode: str) -> dict[str, Figure]:
    """`Acc@0.25` and `Acc@0.5` (IoU of at least that), in [0, 1], overall and of each split that the truth names.

    The split is the truth's; what a prediction file says about it is not looked at.
    """
    boxes = np.array([np.full(6, np.nan) if one is None else one for one in answers])
    ious = box3d_iou(boxes, np.array([truth.box for truth in truths]))
    splits = np.array([truth.split for truth in truths])
    result = {f"Acc@{level}": mean(ious >= level) for level in (0.25, 0.5)}
    for split in SPLITS:
        if (splits == split).any():
            for level in (0.25, 0.5):
                result[f"{split} Acc@{level}"] = mean(np.where(splits == split, ious >= level, np.nan))
    return result


SCANREFER = Benchmark(
    truth="rows with scene_id, object_id, ann_id, bbox, unique_multiple; or ScanRefer_filtered_val.json beside scans/",
    predictions="pred.json, a list of rows with scene_id, object_id, ann_id and bbox (8 corners or centre and sides)",
    truths=read_truth,
    answer=read_box,
    figures=figures,
    identify=identify,
)
