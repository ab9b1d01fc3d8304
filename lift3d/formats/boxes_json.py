"""JSON of boxes, with the frame they are in: "aligned" (axis alignment applied, as ScanRefer asks for) or "world".

`aabb` and `obb` leave strays out, `aabb_raw` holds every point (see `lift3d.boxes`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from grounding.core.files import write_json
from lift3d.formats.result import Result
from lift3d.lift import Instance


def write_boxes(folder: Path, result: Result) -> None:
    """Write `boxes.json`: a list, one entry an instance; metres, the columns of `R` are the box's axes."""
    write_json(folder / "boxes.json", [entry(result, instance) for instance in result.lifted.instances])


def entry(result: Result, instance: Instance) -> dict[str, Any]:
    """The boxes of one instance and how sure it is."""
    boxes = instance.boxes
    return {
        "id": instance.id,
        "label": result.label(instance.id),
        "score": round(instance.ratio, 6),
        "aabb": _aligned(boxes.aabb),
        "aabb_raw": _aligned(boxes.raw),
        "obb": {
            "center": _rounded(boxes.obb.centre),
            "size": _rounded(boxes.obb.size),
            "R": [_rounded(row) for row in boxes.obb.axes],
        },
        "n_points": len(instance.points),
        "n_views": instance.views,
        "frame": boxes.frame,
    }


def _aligned(box: np.ndarray) -> dict[str, list[float]]:
    return {"center": _rounded((box[:3] + box[3:]) / 2), "size": _rounded(box[3:] - box[:3])}


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 6) for value in values]
