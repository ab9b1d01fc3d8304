"""Tests of grounding.masks.sav."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from grounding.masks import read_masklets
from grounding.masks.sav import EVERY, read_sav


def pixel(row: int) -> dict[str, Any]:
    """The mask of one pixel in the first column: `row` off, 1 on, the rest off."""
    return {"size": [4, 6], "counts": [row, 1, 23 - row]}


def test_ids_begin_at_one_and_frames_between_take_the_nearest(video) -> None:
    # 9 source frames: annotated are 0, 4, 8. Frame 2 is as near to 0 as to 4: the earlier one.
    value = {"masklet_id": [0, 5], "masklet": [[pixel(0), None], [pixel(1), pixel(3)], [pixel(2), pixel(3)]]}
    masklets = read_sav(value, video(frames=9))
    assert EVERY == 4 and masklets.ids == [1, 6]
    rows = masklets.boxes(1)[:, 1]  # the upper edge tells which mask it is
    assert rows.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert np.isnan(masklets.boxes(6)[:, 0]).tolist() == [True] * 3 + [False] * 6
    assert len(masklets.pts) == 9


def test_every_frame_may_be_annotated(video) -> None:
    masklets = read_sav({"masklet_id": [0], "masklet": [[pixel(k)] for k in range(3)]}, video(frames=3))
    assert masklets.boxes(1)[:, 1].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masklet": [[pixel(0)]] * 3}, "3 annotated frames, the video has 5, or every 4th of them: 2"),
        ({"masklet": [[pixel(0)], []]}, "annotated frame 1: expected 1 masks, one a masklet_id"),
        ({"masklet": [[pixel(0)], [{"size": [4, 6], "counts": [3]}]]}, "annotated frame 1: masklet 0: RLE runs must"),
        ({"masklet": [[pixel(0)], [{"size": [6, 4], "counts": [24]}]]}, "masklet 0: 4 x 6 pixels, the video is 6 x 4"),
        ({"masklet": [[pixel(0)], None]}, "annotated frame 1: expected 1 masks"),
        ({"masklet": []}, "must be a list of frames"),
        ({"masklet": {}}, "must be a list of frames"),
        ({"masklet_id": None}, '"masklet_id" a list of ids'),
        ({"masklet_id": [-1]}, "a masklet_id must be a whole number of 0 or more, got -1"),
        ({"masklet_id": [2, 2]}, "masklet_id names a masklet twice"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], message: str, video) -> None:
    with pytest.raises(UserError, match=message):
        read_sav({"masklet_id": [0], "masklet": [[pixel(0)]] * 2, **change}, video(frames=5))


@pytest.mark.shared_data
@pytest.mark.parametrize(("kind", "count"), [("manual", 5), ("auto", 9)])
def test_real_files(shared_data: Path, kind: str, count: int, video) -> None:
    # the file says 483 frames of 848 x 480; 24 fps
    path = shared_data / "masks" / "sav" / f"sav_000001_{kind}.json"
    masklets = read_masklets(path, video(frames=483, size=(848, 480), fps=24.0))
    assert masklets.ids == list(range(1, count + 1))
    # its masklet_frame_count and first_appeared_frame: manual masklet 3 appears at annotated frame 113 = source frame
    # 452, and the frames nearer to it than to frame 448: from 451 on
    if kind == "manual":
        assert np.flatnonzero(~np.isnan(masklets.boxes(4)[:, 0]))[0] == 451
    with pytest.raises(UserError, match=f"{path.name}: 121 annotated frames, the video has 80"):
        read_masklets(path, video(frames=80, size=(848, 480)))
    with pytest.raises(UserError, match=f"{path.name}: annotated frame 0: masklet 0: 480 x 848 pixels, the video is"):
        read_masklets(path, video(frames=483, size=(480, 848)))
