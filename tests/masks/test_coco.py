"""Tests of grounding.masks.coco."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco

from grounding.core import Masklets, UserError, rle
from grounding.masks.coco import read_coco, write_coco

PIXEL = {"size": [4, 6], "counts": [2, 1, 21]}


def image(number: Any, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number}.jpg", "height": 4, "width": 6, **more}


def annotation(image_id: Any, track_id: Any, mask: Any = PIXEL, **more: Any) -> dict[str, Any]:
    return {"image_id": image_id, "track_id": track_id, "segmentation": mask, **more}


def value(*annotations: dict[str, Any], images: Any = None) -> dict[str, Any]:
    return {"images": images or [image(5), image(7), image(9)], "annotations": list(annotations)}


def seen(masklets: Masklets, object_id: int) -> list[bool]:
    return [counts is not None for counts in masklets.tracks[object_id]]


def test_images_are_frames_in_their_order_and_tracks_are_ids(video) -> None:
    masklets = read_coco(value(annotation(9, 4), annotation(5, 4), annotation(7, 11)), video())
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


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["f10.jpg", "f2.jpg", "f1.jpg"], [2, 1, 0]),  # the numbers in the names say the order
        (["x9.jpg", "b2.jpg", "a1.jpg"], [0, 1, 2]),  # names that differ in more say nothing
        ([None, "b2.jpg", "a1.jpg"], [0, 1, 2]),
    ],
)
def test_without_frame_numbers_the_numbers_in_the_names_order_the_images(names: list, order: list, video) -> None:
    images = [image(n, file_name=name) for n, name in enumerate(names)]
    entries = [annotation(n, n + 1) for n in range(3)]
    masklets = read_coco(value(*entries, images=images), video())
    assert [seen(masklets, n + 1).index(True) for n in range(3)] == order


def test_polygons_are_filled_as_pycocotools_does(video) -> None:
    # A square of 2 x 2 pixels, one of 1 x 1 beside it, and a triangle without area.
    polygons = [[1, 0, 3, 0, 3, 2, 1, 2], [3, 1, 4, 1, 4, 2, 3, 2], [5, 3, 5, 3, 5, 3]]
    mask = read_coco(value(annotation(5, 1, polygons)), video()).masks_at(0)[1]
    expected = np.zeros((4, 6), bool)
    expected[0:2, 1:3] = expected[1, 3] = True
    np.testing.assert_array_equal(mask, expected)


def test_a_box_stands_in_for_a_missing_mask(video) -> None:
    for none in ({}, {"segmentation": None}, {"segmentation": []}, {"segmentation": [[]]}):
        entry = {"image_id": 5, "track_id": 1, "bbox": [1, 0, 2, 3], **none}
        assert read_coco(value(entry), video()).boxes(1)[0].tolist() == [1, 0, 3, 3]


def test_a_box_without_area_says_that_the_object_is_not_there(video) -> None:
    away = {"image_id": 7, "track_id": 1, "segmentation": [], "bbox": [0, 0, 0, 0]}
    there = {**away, "image_id": 5, "bbox": [1, 0, 2, 3]}
    assert seen(read_coco(value(there, away), video()), 1) == [True, False, False]
    with pytest.raises(UserError, match="object 1 has a mask on frame 1 already"):
        read_coco(value(away, {**there, "image_id": 7}), video())


def test_where_ids_begin_at_0_each_becomes_one_more(video) -> None:
    """CVAT counts tracks from 0."""
    entries = [{"image_id": 5, "segmentation": PIXEL, "attributes": {"track_id": n}} for n in (0, 3)]
    assert read_coco(value(*entries), video()).ids == [1, 4]


VIDEOS = [{"id": 0, "name": "train/dog"}, {"id": 1, "name": "train/cat.mp4", "width": 6}]


def test_of_several_videos_the_one_named_like_the_file_is_read(video) -> None:
    """CocoVID (mmtracking): frames of all videos in one list; ids of objects run through all of them, here from 0."""
    images = [image(n, video_id=int(n > 1), frame_id=n % 2, file_name="a.jpg") for n in range(4)]
    images[0]["height"] = 99  # of the other video
    entries = [annotation(0, 0), annotation(3, 6), annotation(2, 7), {"image_id": 1}]
    both = {**value(*entries, images=images), "videos": VIDEOS}
    masklets = read_coco(both, video(frames=2, name="cat"))
    assert masklets.ids == [7, 8]
    assert seen(masklets, 7) == [False, True] and seen(masklets, 8) == [True, False]
    for name in ("dog", "bird"):
        with pytest.raises(UserError, match=r"6 x 99 pixels" if name == "dog" else "name the video file like one"):
            read_coco(both, video(frames=2, name=name))
    with pytest.raises(UserError, match=r"images\[0\]: video_id 5 is none of the videos"):
        read_coco({**both, "images": [{**images[0], "video_id": 5}, *images[1:]]}, video(frames=2, name="cat"))
    with pytest.raises(UserError, match='images of several videos, but no list "videos"'):
        read_coco({**both, "videos": []}, video(frames=4))
    with pytest.raises(UserError, match=r"width is 7, the video's is 6"):
        read_coco({**both, "videos": [VIDEOS[0], {**VIDEOS[1], "width": 7}]}, video(frames=2, name="cat"))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (value(images=[image(1)]), "1 frames, the video has 3"),
        (value(images=[image(1), image(1), image(2)]), r"images\[1\]: expected an id of its own, got 1"),
        (value(images=[image(None)] * 3), r"images\[0\]: expected an id of its own"),
        (value(images=[image(n, height=6) for n in range(3)]), "image '0': 6 x 6 pixels, the video is 6 x 4"),
        (value(images=[image(n, frame_id=n // 2) for n in range(3)]), "images '0' and '1' have the same frame_id"),
        (value(images=[image(n, file_name="a.jpg") for n in range(3)]), "images '0' and '1' have the same file_name"),
        (value(images=[image(0), image(1, frame_id=0), image(2)]), "frame_id of image '0' must be a whole number"),
        (value(images=[image(n, frame_id=n - 0.5) for n in range(3)]), "frame_id of image '0' must be a whole number"),
        (value(annotation(6, 1)), r"annotations\[0\]: image_id '6' is none of the images"),
        (value(annotation([], 1)), r"annotations\[0\]: image_id '\[\]' is none of the images"),
        (value(annotation(7, -1)), r"annotations\[0\]: track_id must be a whole number of 0 or more, got -1"),
        (value(annotation(7, "a")), r"annotations\[0\]: track_id must be a whole number"),
        (value(annotation(7, 1), annotation(7, 1)), r"annotations\[1\]: object 1 has a mask on frame 1 already"),
        (value({"image_id": 7, "segmentation": PIXEL}), r"annotations\[0\]: no track_id.*track the objects first"),
        (value(annotation(7, 1, {"size": [4, 6], "counts": [3]})), r"annotations\[0\]: RLE runs must fill"),
        (value(annotation(7, 1, [[1, 1, 2, 2]])), "a polygon must be a list .* of three points or more"),
        (
            value(annotation(7, 1, [[1, 1, 2, 2, 3, 3e9]])),
            r"annotations\[0\]: a polygon has a corner at 3e\+09",
        ),
        (
            value(annotation(7, 1, [[0, 0, 6, 4, 0, 4] * 99])),
            r"outlines of 1.* a picture of 6 x 4 can hold 104",
        ),
        (value(annotation(7, 1, [[1, 1, 2, 2, 3, None]])), "a coordinate must be a finite number"),
        (value({"image_id": 7, "track_id": 1}), "neither a segmentation"),
        (value({"image_id": 7, "track_id": 1, "bbox": [1, 1, -1, 2]}), "a width and a height above 0"),
        (value({"image_id": 7, "track_id": 1, "bbox": [1, 1, "2", 2]}), "a side of bbox must be a finite number"),
        ({"images": [], "annotations": []}, "0 frames, the video has 3"),
        ({"images": [], "annotations": [1]}, '"annotations" must be a list of objects'),
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
