from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grounding.core import Clip, Masklets, UserError, rle
from prompting import IdMarker, Legend, Mark, id_colour
from prompting.plan import Plan

GREY = 128
STYLES = [IdMarker("badge", 12), IdMarker("digit", 15), IdMarker("outline", 12), IdMarker()]
BADGE = IdMarker("badge", 12)


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def square(shape: tuple[int, int], x: int, y: int, half: int = 4) -> np.ndarray:
    """An odd-sided square whose middle pixel is (x, y)."""
    mask = np.zeros(shape, bool)
    mask[max(0, y - half) : y + half + 1, max(0, x - half) : x + half + 1] = True
    return mask


def still(frame: np.ndarray, masks: dict[int, np.ndarray], marker: IdMarker) -> tuple[np.ndarray, tuple[Mark, ...]]:
    """Frame and marks of a clip of one frame."""
    size = next(iter(masks.values())).shape
    clip = Clip(frame[None], np.array([0.0]), 10.0, size, 0.1)
    tracks = {i: (rle.encode(mask),) for i, mask in masks.items()}
    drawn, legend = marker.annotate_clip(clip, Masklets(size, 10.0, np.array([0.0]), tracks))
    return drawn.frames[0], legend.frames[0]


def extent(changed: np.ndarray) -> tuple[int, int, int, int]:
    """Tight xyxy box of the true pixels, half-open."""
    y, x = np.nonzero(changed)
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


@pytest.mark.parametrize("marker", STYLES)
def test_the_input_is_untouched(marker: IdMarker) -> None:
    frame, mask = grey(60, 80), square((60, 80), 40, 30)
    frame.setflags(write=False)
    mask.setflags(write=False)
    drawn = marker.annotate(frame, {1: mask})
    assert (frame == GREY).all() and mask.sum() == 81
    assert (drawn != GREY).any() and not np.shares_memory(drawn, frame)
    assert drawn.dtype == np.uint8 and drawn.shape == frame.shape


@pytest.mark.parametrize("marker", STYLES)
def test_same_input_same_output_whatever_the_order_of_masks(marker: IdMarker) -> None:
    masks = {i: square((60, 80), 20 + 7 * i, 30) for i in (1, 2, 3)}
    turned = dict(reversed(masks.items()))
    assert (marker.annotate(grey(60, 80), masks) == marker.annotate(grey(60, 80), turned)).all()


def test_marks_on_one_spot_are_parted() -> None:
    mask = square((84, 84), 40, 40, half=8)
    _, marks = still(grey(84, 84), {1: mask, 2: mask, 3: mask}, BADGE)
    boxes = [mark.box for mark in marks]
    for n, one in enumerate(boxes):
        for other in boxes[:n]:
            assert one is not None and other is not None
            assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


@pytest.mark.parametrize("marker", STYLES)
@pytest.mark.parametrize("object_id", [1, 8, 10, 42, 99])
def test_the_legend_box_is_the_changed_part(marker: IdMarker, object_id: int) -> None:
    drawn, (mark,) = still(grey(100, 120), {object_id: square((100, 120), 60, 50, half=9)}, marker)
    assert mark.box == extent((drawn != GREY).any(axis=-1))
    assert mark.object_id == object_id and mark.reason is None
    assert (
        mark.colour == {"badge": id_colour(object_id), "digit": (255, 0, 0), "outline": (255, 255, 255)}[marker.style]
    )
    assert mark.visible and mark.leader is None


@pytest.mark.parametrize("marker", STYLES)
@pytest.mark.parametrize("object_id", [1, 8, 10, 42])
def test_marks_are_centred_on_the_object(marker: IdMarker, object_id: int) -> None:
    _, (mark,) = still(grey(100, 120), {object_id: square((100, 120), 61, 47, half=9)}, marker)
    assert mark.box is not None
    x1, y1, x2, y2 = mark.box
    # The middle pixel's middle is (61.5, 47.5); a box of even size is half a pixel off.
    assert abs((x1 + x2) / 2 - 61.5) <= 0.5 and abs((y1 + y2) / 2 - 47.5) <= 0.5


def test_an_even_badge_is_centred_exactly_on_an_even_object() -> None:
    mask = np.zeros((84, 84), bool)
    mask[10:30, 40:58] = True  # middle (49, 20)
    _, (mark,) = still(grey(84, 84), {4: mask}, BADGE)
    assert mark.box == (43, 14, 55, 26)


