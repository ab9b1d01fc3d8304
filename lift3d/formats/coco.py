"""COCO with tracks: what each view sees of the 3D instances, as 2D masks that agree over all views.

A pixel takes the owner of the point nearest to where its depth puts it, if one lies within 5 cm.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from grounding.core import rle
from grounding.core.files import write_text
from lift3d.cloud import back_project
from lift3d.formats.result import Result
from lift3d.frames import Frame, Frames

REACH = 0.05  # metres


def write_coco(folder: Path, result: Result) -> None:
    """Write `masks.coco.json`; views that cannot be read have no annotations."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    nearest = Nearest(result)
    for frame in Frames(result.lifted.scene.views, None):
        if frame.rejected:
            continue
        height, width = frame.depth.shape
        name = frame.view.name
        images.append({"id": frame.index, "frame_id": frame.index, "file_name": name, "height": height, "width": width})
        labels = nearest.labels(frame)
        for number in (int(i) for i in np.unique(labels) if i):
            annotations.append(_annotation(len(annotations) + 1, frame.index, number, labels == number))
    names = [{"id": 1, "name": "object"}]
    value = {"images": images, "annotations": annotations, "categories": names}
    write_text(folder / "masks.coco.json", json.dumps(value, allow_nan=False) + "\n")


class Nearest:
    """Finds the owner of a pixel.

    Args:
        result: The instances; its points that belong to nothing count, too: they keep a table from joining its cup.
    """

    def __init__(self, result: Result) -> None:
        lifted = result.lifted
        finite = np.isfinite(lifted.points).all(axis=1)  # a mesh may have vertices that are no numbers
        self._owner = np.append(lifted.owner[finite], 0)  # last: nothing within reach
        self._tree = cKDTree(lifted.points[finite])
        self._boxes = [
            (lifted.points[i.points].min(axis=0) - REACH, lifted.points[i.points].max(axis=0) + REACH)
            for i in lifted.instances
        ]

    def labels(self, frame: Frame) -> np.ndarray:
        """The label map of a view, int32 (H, W)."""
        points, pixels = back_project(frame.view, frame.depth)
        near = np.zeros(len(points), bool)
        for low, high in self._boxes:
            near |= ((points >= low) & (points <= high)).all(axis=1)
        found = self._tree.query(points[near], distance_upper_bound=REACH)[1]
        labels = np.zeros(frame.depth.size, np.int32)
        labels[pixels[near]] = self._owner[found]
        return labels.reshape(frame.depth.shape)


def _annotation(number: int, image: int, track: int, mask: np.ndarray) -> dict[str, Any]:
    counts, size = rle.encode(mask), (mask.shape[0], mask.shape[1])
    x1, y1, x2, y2 = rle.boxes([counts], size)[0].tolist()
    return {
        "id": number,
        "image_id": image,
        "track_id": track,
        "category_id": 1,
        "iscrowd": 0,
        "area": int(np.count_nonzero(mask)),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "segmentation": {"size": list(size), "counts": rle.to_json(counts)},
    }
