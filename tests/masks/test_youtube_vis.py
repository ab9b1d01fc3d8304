"""Tests of grounding.masks.youtube_vis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from grounding.masks.youtube_vis import read_youtube_vis

PIXEL = {"size": [4, 6], "counts": [2, 1, 21]}


def entry(number: int, folder: str, frames: int = 3) -> dict[str, Any]:
    return {"id": number, "file_names": [f"{folder}/{t:05}.jpg" for t in range(frames)], "height": 4, "width": 6}


def annotation(number: Any, video: int, *masks: Any) -> dict[str, Any]:
    return {"id": number, "video_id": video, "segmentations": list(masks), "category_id": 3}


VIDEOS = [entry(1, "dog", 2), entry(2, "cat")]


def test_the_video_of_the_same_name_with_its_objects_numbered_from_one(video) -> None:
    annotations = [
        annotation(30, 2, None, PIXEL, None),
        annotation(8, 1, PIXEL, PIXEL),
        annotation(29, 2, PIXEL, None, PIXEL),
    ]
    masklets = read_youtube_vis({"videos": VIDEOS, "annotations": annotations}, video(name="cat"))
    assert masklets.ids == [1, 2]  # 29, then 30
    assert np.isnan(masklets.boxes(1)[:, 0]).tolist() == [False, True, False]
    assert np.isnan(masklets.boxes(2)[:, 0]).tolist() == [True, False, True]
    assert masklets.boxes(2)[1].tolist() == [0, 2, 1, 3]


def test_a_single_video_needs_no_name(video) -> None:
    value = {"videos": [entry(5, "dog")], "annotations": [annotation(8, 5, PIXEL, None, None)]}
    assert read_youtube_vis(value, video(name="mine")).ids == [1]


@pytest.mark.parametrize(
    ("change", "name", "message"),
    [
        ({}, "bird", "2 videos, 0 of them named 'bird'; name the video file like one: dog, cat"),
        ({"videos": [*VIDEOS, entry(3, "cat")]}, "cat", "3 videos, 2 of them named 'cat'"),
        ({"videos": []}, "cat", "0 videos, 0 of them named 'cat'; name the video file like one: none"),
        ({"annotations": None}, "cat", '"annotations" must be a list of objects; take a file with masks'),
        ({"videos": [entry(2, "dog"), entry(2, "cat")]}, "cat", "two videos have the id 2; give each its own"),
        ({"annotations": [annotation(1, 9)]}, "cat", r"annotations\[0\]: video_id 9 is none of the videos"),
        ({"annotations": [annotation(1, "2")]}, "cat", r"annotations\[0\]: video_id '2' is none of the videos"),
        ({}, "dog", "video 'dog': 2 frames, the video has 3"),
        ({"videos": [{**entry(2, "cat"), "width": 7}]}, "cat", "video 'cat': 7 x 4 pixels, the video is 6 x 4"),
        ({"videos": [{**entry(2, "cat"), "length": 4}]}, "cat", "video 'cat': length is 4, the video's is 3"),
        (
            {"annotations": [{**annotation(1, 2, None, None, None), "height": 5}]},
            "cat",
            r"annotations\[0\]: height is 5, the video's is 4",
        ),
        ({"annotations": [annotation(1, 2, None)]}, "cat", r"annotations\[0\]: 1 frames, the video has 3"),
        ({"annotations": [annotation("x", 2, None)]}, "cat", r"annotations\[0\]: its id must be a whole number"),
        (
            {"annotations": [annotation(1, 2, None, None, None)] * 2},
            "cat",
            r"annotations\[1\]: id 1 is used by another annotation already",
        ),
        (
            {"annotations": [annotation(1, 2, None, None, {"size": [4, 6], "counts": "2"})]},
            "cat",
            r"annotations\[0\]: frame 2: RLE runs must fill",
        ),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], name: str, message: str, video) -> None:
    value = {"videos": VIDEOS, "annotations": [], **change}
    with pytest.raises(UserError, match=f"^{message}"):
        read_youtube_vis(value, video(name=name))