def test_an_object_of_one_pixel_has_its_mark_beside_it() -> None:
    drawn, (mark,) = still(grey(84, 84), {3: square((84, 84), 30, 50, half=0)}, BADGE)
    # Above it: half a pixel of object, 6 pixels of badge and 6 of gap, so the middle is at 50.5 - 12.5 = 38.
    assert mark.box == (25, 32, 37, 44)
    assert mark.leader == (30, 50) and mark.visible
    assert (drawn[50, 30] == GREY).all()  # the object itself stays to be seen
    assert (drawn[45:47, 30] == 255).all()  # a line leads to it from the badge
    assert (drawn[38, 26] == id_colour(3)).all()  # inside the edge, left of the number


def test_an_object_that_has_room_has_no_line() -> None:
    # A badge of 12 x 12 goes beside objects of less than half of its area, 72 pixels.
    for half, beside in ((3, True), (4, False)):  # 49 and 81 pixels
        _, (mark,) = still(grey(84, 84), {3: square((84, 84), 40, 40, half)}, BADGE)
        assert (mark.leader is not None) == beside


@pytest.mark.parametrize("marker", STYLES)
@pytest.mark.parametrize(("x", "y"), [(0, 0), (119, 0), (0, 99), (119, 99), (60, 0), (0, 50)])
def test_marks_at_the_border_are_moved_inside(marker: IdMarker, x: int, y: int) -> None:
    strip = np.zeros((100, 120), bool)  # 5 pixels on the border are too narrow for the mark, but not small
    strip[(slice(0, 5) if y == 0 else slice(95, 100)) if y != 50 else slice(None)] = y != 50
    strip[:, (slice(0, 5) if x == 0 else slice(115, 120)) if x != 60 else slice(0)] = True
    drawn, (mark,) = still(grey(100, 120), {88: strip}, marker)
    assert mark.box is not None and mark.leader is None
    x1, y1, x2, y2 = mark.box
    assert x1 >= 0 and y1 >= 0 and x2 <= 120 and y2 <= 100
    # Moved, not cut; and touching the border that it was moved from.
    assert {0: x1 == 0, 119: x2 == 120, 60: y1 == 0 or y2 == 100}[x] or {0: y1 == 0, 99: y2 == 100, 50: False}[y]
    assert mark.box == extent((drawn != GREY).any(axis=-1))


@pytest.mark.parametrize("marker", STYLES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (40, 5), (8, 8)])
def test_frames_smaller_than_a_mark(marker: IdMarker, shape: tuple[int, int]) -> None:
    drawn, (mark,) = still(grey(*shape), {27: np.ones(shape, bool)}, marker)
    assert mark.box is not None
    assert mark.box[0] >= 0 and mark.box[1] >= 0 and mark.box[2] <= shape[1] and mark.box[3] <= shape[0]
    assert (drawn != GREY).any()


def test_fitted_sizes() -> None:
    # Outlined digits are 1.1 pixels high for each of the radius inside, 9 to 16; their edge of 0.14 adds to the box.
    for half, digits in ((5, 9), (12, 14), (30, 16)):  # squares of 11, 25, 61: radii 5.5, 12.5, 30.5
        _, (mark,) = still(grey(196, 364), {1: square((196, 364), 180, 98, half)}, IdMarker())
        assert mark.box is not None and abs(mark.box[3] - mark.box[1] - 1.28 * digits) <= 1
    # Badges are 1.6 pixels high for each, 12 to 18.
    for half, side in ((5, 12), (10, 17), (30, 18)):  # 1.6 * 10.5 = 16.8
        _, (mark,) = still(grey(196, 364), {1: square((196, 364), 180, 98, half)}, IdMarker("badge"))
        assert mark.box is not None and mark.box[3] - mark.box[1] == side


@pytest.mark.parametrize("style", ["badge", "outline"])
@pytest.mark.parametrize("size", [None, 12.0])
def test_sizes_are_those_that_the_model_sees(style: str, size: float | None) -> None:
    # A frame of 9 times the model's pixels is 3 times as high and wide: so are its marks.
    heights = []
    for times, pixels in ((1, 364 * 196), (3, 364 * 196), (3, 9 * 364 * 196)):
        shape = (196 * times, 364 * times)
        masks = {5: square(shape, 180 * times, 98 * times, 8 * times)}
        _, (mark,) = still(grey(*shape), masks, IdMarker(style, size, model_pixels=pixels))
        assert mark.box is not None
        heights.append(mark.box[3] - mark.box[1])
    assert abs(heights[1] - 3 * heights[0]) <= 3
    if size is not None:
        assert abs(heights[2] - heights[0]) <= 1


