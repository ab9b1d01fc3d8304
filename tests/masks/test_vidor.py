"""Tests of grounding.masks.vidor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from grounding.masks import read_masklets
from grounding.masks.vidor import read_vidor


def entry(tid: Any, *sides: Any) -> dict[str, Any]:
    return {"tid": tid, "bbox": dict(zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True)), "generated": 0}


def value(*frames: list[Any], **changes: Any) -> dict[str, Any]:
    return {"height": 4, "width": 6, "trajectories": list(frames), **changes}


def test_tid_0_becomes_id_1(video) -> None:
    masklets = read_vidor(value([entry(0, 1, 0, 3, 2), entry(4, 0, 0, 6, 4)], [], [entry(0, 2, 1, 4, 3)]), video())
    np.testing.assert_array_equal(masklets.boxes(1), [[1, 0, 3, 2], [np.nan] * 4, [2, 1, 4, 3]])
    np.testing.assert_array_equal(masklets.boxes(5), [[0, 0, 6, 4], [np.nan] * 4, [np.nan] * 4])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (value([], []), "2 frames, the video has 3; give one entry a source frame"),
        (value([], [], [], []), "4 frames, the video has 3"),
        (value([], [], [], height=6, width=4), "4 x 6 pixels, the video is 6 x 4"),
        (value([], [], [entry(0, 1, 1, 2, 2)] * 2), "frame 2: tid 0: object 1 has a mask on frame 2 already"),
        (value([], [entry(-1, 1, 1, 2, 2)], []), "frame 1: tid must be a whole number of 0 or more"),
        (value([], [entry(3, 2, 1, 2, 2)], []), "frame 1: tid 3: a box must have a width and a height"),
        (value([], [entry(3, None, 1, 2, 2)], []), "frame 1: tid 3: xmin must be a finite number, got None"),
        (value([], [{"tid": 3}], []), "frame 1: a box must be"),
        (value([], None, []), "frame 1: expected a list of boxes"),
        (value(trajectories={}), '"trajectories" must be a list'),
    ],
)
def test_mistakes_are_named_with_frame_and_object(broken: dict[str, Any], message: str, video) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        read_vidor(broken, video())


@pytest.mark.shared_data
def test_real_files(shared_data: Path, video) -> None:
    path = shared_data / "stvg" / "vidor" / "11566930393.json"
    truth = json.loads(path.read_text())
    masklets = read_masklets(path, video(frames=872, size=(480, 640), fps=29.97))
    assert masklets.ids == [1, 2, 3]
    for frame in range(0, 872, 50):
        for box in truth["trajectories"][frame]:
            sides = [box["bbox"][side] for side in ("xmin", "ymin", "xmax", "ymax")]
            assert masklets.boxes(box["tid"] + 1)[frame].tolist() == sides
