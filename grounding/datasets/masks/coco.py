"""COCO with tracks: one image entry a source frame, one annotation an object and frame.

    {"images": [{"id": 7, "file_name": "00000.jpg", "height": 240, "width": 432}, ...],
     "annotations": [{"image_id": 7, "track_id": 1, "segmentation": {"size": [240, 432], "counts": "..."}}, ...]}

Images are the source frames in the order of `frame_id` (or `frame_index`) where all have one, else as listed. An
object's id is `track_id`, else `instance_id`, also within `attributes` (as annotation tools write it), and is kept.
Masks are RLE, compressed or not, or polygons, filled to their edges; without one the `bbox` is taken, as a box-shaped
mask.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from grounding.core import rle
from grounding.core.checks import number, whole, within
from grounding.core.errors import UserError
from grounding.core.files import write_text
from grounding.core.masklets import Masklets
from grounding.core.video_probe import VideoInfo
from grounding.datasets.masks.shared import (
    Tracks,
    box_mask,
    check_frames,
    check_size,
    finished,
    objects_of,
    put,
    read_rle,
)

_FRAME_KEYS = ("frame_id", "frame_index")
_TRACK_KEYS = ("track_id", "instance_id")


def read_coco(value: Any, video: VideoInfo) -> Masklets:
    """Read the value of a COCO file that holds one video.

    Args:
        value: The parsed JSON.
        video: The video; it must have as many frames as the file has images.

    Raises:
        UserError: Naming the first thing that is not as above, with the place of its entry, from 0.
    """
    frames = _frames(objects_of(value, "images"), video)
    tracks: Tracks = {}
    for place, entry in enumerate(objects_of(value, "annotations")):
        with within(f"annotations[{place}]"):
            image = entry.get("image_id")
            frame = frames.get(image) if isinstance(image, int | str) else None
            if frame is None:
                raise UserError(f"image_id {str(image)[:40]!r} is none of the images; mend it")
            put(tracks, _track_id(entry), frame, _mask(entry, video), video)
    return finished(tracks, video)


def _frames(images: list[dict[str, Any]], video: VideoInfo) -> dict[int | str, int]:
    """Image id -> source frame."""
    check_frames(len(images), video)
    key = next((key for key in _FRAME_KEYS if all(type(image.get(key)) is int for image in images)), None)
    frames: dict[int | str, int] = {}
    for frame, image in enumerate(sorted(images, key=lambda image: image[key]) if key else images):
        with within(f"image of frame {frame}"):
            name = image.get("id")
            if not isinstance(name, int | str) or name in frames:
                raise UserError(f"expected an id of its own, got {str(name)[:40]!r}")
            check_size((image.get("height"), image.get("width")), video)
            frames[name] = frame
    return frames


def _track_id(entry: dict[str, Any]) -> int:
    attributes = entry.get("attributes")
    for holder in (entry, attributes if isinstance(attributes, dict) else {}):
        for key in _TRACK_KEYS:
            if key in holder:
                return whole(holder[key], key)
    raise UserError("no track_id, which tells the same object in all frames; track the objects first")


def _mask(entry: dict[str, Any], video: VideoInfo) -> bytes | None:
    segmentation, box = entry.get("segmentation"), entry.get("bbox")
    if isinstance(segmentation, dict):
        return read_rle(segmentation, video)
    if isinstance(segmentation, list) and segmentation:
        return _filled(segmentation, video.size)
    if isinstance(box, list) and len(box) == 4:
        x, y, width, height = (number(side, "a side of bbox") for side in box)
        return box_mask((x, y, x + width, y + height), video.size)
    raise UserError("neither a segmentation (RLE or polygons) nor a bbox [x, y, width, height]")


def _filled(polygons: list[Any], size: tuple[int, int]) -> bytes:
    mask = np.zeros(size, np.uint8)
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise UserError("a polygon must be a list [x1, y1, x2, y2, x3, y3, ...] of three points or more")
        points = np.array([number(side, "a coordinate") for side in polygon]).reshape(-1, 1, 2)
        cv2.fillPoly(mask, [np.rint(points - 0.5).astype(np.int32)], 1)  # pixel middles are at .5
    return rle.encode(mask)


def write_coco(path: Path, masklets: Masklets, *, overwrite: bool = False) -> None:
    """Write masklets as COCO with `frame_id` and `track_id`, masks as compressed RLE; whole or not at all.

    Raises:
        UserError: If the file exists or cannot be written.
    """
    height, width = masklets.size
    count = len(masklets.pts)
    images = [
        {"id": t, "frame_id": t, "file_name": f"{t:05}.jpg", "height": height, "width": width} for t in range(count)
    ]
    seen = [(i, t, counts) for i in masklets.ids for t, counts in enumerate(masklets.tracks[i]) if counts]
    masks = [counts for _, _, counts in seen]
    areas = rle.areas(masks, masklets.size).tolist() if masks else []
    boxes = rle.boxes(masks, masklets.size)
    annotations = [
        {
            "id": place + 1,
            "image_id": t,
            "track_id": i,
            "category_id": 1,
            "iscrowd": 0,
            "area": area,
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "segmentation": {"size": [height, width], "counts": rle.to_json(counts)},
        }
        for place, ((i, t, counts), area, box) in enumerate(zip(seen, areas, boxes.tolist(), strict=True))
    ]
    value = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}
    write_text(path, json.dumps(value, allow_nan=False) + "\n", overwrite=overwrite)
