from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core.colours import id_colour
from prompting.palette import text_colour_on
from prompting.patches import Patch
from prompting.patches import patch as made

ROOM = (720, 1280)


def patch(style: str, number: int, size: float, room: tuple[int, int], *shift: float) -> Patch:
    return made(style, number, size, room, id_colour(number), shift or (0.0, 0.0))  # type: ignore[arg-type]


def on(background: int, picture: Patch) -> np.ndarray:
    frame = np.full((*picture.size, 3), background, np.uint8)
    picture.blend(frame, 0, 0)
    return frame


def pixel(ink: tuple[int, int, int], keep: int) -> Patch:
    return Patch((0, 0, 0), np.array([[ink]], np.uint16), np.array([[[keep]]], np.uint16))


def test_blending_one_pixel() -> None:
    frame = np.zeros((2, 3, 3), np.uint8)
    frame[1, 2] = (0, 200, 100)
    # Red, coverage 128 of 255: red (128 * 255 + 0) / 255 = 128, green 127 * 200 / 255 = 99.6, blue 49.8; rounded.
    pixel((128 * 255, 0, 0), 127).blend(frame, 2, 1)
    assert frame[1, 2].tolist() == [128, 100, 50]
    assert not frame[0].any() and not frame[1, :2].any()


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_blending_stays_between_frame_and_colour(under: int, colour: int, coverage: int) -> None:
    frame = np.full((1, 1, 3), under, np.uint8)
    pixel((coverage * colour,) * 3, 255 - coverage).blend(frame, 0, 0)
    assert min(under, colour) <= frame[0, 0, 0] <= max(under, colour)


@pytest.mark.parametrize("background", [0, 128, 255])
@pytest.mark.parametrize("object_id", [1, 3, 19, 22, 88])
def test_drawn_patches_do_not_overflow(object_id: int, background: int) -> None:
    # White on white and black on black must stay so: id 19 is white, 22 black.
    picture = patch("badge", object_id, 30.0, ROOM)
    colours = np.array([picture.colour, text_colour_on(picture.colour), (background,) * 3])
    drawn = on(background, picture)
    assert (drawn >= colours.min(axis=0) - 1).all() and (drawn <= colours.max(axis=0) + 1).all()


@pytest.mark.parametrize("object_id", range(1, 10))
def test_a_badge_of_twelve_pixels_shows_its_colour(object_id: int) -> None:
    picture = patch("badge", object_id, 12.0, (84, 84))
    assert picture.size == (12, 12)
    drawn = on(128, picture).astype(int)
    text = np.array(text_colour_on(picture.colour))
    own = np.abs(drawn - picture.colour).max(axis=-1) < 60
    written = np.abs(drawn - text).max(axis=-1) < 60
    assert own.mean() > 0.4 and own.sum() > 2 * written.sum()
    others = [id_colour(i) for i in range(1, 10) if i != object_id]
    assert not any((np.abs(drawn - other).max(axis=-1) < 20).sum() > 6 for other in others)


@pytest.mark.parametrize("size", [14.0, 30.4, 53.0])
def test_a_badge_is_as_high_as_asked_and_wide_enough(size: float) -> None:
    for number, at_least in ((8, 1.0), (10, 1.2), (88, 1.3), (100, 1.6)):
        height, width = patch("badge", number, size, ROOM).size
        assert height == round(size)
        assert at_least * height <= width + 1 <= 3 * height


def test_badges_have_round_corners_and_a_whole_middle() -> None:
    keep = patch("badge", 8, 40.0, ROOM).keep[..., 0]
    assert keep[0, 0] == keep[0, -1] == keep[-1, 0] == keep[-1, -1] == 255
    assert (keep[10:30, 10:30] == 0).all()
    assert (keep == keep[::-1]).all() and (keep == keep[:, ::-1]).all()


def test_digits_are_pure_red_of_the_papers_size_and_stroke() -> None:
    # fontScale 5 is 105 pixels; thickness int(2 * 5) = 10; a 1 is 105 + 10 high.
    picture = patch("digit", 1, 105.0, ROOM)
    assert picture.colour == (255, 0, 0)
    assert abs(picture.size[0] - 115) <= 1
    drawn = on(0, picture)
    assert drawn[..., 0].max() == 255 and not drawn[..., 1:].any()
    # The lower part of a 1 is nothing but its stroke.
    assert abs(int((drawn[80, :, 0] > 127).sum()) - 10) <= 1


def test_thin_digits_keep_a_stroke_of_two_pixels() -> None:
    drawn = on(0, patch("digit", 1, 14.0, ROOM))  # fontScale 2/3: int(4/3) = 1, so 2
    assert drawn[10, :, 0].sum() / 255 == pytest.approx(2, abs=0.5)


@pytest.mark.parametrize("style", ["badge", "digit"])
@pytest.mark.parametrize("room", [(1, 1), (3, 84), (84, 5), (7, 9)])
def test_patches_fit_into_small_frames(style: str, room: tuple[int, int]) -> None:
    for number in (1, 42, 999):
        height, width = patch(style, number, 12.0, room).size
        assert 1 <= height <= room[0] and 1 <= width <= room[1]


def test_shrinking_keeps_the_shape() -> None:
    assert patch("badge", 8, 12.0, (6, 84)).size == (6, 6)


def middle(picture: Patch) -> tuple[float, float]:
    """(x, y) of the mean of what it covers."""
    coverage = 255.0 - picture.keep[..., 0]
    y, x = np.mgrid[: coverage.shape[0], : coverage.shape[1]] + 0.5
    return float((coverage * x).sum() / coverage.sum()), float((coverage * y).sum() / coverage.sum())


@pytest.mark.parametrize("style", ["outline", "badge", "digit"])
@pytest.mark.parametrize("shift", [(0.25, 0.5), (0.75, 0.0), (0.0, 0.5)])
def test_a_mark_begins_within_a_pixel(style: str, shift: tuple[float, float]) -> None:
    still, moved = patch(style, 17, 32.0, ROOM), patch(style, 17, 32.0, ROOM, *shift)
    assert moved.size == (still.size[0] + (shift[1] > 0), still.size[1] + (shift[0] > 0))
    (x, y), (to_x, to_y) = middle(still), middle(moved)
    assert (to_x - x, to_y - y) == pytest.approx(shift, abs=0.01)
    assert float(on(0, moved).sum()) == pytest.approx(float(on(0, still).sum()), rel=0.002)  # and nothing is lost


@pytest.mark.parametrize("room", [(20, 100), (100, 20), (40, 50)])
def test_a_shrunk_mark_can_begin_within_a_pixel(room: tuple[int, int]) -> None:
    height, width = patch("badge", 42, 64.0, room).size
    assert height <= room[0] and width <= room[1]
    assert patch("badge", 42, 64.0, room, 0.5, 0.5).size == (height + 1, width + 1)


def test_patches_are_made_once() -> None:
    assert patch("badge", 5, 12.0, (84, 84)) is patch("badge", 5, 12.0, (84, 84))
