"""Votes, groups of tracks, and masks that are joined pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from grounding.core import rle
from grounding.ground3d.follow import Track
from grounding.ground3d.footage import Footage
from grounding.ground3d.join import joined, mean_iou, tracks_of
from grounding.ground3d.seeds import Asked
from grounding.ground3d.steps import Box

SIZE = (48, 64)
LEFT, RIGHT = (4.0, 4.0, 24.0, 24.0), (34.0, 4.0, 58.0, 34.0)


def square(box: Box) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    x1, y1, x2, y2 = map(int, box)
    mask[y1:y2, x1:x2] = True
    return mask


class Following:
    """The object of a box is its square, on the views from `reach` before to `reach` after."""

    def __init__(self, reach: int = 99) -> None:
        self.reach, self.starts = reach, []

    def __call__(self, footage: Footage, view: int, box: Box) -> Iterator[tuple[int, np.ndarray]]:
        self.starts.append(view)
        for other in range(len(footage)):
            if abs(other - view) <= self.reach:
                yield other, square(box)


def test_the_object_of_most_boxes_comes_first(wall: Callable) -> None:
    asked = [Asked(0, 0, RIGHT), Asked(2, 0, LEFT), Asked(4, 0, (5, 4, 25, 24)), Asked(6, 1, None, "none")]
    masks = Following()
    one, other = tracks_of(wall(8).footage, asked, masks, 3)
    assert masks.starts == [0, 2]  # the larger box first; then one of the two that agree with each other
    assert [vote.view for vote in one.votes] == [2, 4] and [vote.view for vote in other.votes] == [0]
    assert rle.boxes([one.masks[7]], SIZE)[0].tolist() == list(LEFT)


def test_snippets_take_turns_and_the_more_trusted_one_comes_first(wall: Callable) -> None:
    middle = (24.0, 30.0, 40.0, 46.0)
    asked = [Asked(0, 0, LEFT), Asked(2, 1, RIGHT), Asked(4, 1, middle), Asked(6, 0, (24.0, 4.0, 34.0, 14.0))]
    masks = Following()
    tracks = tracks_of(wall(8).footage, asked, masks, 3)
    assert masks.starts == [0, 2, 6]  # the best box of each, then of the first one again
    assert [vote.view for track in tracks for vote in track.votes] == [0, 2, 6]  # as many votes: in that order


def test_boxes_that_agree_are_followed_once(wall: Callable) -> None:
    masks = Following()
    (track,) = tracks_of(wall(8).footage, [Asked(view, 0, LEFT) for view in range(5)], masks, 3)
    assert masks.starts == [0] and len(track.votes) == 5


def test_the_object_is_followed_so_many_times_at_most(wall: Callable) -> None:
    boxes = [(x, y, x + 10, y + 10) for x in (5, 25, 45) for y in (5, 25)]
    masks = Following()
    tracks = tracks_of(wall(8).footage, [Asked(view, 0, box) for view, box in enumerate(boxes)], masks, 2)
    assert len(tracks) == len(masks.starts) == 2


def test_a_box_votes_for_a_mask_of_which_it_is_half(wall: Callable) -> None:
    """The box of LEFT is 20 x 20; one of 20 x 10 inside has an IoU of a half with it, one of 20 x 9 less."""
    asked = [Asked(0, 0, LEFT), Asked(1, 0, (4, 4, 24, 14)), Asked(2, 0, (4, 4, 24, 13))]
    one, other = tracks_of(wall(8).footage, asked, Following(), 3)
    assert [vote.view for vote in one.votes] == [0, 1] and [vote.view for vote in other.votes] == [2]


def test_two_visits_of_one_place_are_one_object(wall: Callable) -> None:
    """Views 0 and 20 see the same wall; the tracks from both share no view, but are at the same place in 3D."""
    masks = Following(reach=3)
    (track,) = tracks_of(wall(24).footage, [Asked(0, 0, LEFT), Asked(20, 1, LEFT)], masks, 3)
    assert masks.starts == [0, 20]
    assert sorted(track.masks) == [0, 1, 2, 3, 17, 18, 19, 20, 21, 22, 23]
    assert [seed.view for seed in track.seeds] == [0, 20] and len(track.votes) == 2


def test_two_places_are_two_objects(wall: Callable) -> None:
    asked = [Asked(0, 0, LEFT), Asked(20, 1, RIGHT)]
    assert len(tracks_of(wall(24).footage, asked, Following(reach=3), 3)) == 2
    deep = {view: 4.0 for view in range(12, 24)}  # the same pixels, but 2 m farther off
    asked = [Asked(0, 0, LEFT), Asked(20, 1, LEFT)]
    assert len(tracks_of(wall(24, deep=deep).footage, asked, Following(reach=3), 3)) == 2


def test_a_track_without_masks_is_no_object_of_another(wall: Callable) -> None:
    def masks(footage: Footage, view: int, box: Box) -> list[tuple[int, np.ndarray]]:
        return [(view, square(box) & (view == 20))]

    tracks = tracks_of(wall(24).footage, [Asked(0, 0, LEFT), Asked(20, 1, LEFT)], masks, 3)
    assert [sorted(track.masks) for track in tracks] == [[], [20]]


def track(**boxes: Box) -> Track:
    return Track(SIZE, {int(name[1:]): rle.encode(square(box)) for name, box in boxes.items()})


def test_mean_iou() -> None:
    """Of 20 x 20 and 20 x 10 inside it 1/2, of equal ones 1: in mean 3/4."""
    one, other = track(v0=LEFT, v1=LEFT, v2=LEFT), track(v0=(4, 4, 24, 14), v1=LEFT)
    assert mean_iou(one, other, [0, 1]) == 0.75


def test_pixels_of_at_least_half_of_the_masks_are_joined() -> None:
    a, b, c = (0, 0, 10, 10), (0, 0, 20, 10), (0, 0, 30, 10)
    whole = joined([track(v0=a, v1=a), track(v0=b, v1=b, v2=c), track(v0=c)])
    boxes = {view: rle.boxes([mask], SIZE)[0].tolist() for view, mask in whole.masks.items()}
    assert boxes == {0: [0, 0, 20, 10], 1: [0, 0, 20, 10], 2: [0, 0, 30, 10]}


def test_a_view_of_which_no_pixel_is_agreed_on_is_left_out() -> None:
    """On view 1 three tracks show three places; an empty mask would be none."""
    places = [(0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10)]
    whole = joined([track(v0=LEFT, v1=place) for place in places])
    assert list(whole.masks) == [0]
    assert whole.rejected == {1: "the masks of several boxes have too little in common"}


def test_what_one_track_has_is_not_left_out() -> None:
    one = Track(SIZE, {0: rle.encode(square(LEFT))}, {1: "first", 2: "first"})
    other = Track(SIZE, {1: rle.encode(square(LEFT))}, {0: "second", 2: "second"})
    assert joined([one, other]).rejected == {2: "first"}


@pytest.mark.parametrize("most", [1, 5])
def test_nothing_is_followed_without_boxes(wall: Callable, most: int) -> None:
    assert tracks_of(wall(4).footage, [Asked(0, 0, None, "none")], Following(), most) == []
