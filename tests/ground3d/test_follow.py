"""Following both ways, and every rule by which a mask is left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from grounding.core import UserError, rle
from grounding.ground3d.follow import NO_DEPTH, NOT_SEEN, UNREADABLE, Track, TrackedMasks, follow
from grounding.ground3d.seeds import Asked

SEED = Asked(5, 0, (10, 10, 30, 30))
LARGE = (120, 160)  # a mask of fewer than 100 * 120 * 160 / (640 * 480) = 6.25 pixels is too small


@dataclass
class Script:
    """A tracker whose object is a square on the views in `there`."""

    there: Sequence[int]
    passes: int = 0
    log: list[tuple[str, int, bool]] = field(default_factory=list)
    given: list[np.ndarray | None] = field(default_factory=list)

    def reset(self) -> None:
        self.log.append(("reset", -1, False))

    def show(self, frame: int, picture: np.ndarray, *, reverse: bool = False) -> None:
        self.frame, self.size, self.reverse = frame, picture.shape[:2], reverse

    def start(self, key: int, box: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        self.log.append(("start", self.frame, self.reverse))
        self.given.append(mask)
        return self._mask()

    def follow(self, keys: Sequence[int]) -> list[np.ndarray]:
        self.log.append(("follow", self.frame, self.reverse))
        return [self._mask() for _ in keys]

    def embedding(self, mask: np.ndarray) -> np.ndarray:
        raise AssertionError

    def drop(self, key: int) -> None:
        raise AssertionError

    def _mask(self) -> np.ndarray:
        mask = np.zeros(self.size, bool)
        mask[10:30, 10:30] = self.frame in self.there
        return mask


def followed(tracker: Script) -> list[tuple[int, bool]]:
    return [(frame, reverse) for what, frame, reverse in tracker.log if what == "follow"]


def test_forwards_then_backwards_from_the_mask_of_the_seed(wall: Callable) -> None:
    tracker = Script(range(8))
    given = dict(TrackedMasks(tracker)(wall(8).footage, 5, SEED.box))
    assert [one for one in tracker.log if one[0] == "start"] == [("start", 5, False), ("start", 5, True)]
    assert followed(tracker) == [(6, False), (7, False), (4, True), (3, True), (2, True), (1, True), (0, True)]
    assert tracker.given[0] is None and tracker.given[1] is not None and tracker.given[1].sum() == 400
    assert sorted(given) == list(range(8)) and all(mask.sum() == 400 for mask in given.values())
    assert tracker.log[-1][0] == "reset"  # nothing of the scene is kept


def test_a_direction_ends_when_the_object_was_away_too_long(wall: Callable) -> None:
    tracker = Script(range(40, 60))
    list(TrackedMasks(tracker, patience=0.5)(wall(300).footage, 50, SEED.box))
    seen = [frame for frame, _ in followed(tracker)]
    assert max(seen) == 59 + 15 and min(seen) == 40 - 15  # 0.5 s at 30 views a second


def test_with_few_views_a_second_the_next_one_is_still_looked_at(wall: Callable) -> None:
    tracker = Script(range(4))
    footage = wall(4).footage
    slow = type(footage)(footage.scene, footage.times * 300, footage.size)  # 10 s from view to view
    assert sorted(dict(TrackedMasks(tracker)(slow, 0, SEED.box))) == [0, 1, 2, 3]


def test_an_object_that_is_not_there_is_not_followed(wall: Callable) -> None:
    tracker = Script([])
    assert list(dict(TrackedMasks(tracker)(wall(8).footage, 5, SEED.box))) == [5]
    assert followed(tracker) == []


def test_views_that_cannot_be_read_are_passed_over(wall: Callable) -> None:
    footage = wall(8, unreadable=[3, 6]).footage
    track = follow(footage, SEED, TrackedMasks(Script(range(8))))
    assert sorted(track.masks) == [0, 1, 2, 4, 5, 7]
    assert track.rejected == {3: UNREADABLE, 6: UNREADABLE}
    with pytest.raises(UserError, match="cannot read 3"):
        list(TrackedMasks(Script([]))(footage, 3, SEED.box))


@pytest.mark.parametrize("patience", [-1.0, float("nan"), float("inf")])
def test_patience_is_a_number_of_seconds(patience: float) -> None:
    with pytest.raises(UserError, match="patience must be a finite number of seconds, 0 or more"):
        TrackedMasks(Script([]), patience)


def masks_of(areas: dict[int, int], size: tuple[int, int] = LARGE) -> Callable:
    def masks(footage: object, view: int, box: object) -> list[tuple[int, np.ndarray]]:
        return [(v, np.arange(size[0] * size[1]).reshape(size) < areas[v]) for v in [view, *(set(areas) - {view})]]

    return masks


def test_masks_that_are_too_small(wall: Callable) -> None:
    areas = {5: 400, 0: 0, 1: 6, 2: 7, 3: 8, 4: 9}  # 2 % of 400 is 8
    track = follow(wall(6, size=LARGE).footage, SEED, masks_of(areas))
    assert sorted(track.masks) == [3, 4, 5]
    assert track.rejected == {
        0: NOT_SEEN,
        1: "the mask has 6 pixels, fewer than 6",
        2: "the mask has 7 pixels, fewer than 2% of the 400 on the seed",
    }
    assert rle.areas([track.masks[4]], LARGE).tolist() == [9]
    assert track.seeds == (SEED,)


def test_masks_without_depth(wall: Callable) -> None:
    footage = wall(6, size=LARGE, deep={5: 0.0, 2: 50.0}).footage
    track = follow(footage, SEED, masks_of(dict.fromkeys(range(6), 400)))
    assert sorted(track.masks) == [0, 1, 3, 4]
    assert track.rejected == {2: NO_DEPTH, 5: NO_DEPTH}


def test_masks_of_another_shape_than_the_depth(wall: Callable) -> None:
    track = follow(wall(6).footage, SEED, masks_of({5: 4000}, (48, 96)))
    assert track.masks == {} and track.rejected[5].startswith(f"{NO_DEPTH}: masks are 96 x 48 pixels, depth 64 x 48")


def test_depths_that_jump_against_both_neighbours(wall: Callable) -> None:
    deep = {0: 2.0, 1: 2.4, 2: 3.0, 3: 2.4, 4: 2.4, 5: 1.0}
    footage = wall(6, size=LARGE, deep=deep).footage
    track = follow(footage, SEED, masks_of(dict.fromkeys(range(6), 400)))
    assert track.rejected == {2: "the mask is 3.00 m away; by the views beside it, it should be 2.40 and 2.40 m"}
    assert 5 in track.masks  # the last has one neighbour only


def test_a_step_in_depth_is_no_jump(wall: Callable) -> None:
    footage = wall(6, size=LARGE, deep={0: 2.0, 1: 2.0, 2: 2.0, 3: 3.0, 4: 3.0, 5: 3.0}).footage
    assert not follow(footage, SEED, masks_of(dict.fromkeys(range(6), 400))).rejected


def test_a_camera_that_goes_back_and_forth_is_no_jump(wall: Callable) -> None:
    """View 2 is taken from 1 m further back, and sees the wall at 3 m; with the wall at 2 m there, it is off by 1 m."""
    masks, away = masks_of(dict.fromkeys(range(6), 400)), np.eye(4)
    away[2, 3] = -1
    for depth, rejected in ((3.0, []), (2.0, [2])):
        footage = wall(6, size=LARGE, deep={2: depth}).footage
        views = [replace(one, pose=away) if n == 2 else one for n, one in enumerate(footage.scene.views)]
        moved = replace(footage, scene=replace(footage.scene, views=views))
        assert list(follow(moved, SEED, masks).rejected) == rejected


def test_masks_come_in_the_order_of_views(wall: Callable) -> None:
    track: Track = follow(wall(8).footage, SEED, TrackedMasks(Script(range(8))))
    assert list(track.masks) == list(range(8))