def test_visible_is_said_of_what_can_be_read_at_the_models_size() -> None:
    # Digits of 4 pixels cannot, of 5 can; a badge's are 0.61 of its height, so 8 is too low and 9 is not.
    for style, size, readable in (("outline", 4, False), ("outline", 5, True), ("badge", 8, False), ("badge", 9, True)):
        _, (mark,) = still(grey(196, 364), {1: square((196, 364), 180, 98, 20)}, IdMarker(style, size))
        assert mark.box is not None and mark.visible == readable


def test_the_papers_size_of_digits() -> None:
    # 1008 pixels: fontScale 20/30 * 1008/336 = 2, so digits of 42 pixels and strokes of int(2 * 2) = 4.
    _, (mark,) = still(grey(500, 1008), {1: square((500, 1008), 500, 250, 60)}, IdMarker("digit"))
    assert mark.box is not None and abs(mark.box[3] - mark.box[1] - 46) <= 1


def test_a_huge_size_is_brought_to_the_frame() -> None:
    _, (mark,) = still(grey(50, 60), {1: np.ones((50, 60), bool)}, IdMarker("badge", 1e9))
    assert mark.box == (5, 0, 55, 50)  # 60 x 60 shrunk to 50 x 50, in the middle of the columns


def corner() -> np.ndarray:
    """A bar of 10 x 60 pixels with a foot of 60 x 10: box [20, 20, 80, 80], whose middle is off the object."""
    mask = np.zeros((100, 120), bool)
    mask[20:80, 20:30] = mask[70:80, 20:80] = True
    return mask


@pytest.mark.parametrize(
    ("anchor", "box"),
    [
        # In the corner r from the outer edges and from the inner corner (30, 70): sqrt(2) * (10 - r) = r = 5.86.
        ("inside", (20, 68, 32, 80)),
        ("centre", (44, 44, 56, 56)),
        ("above", (44, 8, 56, 20)),
    ],
)
def test_anchors(anchor: str, box: tuple[int, int, int, int]) -> None:
    marker = IdMarker("badge", 12, anchor)
    drawn, (mark,) = still(grey(100, 120), {1: corner()}, marker)
    assert mark.box is not None and np.abs(np.subtract(mark.box, box)).max() <= (anchor == "inside")
    assert mark.leader is None and mark.box == extent((drawn != GREY).any(axis=-1))
    assert (marker.annotate(grey(100, 120), {1: corner()}) == drawn).all()


def test_nothing_stands_above_the_frame() -> None:
    _, (mark,) = still(grey(100, 120), {1: square((100, 120), 60, 8, half=8)}, IdMarker("badge", 12, "above"))
    assert mark.box == (55, 0, 67, 12)  # the middle across is 60.5, less 6, halves go up


@pytest.mark.parametrize("anchor", ["centre", "above"])
def test_anchored_marks_of_a_clip_follow_and_are_parted(anchor: str) -> None:
    clip, masklets = moving_clip()
    _, legend = IdMarker("badge", 12, anchor).annotate_clip(clip, masklets)
    # Squares of 9: middles 20.5 or 45.5 down, so their marks begin 6 above that, or 4.5 + 12.
    down = {"centre": 6, "above": 16.5}[anchor]
    for marks, x in zip(legend.frames, (15, 27, 47), strict=True):
        box = marks[0].box
        assert box is not None and abs(box[0] - x) <= 1 and box[1] == int(20.5 - down + 0.5)
    _, legend = IdMarker("badge", 12, anchor).annotate_clip(
        clip, Masklets(masklets.size, 10.0, masklets.pts, {i: masklets.tracks[1] for i in (1, 2)})
    )
    for marks in legend.frames:
        one, other = (mark.box for mark in marks)
        assert one is not None and other is not None
        assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


def test_colours_of_another_palette() -> None:
    colours = [(0, 40, 0), (250, 250, 0)]
    masks = {i: square((100, 120), 20 * i, 40) for i in (1, 2, 3)}
    drawn, marks = still(grey(100, 120), masks, IdMarker("badge+box", 12, palette=colours))
    assert [mark.colour for mark in marks] == [colours[0], colours[1], colours[0]]  # two colours for three ids
    for i, mark in enumerate(marks, 1):
        assert mark.box is not None
        x, y = mark.box[:2]
        assert (drawn[y + 6, x + 1] == mark.colour).all()  # inside the edge of the badge, left of the number
        assert (drawn[36, 20 * i] == mark.colour).all() or mark.box[1] <= 36  # the box's upper edge
    # Numbers are white on the dark colour and black on the light one.
    inside = [drawn[mark.box[1] + 3 : mark.box[3] - 3, mark.box[0] + 3 : mark.box[2] - 3] for mark in marks if mark.box]
    assert inside[0].max() > 200 and inside[1].min(axis=2).max() < 100 and inside[1].max(axis=2).min() < 60


