"""The scripted tracker on small id maps, with masks worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.core import UserError
from grounding.ground3d.scripted import Flaws, ScriptedTracker

FIRST = np.zeros((8, 10), np.uint8)
FIRST[1:4, 1:5] = 3  # a box of 4 x 3 pixels
FIRST[4:8, 6:10] = 7
SECOND = np.roll(FIRST, 1, axis=1)  # thing 7 is cut in two
EMPTY = np.zeros((8, 10), np.uint8)
FRAMES = (FIRST, SECOND, EMPTY)
PICTURE = np.zeros((8, 10, 3), np.uint8)


def at(frame: int, flaws: Flaws | None = None) -> ScriptedTracker:
    tracker = ScriptedTracker(FRAMES.__getitem__, flaws or Flaws())
    tracker.show(frame, PICTURE)
    return tracker


def test_a_box_means_the_thing_it_fits_best_which_is_followed() -> None:
    tracker = at(0)
    assert (tracker.start(1, np.array([1.0, 1, 5, 4])) == (FIRST == 3)).all()
    assert (tracker.start(2, np.array([5.0, 4, 10, 8])) == (FIRST == 7)).all()
    tracker.show(1, PICTURE)
    third, seventh = tracker.follow([1, 2])
    assert (third == (SECOND == 3)).all() and (seventh == (SECOND == 7)).all()
    tracker.show(2, PICTURE)
    assert not tracker.follow([1])[0].any()
    assert tracker.passes == 3


@pytest.mark.parametrize(
    ("box", "found"),
    [
        ((1, 1, 5, 4), True),
        ((1, 1, 2.3, 4), True),  # 3.9 of 12 pixels
        ((1, 1, 2.1, 4), False),  # 3.3 of 12 pixels, below an IoU of 0.3
        ((0, 4, 5, 8), False),  # nothing is there
    ],
)
def test_below_the_least_overlap_nothing_is_followed(box: tuple[float, ...], found: bool) -> None:
    tracker = at(0)
    assert tracker.start(1, np.array(box, float)).any() == found
    tracker.show(1, PICTURE)
    assert tracker.follow([1])[0].any() == found


def test_on_an_empty_frame_nothing_is_followed() -> None:
    assert not at(2).start(1, np.array([0.0, 0, 10, 8])).any()


def test_a_mask_means_the_thing_it_holds_most_of() -> None:
    tracker, mask = at(0), np.zeros((8, 10), bool)
    mask[3:, 4:8] = True  # one pixel of thing 3, eight of thing 7
    assert (tracker.start(1, np.zeros(4), mask) == (FIRST == 7)).all()
    assert not tracker.start(2, np.zeros(4), np.zeros((8, 10), bool)).any()


def test_masks_lack_a_rim_or_grow_onto_what_is_around() -> None:
    box = np.array([1.0, 1, 5, 4])
    inner = np.zeros((8, 10), bool)
    inner[2, 2:4] = True
    assert (at(0, Flaws(erosion=1)).start(1, box) == inner).all()
    outer = np.zeros((8, 10), bool)
    outer[0:5, 0:6] = True
    assert (at(0, Flaws(bleed=1)).start(1, box) == outer).all()
    assert (at(0, Flaws(erosion=1, bleed=1)).start(1, box) == (FIRST == 3)).all()  # a rectangle grows back


def test_drop_outs_are_a_share_of_the_frames_and_the_same_each_time() -> None:
    def seen(seed: int) -> list[bool]:
        tracker = ScriptedTracker(lambda frame: FIRST, Flaws(drop_outs=0.25), seed)
        tracker.show(0, PICTURE)
        assert tracker.start(1, np.array([1.0, 1, 5, 4])).any()
        found = []
        for frame in range(1, 401):
            tracker.show(frame, PICTURE)
            found.append(bool(tracker.follow([1])[0].any()))
        return found

    assert 0.68 < np.mean(seen(0)) < 0.82  # 0.75, and three standard deviations of 400 draws
    assert seen(0) == seen(0) != seen(1)


def test_one_thing_looks_the_same_and_two_do_not() -> None:
    tracker = at(0)
    third, seventh = (tracker.embedding(number == FIRST) for number in (3, 7))
    tracker.show(1, PICTURE)
    assert third @ tracker.embedding(SECOND == 3) == 1 and third @ seventh == 0


def test_what_is_dropped_or_reset_is_forgotten() -> None:
    tracker = at(0)
    tracker.start(1, np.array([1.0, 1, 5, 4]))
    tracker.drop(1)
    with pytest.raises(KeyError):
        tracker.follow([1])
    tracker.start(1, np.array([1.0, 1, 5, 4]))
    tracker.reset()
    with pytest.raises(KeyError):
        tracker.follow([1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"erosion": -1}, "erosion must be 0 to 100 pixels, got -1"),
        ({"bleed": 101}, "bleed must be 0 to 100 pixels, got 101"),
        ({"drop_outs": 1.0}, r"drop_outs must be in \[0, 1\), got 1.0"),
        ({"drop_outs": float("nan")}, "drop_outs must be"),
    ],
)
def test_flaws_out_of_range(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Flaws(**wrong)
