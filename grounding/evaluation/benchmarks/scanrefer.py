"""ScanRefer: one 3D box a sentence; accuracy at IoU 0.25 and 0.5, split into unique and multiple."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.checks import shown
from grounding.core.files import inside
from grounding.core.reading import is_file, is_folder
from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import whole_in
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.benchmarks.scans import object_classes, scan_boxes
from grounding.evaluation.benchmarks.scene_infos import NAMES, PICKLED, TrueBox, info_boxes, refuse_pickle
from grounding.evaluation.bootstrap import Figure, mean
from grounding.evaluation.entries import OWN, id_of, numbers, predicted, read_entries, read_truths, text_id
from grounding.evaluation.scenes import box3d_iou

PARTS = ("scene_id", "object_id", "ann_id")
SPLITS = ("unique", "multiple")
BoxesOf = Callable[[str], Mapping[int, TrueBox]]
LABELS = "scannetv2-labels.combined.tsv"


@dataclass(frozen=True, eq=False)
class Truth:
    """A true box of one sentence.

    Attributes:
        box: `x1 y1 z1 x2 y2 z2` in metres.
        split: "unique", "multiple", or "" where the file does not say.
        around: Whether the box is around a turned one, see `TrueBox`.
    """

    box: np.ndarray
    split: str
    around: bool = False


def read_truth(path: Path) -> dict[str, Truth]:
    """Rows with `scene_id`, `object_id`, `ann_id`, `bbox` (see `read_box`) and, for the split, `unique_multiple`: 0 for
    unique, the only object of its class in the scene, or 1. Boxes are those of the aligned scene.

    ScanRefer's own `ScanRefer_filtered_val.json` has neither. Boxes are then those of a scene info beside it (see
    `scene_infos`), or of the scans beside it, in `scans/<scene_id>` (see `scan_boxes`). The split is that of its code,
    which needs ScanNet's names of objects, `scannetv2-labels.combined.tsv`, beside it: unique is the only object of its
    class among those that the file names.

    Raises:
        UserError: Naming file and row of the first that is not so, or whose ids are taken.
    """
    if path.suffix == ".pkl":
        refuse_pickle(path)
    rows = read_entries(path)
    labels = path.with_name(LABELS)
    split_of = _splits(rows, object_classes(labels)) if is_file(labels) else lambda row: ""
    return read_truths(path, partial(_truth, cache(_boxes_beside(path)), split_of), identify, rows)


def _boxes_beside(path: Path) -> BoxesOf:
    """What gives the boxes of a scene where the rows have none; nothing is read before a row asks."""
    scans = path.parent / "scans"

    def scan(scene: str) -> dict[int, TrueBox]:
        return {number: TrueBox(box) for number, box in scan_boxes(inside(scans, scene)).items()}

    if infos := [path.with_name(name) for name in NAMES if is_file(path.with_name(name))]:
        read = cache(lambda: info_boxes(infos[0], path.with_name(LABELS), scans))
        return lambda scene: read()(scene)
    pickled = [path.with_name(name) for name in PICKLED if is_file(path.with_name(name))]
    return (lambda scene: refuse_pickle(pickled[0])) if pickled and not is_folder(scans) else scan


def _splits(entries: Sequence[Entry], classes: Mapping[str, str]) -> Callable[[Mapping[str, Any]], str]:
    """ScanRefer's rule: how often a class is in a scene, each object counted once, by the name in its first row."""
    objects: dict[tuple[str, str], str] = {}
    for entry in entries:
        row = entry.value
        if isinstance(row, dict) and {"scene_id", "object_id", "object_name"} <= row.keys():
            objects.setdefault((str(row["scene_id"]), str(row["object_id"])), _class(row, classes))
    counts = Counter((scene, kind) for (scene, _), kind in objects.items())

    def split(row: Mapping[str, Any]) -> str:
        if "object_name" not in row:
            return ""
        kind = _class(row, classes)
        if not kind:
            raise UserError(f"{LABELS} has no object {shown(row['object_name'])}; take ScanNet's own file")
        return SPLITS[int(counts[str(row["scene_id"]), kind] != 1)]

    return split


def _class(row: Mapping[str, Any], classes: Mapping[str, str]) -> str:
    return classes.get(" ".join(str(row["object_name"]).split("_")), "")


def _truth(boxes_of: BoxesOf, split_of: Callable[[Mapping[str, Any]], str], value: Any) -> Truth:
    row = object_of(value, "a row")
    split = row.get("unique_multiple")
    found = _own_box(row) if "bbox" in row or "box" in row else _box_of_object(boxes_of, row)
    if split not in (None, 0, 1):
        raise UserError(f'"unique_multiple" must be 0 or 1, got {reprlib.repr(split)}')
    return Truth(found.sides, split_of(row) if split is None else SPLITS[int(split)], found.around)


def _own_box(row: Mapping[str, Any]) -> TrueBox:
    box = _box(field(row, "bbox", "box"))
    if box is None:
        raise UserError('"bbox" is null; a truth needs a box')
    return TrueBox(box)


def _box_of_object(boxes_of: BoxesOf, row: Mapping[str, Any]) -> TrueBox:
    scene, number = text_id(field(row, "scene_id")), whole_in(field(row, "object_id"), "object_id")
    found = boxes_of(scene).get(number)
    if found is None:
        raise UserError(
            f"there is no box of object {number} of {scene}; take scans, or a scene info with all objects (mmdet3d "
            "leaves those of most classes out), of ScanRefer's version of ScanNet"
        )
    return found


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
    return None if value is None else _box(predicted(object_of(value, "a row"), "bbox", "box", own=OWN))


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


def gaps(truths: Sequence[Truth]) -> list[str]:
    """Says of how many truths the split is unknown, or the box larger than the object."""
    without, around = sum(not truth.split for truth in truths), sum(truth.around for truth in truths)
    which = "" if without == len(truths) else f" for {without} of {len(truths)} rows"
    told = [f"unique and multiple are not in the file{which}; put ScanNet's {LABELS} beside it"] if without else []
    if around:
        told.append(
            f"true boxes that were turned into the aligned scene, and so are larger than their objects: {around}"
        )
    return told


SCANREFER = Benchmark(
    truth="rows with scene_id, object_id, ann_id, bbox, unique_multiple; or ScanRefer_filtered_val.json beside scans/ "
    f"or {' or '.join(NAMES)} and, for the split, {LABELS}",
    predictions="pred.json, a list of rows with scene_id, object_id, ann_id and bbox (8 corners or centre and sides)",
    truths=read_truth,
    answer=read_box,
    figures=figures,
    gaps=gaps,
    beside=lambda truth: tuple(truth.with_name(name) for name in (LABELS, "scans", *NAMES)),
    identify=identify,
)
