"""COCO with tracks: one image entry a source frame, one annotation an object and frame.

    {"images": [{"id": 7, "file_name": "00000.jpg", "height": 240, "width": 432}, ...],
     "annotations": [{"image_id": 7, "track_id": 1, "segmentation": {"size": [240, 432], "counts": "..."}}, ...]}

Images are the source frames in the order of `frame_id` (or `frame_index`) where there is one, else of the numbers in
their names, else as listed. With a list `videos` (CocoVID, TAO) the images of the video named like the video file are
taken. An object's id is `track_id`, else `instance_id`, also within `attributes` (as CVAT writes it), and is kept; in
a file that has an id 0 every id becomes one more. Masks are RLE, compressed or not, or polygons, filled as pycocotools
does; without one the `bbox` is taken, as a box-shaped mask. A box without area says that the object is not there.
"""

from __future__ import annotations

import json
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import rle
from grounding.core.checks import number, shown, whole, within
from grounding.core.errors import UserError
from grounding.core.files import write_text
from grounding.core.masklets import Masklets
from grounding.core.order import natural
from grounding.core.video_probe import VideoInfo
from grounding.masks.shared import (
    Tracks,
    box_mask,
    check_frames,
    check_size,
    check_stated,
    finished,
    objects_of,
    of_video,
    own_entry,
    put,
    read_rle,
)

_FRAME_KEYS = ("frame_id", "frame_index")
_TRACK_KEYS = ("track_id", "instance_id")


def read_coco(value: Any, video: VideoInfo) -> Masklets:
    """Read the value of a COCO file.

    Args:
        value: The parsed JSON.
        video: The video; it must have as many frames as the file has images of it.

    Raises:
        UserError: Naming the first thing that is not as above, with the place of its entry, from 0.
    """
    images, annotations = objects_of(value, "images"), objects_of(value, "annotations")
    known = _ids(images)
    frames = _frames(_own_images(value, images, video), video)
    first = 1 if any(_track(entry)[1] == 0 for entry in annotations) else 0
    tracks: Tracks = {}
    for place, entry in enumerate(annotations):
        with within(f"annotations[{place}]"):
            image = entry.get("image_id")
            if type(image) not in (int, str) or image not in known:
                raise UserError(f"image_id {str(image)[:40]!r} is none of the images; mend it")
            if image in frames:
                put(tracks, _track_id(entry) + first, frames[image], _mask(entry, video), video)
    return finished(tracks, video)


def _ids(images: list[dict[str, Any]]) -> set[int | str]:
    """The ids of all images of the file."""
    known: set[int | str] = set()
    for place, image in enumerate(images):
        name: Any = image.get("id")
        if type(name) not in (int, str) or name in known:
            raise UserError(f"images[{place}]: expected an id of its own, got {shown(name)}")
        known.add(name)
    return known


def _own_images(value: dict[str, Any], images: list[dict[str, Any]], video: VideoInfo) -> list[dict[str, Any]]:
    """The images of the one video, of a file that may hold many."""
    if not value.get("videos"):
        if len({str(image.get("video_id")) for image in images}) > 1:
            raise UserError('images of several videos, but no list "videos" that names them; keep those of one')
        return images
    videos = objects_of(value, "videos")
    entry = own_entry([(str(one.get("name"))[:500], one) for one in videos], video)
    check_stated(entry, video)
    return [images[place] for place in of_video(images, "images", videos, entry.get("id"))]


def _frames(images: list[dict[str, Any]], video: VideoInfo) -> dict[int | str, int]:
    """Image id -> source frame."""
    check_frames(len(images), video)
    frames: dict[int | str, int] = {}
    for frame, image in enumerate(_ordered(images)):
        with within(f"image {_shown(image)}"):
            check_size((image.get("height"), image.get("width")), video)
        frames[image["id"]] = frame
    return frames


def _ordered(images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Images in the order of the video."""
    key = next((key for key in _FRAME_KEYS if any(key in image for image in images)), None)
    if key:
        return _by(key, [(whole(image.get(key), f"{key} of image {_shown(image)}"), image) for image in images])
    if not all(isinstance(image.get("file_name"), str) for image in images):
        return images
    named = [(natural(image["file_name"][:500]), image) for image in images]
    if len({tuple(text for _, text in name) for name, _ in named}) > 1:  # names differ by more than their numbers
        return images
    return _by("file_name", named)


def _by(key: str, places: list[tuple[Any, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Images in the order of their places, which must differ."""
    ordered = sorted(places, key=itemgetter(0))
    for (place, image), (following, other) in pairwise(ordered):
        if place == following:
            raise UserError(f"images {_shown(image)} and {_shown(other)} have the same {key}; give each frame its own")
    return [image for _, image in ordered]


def _shown(image: dict[str, Any]) -> str:
    return repr(str(image["id"])[:40])


def _track(entry: dict[str, Any]) -> tuple[str, Any]:
    """Where the id of an object stands, and what; an empty key where it stands nowhere."""
    attributes = entry.get("attributes")
    for holder in (entry, attributes if isinstance(attributes, dict) else {}):
        for key in _TRACK_KEYS:
            if key in holder:
                return key, holder[key]
    return "", None


def _track_id(entry: dict[str, Any]) -> int:
    key, stated = _track(entry)
    if not key:
        raise UserError("no track_id, which tells the same object in all frames; track the objects first")
    return whole(stated, key)


def _mask(entry: dict[str, Any], video: VideoInfo) -> bytes | None:
    segmentation, box = entry.get("segmentation"), entry.get("bbox")
    if isinstance(segmentation, dict):
        return read_rle(segmentation, video)
    if isinstance(segmentation, list) and any(segmentation):
        return _filled(segmentation, video.size)
    if isinstance(box, list) and len(box) == 4:
        x, y, width, height = (number(side, "a side of bbox") for side in box)
        if width == 0 or height == 0:
            return None
        return box_mask((x, y, x + width, y + height), video.size)
    raise UserError("neither a segmentation (RLE or polygons) nor a bbox [x, y, width, height]")


def _filled(polygons: list[Any], size: tuple[int, int]) -> bytes:
    return rle.from_polygons([_corners(polygon) for polygon in polygons], size)


def _corners(polygon: Any) -> np.ndarray:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise UserError("a polygon must be a list [x1, y1, x2, y2, x3, y3, ...] of three points or more")
    return np.array([number(side, "a coordinate") for side in polygon])


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
