"""COCO with tracks: what each view sees of the 3D instances, as 2D masks that agree over all views.

A pixel takes the owner of the point nearest to where its depth puts it, if one lies within 5 cm.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.spatial import cKDTree

from grounding.core import rle
from grounding.core.files import write_text
from lift3d.cloud import back_project
from lift3d.formats.result import Result
from lift3d.frames import Frame, Frames
from lift3d.visibility import Points, Seen, Tolerance, visible

REACH = 0.05  # metres
_NEAR = Tolerance(REACH, 0.0)
_FAR_OFF = np.float32(1e9)  # metres or pixels


def write_coco(folder: Path, result: Result) -> None:
    """Write `masks.coco.json`; views that cannot be read have no annotations."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    nearest = Nearest(result)
    for frame in result.progress(Frames(result.lifted.scene.views, None), "Masks of the views"):
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
    """Finds the owner of each pixel of a view: that of the point nearest to where the pixel's depth puts it.

    Neighbours in the picture are neighbours in space unless an edge of depth lies between them. So the nearest point
    is looked for in the picture, and only where that one lies on another surface in space, which takes far longer.

    Args:
        result: The instances; its points that belong to nothing count, too: they keep a table from joining its cup.
    """

    def __init__(self, result: Result) -> None:
        lifted = result.lifted
        finite = np.isfinite(lifted.points).all(axis=1)  # a mesh may have vertices that are no numbers
        self._owner = np.append(lifted.owner[finite], 0)  # last: nothing within reach
        self._points = Points.of(lifted.points[finite])
        self._tree = cKDTree(lifted.points[finite])

    def labels(self, frame: Frame) -> np.ndarray:
        """The label map of a view, int32 (H, W)."""
        depth, view = frame.depth.ravel(), frame.view
        point, away, ahead = _nearest_in_picture(visible(self._points, view, frame.depth, _NEAR), frame.depth)
        across = away * depth / np.float32(view.intrinsics[0, 0])
        sure = across**2 + ahead**2 <= REACH**2
        labels = np.where(sure & (depth > 0), self._owner[point], 0).astype(np.int32)
        pixels = np.flatnonzero(~sure & (depth > 0))
        places = back_project(view, np.where(sure.reshape(frame.depth.shape), 0, frame.depth))[0]
        labels[pixels] = self._owner[self._tree.query(places, distance_upper_bound=REACH)[1]]
        return labels.reshape(frame.depth.shape)


def _nearest_in_picture(seen: Seen, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pixel, the seen point nearest in the picture; how far off it is, pixels; how much deeper, metres.

    Returns:
        Points, int64 (H * W,), and the distances, float32 (H * W,); -1 and 1e9 where the view sees no point.
    """
    point, deep = np.full(depth.size, -1), np.full(depth.size, _FAR_OFF, np.float32)
    order = np.argsort(-seen.depths, kind="stable")  # nearer ones are written over
    point[seen.pixels[order]], deep[seen.pixels[order]] = seen.points[order], seen.depths[order]
    empty = (point < 0).reshape(depth.shape).astype(np.uint8)
    if empty.all():
        return point, deep, deep
    away, cell = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    holder = np.zeros(int(cell.max()) + 1, np.intp)
    held = np.flatnonzero(empty.ravel() == 0)
    holder[cell.ravel()[held]] = held
    nearest = holder[cell.ravel()]
    return point[nearest], away.ravel(), deep[nearest] - depth.ravel()


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