@pytest.mark.parametrize("style", ["badge", "tint", "contour", "box"])
def test_named_palettes_colour_every_style(style: str) -> None:
    mask = square((84, 84), 40, 40, half=12)
    drawn, (mark,) = still(grey(84, 84), {2: mask}, IdMarker(style, palette="okabe-ito"))
    sky_blue = (86, 180, 233)
    shown = np.rint(0.6 * GREY + 0.4 * np.array(sky_blue)) if style == "tint" else sky_blue
    assert mark.colour == sky_blue and (drawn == shown).all(axis=-1).sum() > 20


def test_outlined_and_plain_digits_stay_white_and_red() -> None:
    mask = square((84, 84), 40, 40, half=12)
    for style in ("outline", "digit"):
        plain = IdMarker(style).annotate(grey(84, 84), {2: mask})
        assert (IdMarker(style, palette="okabe-ito").annotate(grey(84, 84), {2: mask}) == plain).all()


def film(room: tuple[int, int], fps: float, speed: float = 0.3) -> tuple[Plan, int]:
    """A plan of 20 frames of one disc that moves slowly, and how many places within a pixel its marks take."""
    y, x = np.mgrid[:54, :96]
    tracks = {1: tuple(rle.encode((x - 30 - speed * t) ** 2 + (y - 25) ** 2 <= 150) for t in range(20))}
    plan = IdMarker().plan(Masklets((54, 96), fps, np.arange(20) / fps, tracks), np.arange(20) / fps, room)
    assert plan.places is not None
    return plan, len(np.unique(plan.places.corners[:, 0, 0] % 1))


@pytest.mark.parametrize(
    ("room", "fps", "parts"),
    [
        ((720, 1280), 24.0, 4),  # scale 3.59: 14.4 steps in a pixel of the model's, of 16
        ((1080, 1920), 24.0, 2),  # 5.39: 10.8
        ((2160, 3840), 24.0, 1),  # 10.8
        ((196, 364), 24.0, 1),  # the model sees it as it is
        ((720, 1280), 2.0, 1),  # stills
    ],
)
def test_marks_of_a_film_stand_on_parts_of_a_pixel(room: tuple[int, int], fps: float, parts: int) -> None:
    assert film(room, fps)[1] == parts


def test_the_box_of_a_mark_within_a_pixel_is_around_it() -> None:
    plan, _ = film((720, 1280), 24.0)
    for t in range(20):
        frame = grey(720, 1280)
        (mark,) = plan.draw(frame, t, {})
        assert mark.box is not None
        x1, y1, x2, y2 = extent((frame != GREY).any(axis=-1))
        assert 0 <= x1 - mark.box[0] <= 1 and 0 <= y1 - mark.box[1] <= 1
        assert 0 <= mark.box[2] - x2 <= 1 and 0 <= mark.box[3] - y2 <= 1


def test_masks_of_another_resolution() -> None:
    # The source is 4 x 3 times as large; its middle pixel (200, 120) is at (200.5, 120.5) -> (50.125, 40.17).
    _, (mark,) = still(grey(100, 120), {1: square((300, 480), 200, 120, half=40)}, BADGE)
    assert mark.box == (44, 34, 56, 46)
    # And smaller: pixel (15, 10) of 30 x 30 covers 45 to 48 and 30 to 33 of 90, middle 46.5 and 31.5.
    _, (mark,) = still(grey(90, 90), {1: square((30, 30), 15, 10, half=2)}, BADGE)
    assert mark.box == (41, 26, 53, 38)


@pytest.mark.parametrize("style", ["outline", "contour", "tint", "box"])
def test_objects_too_small_for_the_model_are_named_and_left_out(style: str) -> None:
    # 392 x 728 is 4 times what the model sees: an object of 3 pixels has 0.75 of them there, one of 4 has 1.
    for pixels, drawn in ((3, False), (4, True)):
        mask = np.zeros((392, 728), bool)
        mask[200, 300 : 300 + pixels] = True
        frame, (mark,) = still(grey(392, 728), {1: mask}, IdMarker(style))
        assert (mark.box is not None) == (frame != GREY).any() == drawn
        assert mark.reason == (None if drawn else "smaller than 1 pixel at the model's size")


