"""Which mask belongs to which view."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.core import UserError
from lift3d.naming import by_name, how_named, left_over, refuse_other_names
from lift3d.scene import View


def views(*names: tuple[str, str, str]) -> list[View]:
    """Views by their name and those of their depth and colour files."""
    depth, colour = np.ones((1, 1), np.float32), np.zeros((1, 1, 3), np.uint8)
    return [View(n, None, np.eye(4), np.eye(3), lambda: depth, lambda: colour, d, c) for n, d, c in names]


SEVEN = views(*[(f"frame-00000{n}", f"frame-00000{n}.depth", f"frame-00000{n}.color") for n in range(3)])
TUM = views(("10.160407", "10.160407", "10.175304"), ("10.194330", "10.194330", "10.211214"))
REPLICA = views(*[(str(n), f"depth00000{n}", f"frame00000{n}") for n in range(3)])
# Depth k was taken with colour k + 1, as NYU's raw files are paired.
SHIFTED = views(*[(str(n), str(n), str(n + 1)) for n in range(5)])


@pytest.mark.parametrize(
    ("seen", "masks", "found"),
    [
        (SEVEN, ["frame-000000", "frame-000002"], {0: "frame-000000", 2: "frame-000002"}),
        (SEVEN, ["frame-0", "frame-2"], {0: "frame-0", 2: "frame-2"}),
        (SEVEN, ["frame-000001.color"], {1: "frame-000001.color"}),
        (SEVEN, ["frame-000001.depth"], {1: "frame-000001.depth"}),
        (SEVEN, ["000000", "000001"], {}),
        (TUM, ["10.175304", "10.211214"], {0: "10.175304", 1: "10.211214"}),
        (TUM, ["10.194330"], {1: "10.194330"}),
        (REPLICA, ["frame000000", "frame000002"], {0: "frame000000", 2: "frame000002"}),
        (REPLICA, ["000002", "1"], {2: "000002", 1: "1"}),
        (SHIFTED, ["1", "2", "3", "4", "5"], {0: "1", 1: "2", 2: "3", 3: "4", 4: "5"}),  # colour's names: all five fit
        (SHIFTED, ["0", "1", "2"], {0: "0", 1: "1", 2: "2"}),  # the views' names: all three fit
        (views(("a", "", ""), ("b", "", "")), ["b", "c"], {1: "b"}),
        (SEVEN, [], {}),
        # Two sequences: names of files stand in both folders.
        (views(("a_1", "1", "1"), ("b_1", "1", "1"), ("b_2", "2", "2")), ["1", "2"], {2: "2"}),
        (views(("a_1", "1", "1"), ("b_1", "1", "1")), ["1", "b_1"], {1: "b_1"}),
    ],
)
def test_masks_go_by_the_names_of_views_or_of_their_files(
    seen: list[View], masks: list[str], found: dict[int, str]
) -> None:
    assert by_name(masks, seen) == found


def test_names_that_fit_two_ways_are_refused() -> None:
    with pytest.raises(UserError, match="these are names of depth files and, of other frames, of colour files"):
        by_name(["2", "3"], SHIFTED)


@pytest.mark.parametrize(
    ("masks", "frames", "seen"),
    [
        (["m00", "m01", "m02"], ["0", "1", "2"], REPLICA),  # numbered as the frames
        (["0", "1"], ["10.160407", "10.194330"], TUM),  # frames have times: counted from 0 or 1
        (["0001", "0002"], ["10.160407", "10.194330"], TUM),
    ],
)
def test_masks_that_are_counted_are_paired_by_order(masks: list[str], frames: list[str], seen: list[View]) -> None:
    refuse_other_names(masks, frames, seen)


@pytest.mark.parametrize(
    ("masks", "frames", "seen"),
    [
        (["m1", "m2", "m3"], ["0", "1", "2"], REPLICA),
        (["a", "b", "c"], ["0", "1", "2"], REPLICA),
        (["m0", "m1"], ["0", "1", "2"], REPLICA),
        (["10.160408", "10.194331"], ["10.160407", "10.194330"], TUM),
        (["2", "3"], ["10.160407", "10.194330"], TUM),
    ],
)
def test_other_names_are_refused(masks: list[str], frames: list[str], seen: list[View]) -> None:
    with pytest.raises(UserError, match=rf"masks are named {masks[0]}, .*, frames .*; name the masks as the frames"):
        refuse_other_names(masks, frames, seen)


def test_masks_of_no_frame_are_told() -> None:
    assert left_over(["0", "01", "7"], {0: "0"}, ["1"], 1) == (
        "1 of 3 masks bear the name of no frame that can be used: 7",
    )
    assert left_over(["0", "1"], {0: "0", 1: "1"}, [], 2) == ()


def test_as_many_masks_as_frames_of_which_one_fits_none_are_refused() -> None:
    """Masks counted from 0, frames from 1: by their names each would go to the frame after its own."""
    with pytest.raises(UserError, match="they are as many as the frames: name each as its frame"):
        left_over(["0", "1", "2"], {0: "1", 1: "2"}, [], 3)


def test_how_frames_are_named() -> None:
    assert how_named(TUM) == "10.160407, 10.194330 (the first one's files: colour 10.175304)"
    assert how_named(REPLICA) == "0, 1, 2 (the first one's files: depth depth000000, colour frame000000)"
    assert how_named(SHIFTED) == "0, 1, 2, ..., 4 (the first one's files: colour 1)"
    assert how_named(views(("\x1b[2J", "", ""))) == "\\x1b[2J"
