"""Tests of grounding.datasets.masks.coco."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from grounding.core import Masklets, UserError, rle
from grounding.datasets.masks.coco import read_coco, write_coco

PIXEL = {"size": [4, 6], "counts": [2, 1, 21]}


def image(number: Any, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number}.jpg", "height": 4, "width": 6, **more}


def annotation(image_id: Any, track_id: Any, mask: Any = PIXEL, **more: Any) -> dict[str, Any]:
    return {"image_id": image_id, "track_id": track_id, "segmentation": mask, **more}


def value(*annotations: dict[str, Any], images: Any = None) -> dict[str, Any]:
    return {"images": images or [image(7), image(5), image(9)], "annotations": list(annotations)}


def seen(masklets: Masklets, object_id: int) -> list[bool]:
    return [counts is not None for counts in masklets.tracks[object_id]]


def test_images_are_frames_in_their_order_and_tracks_are_ids(video) -> None:
    masklets = read_coco(value(annotation(9, 4), annotation(7, 4), annotation(5, 11)), video())
    assert masklets.ids == [4, 11]
    assert seen(masklets, 4) == [True, False, True] and seen(masklets, 11) == [False, True, False]
    assert masklets.boxes(4)[0].tolist() == [0, 2, 1, 3]


@pytest.mark.parametrize("key", ["frame_id", "frame_index"])
def test_frame_numbers_order_the_images(key: str, video) -> None:
    images = [image("b", **{key: 8}), image("a", **{key: 2}), image("c", **{key: 10})]
    assert seen(read_coco(value(annotation("a", 1), images=images), video()), 1) == [True, False, False]


@pytest.mark.parametrize("holder", [{"instance_id": 3}, {"attributes": {"track_id": 3, "occluded": False}}])
def test_where_tools_keep_the_track_id(holder: dict[str, Any], video) -> None:
    entry = {"image_id": 7, "segmentation": PIXEL, **holder}
    assert read_coco(value(entry), video()).ids == [3]


def test_polygons_are_filled(video) -> None:
    # the square from (1, 0) to (4, 3): pixels whose middles, at .5, lie on its edge or inside: COCO's own pixels too
    square = [1.5, 0.5, 3.5, 0.5, 3.5, 2.5, 1.5, 2.5]
    other = [5.5, 3.5, 5.5, 3.5, 5.5, 3.5]
    mask = read_coco(value(annotation(7, 1, [square, other])), video()).masks_at(0)[1]
    expected = np.zeros((4, 6), bool)
    expected[0:3, 1:4] = True
    expected[3, 5] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_box_stands_in_for_a_missing_mask(video) -> None:
    for none in ({}, {"segmentation": None}, {"segmentation": []}):
        entry = {"image_id": 7, "track_id": 1, "bbox": [1, 0, 2, 3], **none}
        assert read_coco(value(entry), video()).boxes(1)[0].tolist() == [1, 0, 3, 3]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (value(images=[image(1)]), "1 frames, the video has 3"),
        (value(images=[image(1), image(1), image(2)]), "image of frame 1: expected an id of its own, got '1'"),
        (value(images=[image(None)] * 3), "image of frame 0: expected an id of its own"),
        (value(images=[{**image(1), "height": 6}] * 3), "image of frame 0: 6 x 6 pixels, the video is 6 x 4"),
        (value(annotation(6, 1)), r"annotations\[0\]: image_id '6' is none of the images"),
        (value(annotation([], 1)), r"annotations\[0\]: image_id '\[\]' is none of the images"),
        (value(annotation(7, 0)), r"annotations\[0\]: object ids must be 1 or more"),
        (value(annotation(7, "a")), r"annotations\[0\]: track_id must be a whole number"),
        (value(annotation(7, 1), annotation(7, 1)), r"annotations\[1\]: object 1 has a mask on frame 0 already"),
        (value({"image_id": 7, "segmentation": PIXEL}), r"annotations\[0\]: no track_id.*track the objects first"),
        (value(annotation(7, 1, {"size": [4, 6], "counts": [3]})), r"annotations\[0\]: RLE runs must fill"),
        (value(annotation(7, 1, [[1, 1, 2, 2]])), "a polygon must be a list .* of three points or more"),
        (value(annotation(7, 1, [[1, 1, 2, 2, 3, None]])), "a coordinate must be a finite number"),
        (value({"image_id": 7, "track_id": 1}), "neither a segmentation"),
        (value({"image_id": 7, "track_id": 1, "bbox": [1, 1, 0, 2]}), "a width and a height above 0"),
        (value({"image_id": 7, "track_id": 1, "bbox": [1, 1, "2", 2]}), "a side of bbox must be a finite number"),
        ({"images": [], "annotations": [1]}, "0 frames, the video has 3"),
    ],
)
def test_mistakes_are_named_with_their_place(broken: dict[str, Any], message: str, video) -> None:
    with pytest.raises(UserError, match=message):
        read_coco(broken, video())


def test_what_is_written_is_coco_and_reads_back(tmp_path: Path, video) -> None:
    square = np.zeros((4, 6), bool)
    square[1:3, 2:5] = True
    mask = rle.encode(square)
    info = video()
    masklets = Masklets(info.size, info.fps, info.pts, {2: (None, mask, mask), 5: (None, None, None)})
    write_coco(tmp_path / "a.json", masklets)
    written = json.loads((tmp_path / "a.json").read_text())
    first, second = written["annotations"]
    assert (first["id"], second["id"]) == (1, 2)
    assert (first["image_id"], first["track_id"], first["area"], first["bbox"]) == (1, 2, 6, [2, 1, 3, 2])
    np.testing.assert_array_equal(coco.decode(first["segmentation"]).astype(bool), square)
    again = read_coco(written, info)
    assert again.tracks == {2: (None, mask, mask)}  # an object that is never seen has no annotation
    with pytest.raises(UserError, match="exists already"):
        write_coco(tmp_path / "a.json", masklets)