def test_empty_masks_are_not_drawn_and_said_so() -> None:
    masks = {1: np.zeros((50, 60), bool), 2: square((50, 60), 30, 30)}
    drawn, (first, second) = still(grey(50, 60), masks, BADGE)
    assert first == Mark(1, id_colour(1), reason="not seen in this frame")
    assert second.box is not None
    assert (drawn == BADGE.annotate(grey(50, 60), {2: masks[2]})).all()


def test_no_masks_no_change() -> None:
    assert (IdMarker().annotate(grey(50, 60), {}) == GREY).all()


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_nothing_changes_outside_the_boxes_and_no_two_meet(data: st.DataObject) -> None:
    marker = data.draw(st.sampled_from([*STYLES, IdMarker("badge", 3), IdMarker("digit")]))
    height, width = data.draw(st.integers(1, 50)), data.draw(st.integers(1, 50))
    shape = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    masks = data.draw(st.dictionaries(st.integers(1, 120), arrays(bool, shape), min_size=1, max_size=4))
    drawn, marks = still(grey(height, width), masks, marker)
    assert [mark.object_id for mark in marks] == sorted(masks)
    times = np.zeros((height, width), int)
    for mark in marks:
        assert (mark.box is None) == (mark.reason is not None)
        assert masks[mark.object_id].any() or mark.reason == "not seen in this frame"
        if mark.box is not None:
            x1, y1, x2, y2 = mark.box
            assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
            times[y1:y2, x1:x2] += 1
    assert times.max() <= 1
    if not any(mark.leader for mark in marks):
        assert (drawn[times == 0] == GREY).all()


def moving_clip() -> tuple[Clip, Masklets]:
    """Ten source frames at 10 a second; object 1 moves 4 pixels a frame, object 2 is there in frames 0 to 4 only."""
    size, pts = (60, 100), np.arange(10) / 10
    one = tuple(rle.encode(square(size, 20 + 4 * t, 20)) for t in range(10))
    two = tuple(rle.encode(square(size, 50, 45)) if t < 5 else None for t in range(10))
    # Sampled near frames 0, 3 and 8.
    clip = Clip(np.full((3, 60, 100, 3), GREY, np.uint8), np.array([0.0, 0.31, 0.79]), 10.0, size, 1.0)
    return clip, Masklets(size, 10.0, pts, {2: two, 1: one})


def test_a_clip_follows_its_objects() -> None:
    clip, masklets = moving_clip()
    drawn, legend = BADGE.annotate_clip(clip, masklets)
    assert (clip.frames == GREY).all() and (drawn.frames != GREY).any()
    assert (drawn.pts == clip.pts).all() and drawn.size == clip.size and drawn.duration == clip.duration
    # Middles 20.5, 20.5 + 3 * 4 and 20.5 + 8 * 4 across, 20.5 down; less 6 for badges of 12 pixels, halves go up.
    # Samples 0.31 s and 0.48 s apart hardly smooth one another: 1.86 sigmas weigh 0.18, so a pixel either way.
    for marks, x in zip(legend.frames, (15, 27, 47), strict=True):
        box = marks[0].box
        assert box is not None and abs(box[0] - x) <= 1 and box[1] == 15
    assert [marks[1].box for marks in legend.frames] == [(45, 40, 57, 52), (45, 40, 57, 52), None]
    assert legend.frames[2][1] == Mark(2, id_colour(2), reason="not seen in this frame")
    assert isinstance(legend, Legend)


@pytest.mark.parametrize("style", ["badge", "outline+contour", "tint", "contour+box"])
def test_frames_far_apart_in_time_are_drawn_like_stills(style: str) -> None:
    clip, masklets = moving_clip()
    slow = Clip(clip.frames, np.array([0.0, 3.0, 8.0]), 1.0, clip.size, 10.0)
    drawn, _ = IdMarker(style).annotate_clip(slow, Masklets(masklets.size, 1.0, np.arange(10.0), masklets.tracks))
    for at, source in enumerate((0, 3, 8)):
        still_frame = IdMarker(style).annotate(clip.frames[at], masklets.masks_at(source))
        assert (drawn.frames[at] == still_frame).all()


def test_a_resized_clip_has_boxes_in_its_own_pixels() -> None:
    clip, masklets = moving_clip()
    small = clip.with_frames(np.full((3, 120, 200, 3), GREY, np.uint8))
    drawn, legend = BADGE.annotate_clip(small, masklets)
    # Object 2: middle (50.5, 45.5) of the source, (101, 91) here; less 6.
    assert legend.frames[0][1].box == (95, 85, 107, 97)
    assert drawn.frames.shape == small.frames.shape


def test_a_plan_draws_what_a_clip_is_drawn_with() -> None:
    clip, masklets = moving_clip()
    drawn, legend = IdMarker().annotate_clip(clip, masklets)
    plan = IdMarker().plan(masklets, clip.pts, (60, 100))
    assert not plan.needs_masks
    for t, frame in enumerate(clip.frames.copy()):
        assert plan.draw(frame, t, {}) == legend.frames[t]
        assert (frame == drawn.frames[t]).all()


def test_runs_of_the_wrong_length_are_refused() -> None:
    clip, masklets = moving_clip()
    wrong = (*masklets.tracks[1][:3], rle.encode(np.ones((60, 99), bool)), *masklets.tracks[1][4:])
    with pytest.raises(UserError, match=r"object 1 in source frame 3 must fill 60 x 100 = 6000 pixels.* make 5940"):
        IdMarker().annotate_clip(clip, Masklets((60, 100), 10.0, masklets.pts, {1: wrong}))


@pytest.mark.parametrize("model_pixels", [400 * 600, 364 * 196])
def test_three_hundred_objects(model_pixels: int) -> None:
    masks = {20 * r + c + 1: square((400, 600), 15 + 30 * c, 13 + 26 * r, 8) for r in range(15) for c in range(20)}
    _, marks = still(grey(400, 600), masks, IdMarker(model_pixels=model_pixels))
    assert [mark.object_id for mark in marks] == list(range(1, 301))
    boxes = [mark.box for mark in marks if mark.box is not None]
    times = np.zeros((400, 600), int)
    for x1, y1, x2, y2 in boxes:
        times[y1:y2, x1:x2] += 1
    assert times.max() == 1
    if model_pixels == 400 * 600:
        # Marks of at most 13 x 26 pixels in cells of 26 x 30.
        assert len(boxes) == 300
    else:
        # 1.83 times as large, 24 x 47 for three digits: not all of 300 x 1128 pixels fit into 240,000.
        assert 100 < len(boxes) < 300
    reasons = {mark.reason for mark in marks if mark.box is None}
    assert reasons <= {"no room left beside the marks of larger objects"}


def test_masklets_of_another_size_are_refused() -> None:
    clip, masklets = moving_clip()
    other = Masklets((30, 50), 10.0, masklets.pts, {})
    with pytest.raises(UserError, match=r"\(60, 100\), got \(30, 50\)"):
        IdMarker().annotate_clip(clip, other)


def test_what_is_no_clip_is_refused() -> None:
    clip, masklets = moving_clip()
    for pair, said in ((([clip.frames[0]], masklets), "got list and Masklets"), ((clip, {}), "got Clip and dict")):
        with pytest.raises(UserError, match=said):
            IdMarker().annotate_clip(*pair)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf")])
def test_sizes_that_cannot_be_drawn_are_refused(size: float) -> None:
    with pytest.raises(UserError, match="marker size must be a finite number"):
        IdMarker(size=size)


@pytest.mark.parametrize("anchor", ["center", "", "Above", None])
def test_unknown_anchors_are_refused(anchor: str) -> None:
    with pytest.raises(UserError, match="marker anchor must be one of inside, centre, above, got"):
        IdMarker(anchor=anchor)


@pytest.mark.parametrize("palette", ["rainbow", [], [(1, 2)], None])
def test_unknown_palettes_are_refused(palette: str) -> None:
    with pytest.raises(UserError, match="a palette"):
        IdMarker(palette=palette)


@pytest.mark.parametrize("pixels", [0, -5, float("nan")])
def test_a_model_sees_a_pixel_at_least(pixels: float) -> None:
    with pytest.raises(UserError, match="model_pixels must be 1 or more"):
        IdMarker(model_pixels=pixels)  # type: ignore[arg-type]


@pytest.mark.parametrize("style", ["circle", "outline+", "badge+digit", "box+box", "", "outline, box", None])
def test_unknown_styles_are_refused(style: str) -> None:
    with pytest.raises(UserError, match="one of outline, badge, digit and any of tint, contour, box"):
        IdMarker(style)
