from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grounding.core import Clip, Masklets, UserError, rle
from prompting import IdMarker, Legend, Mark, id_colour

GREY = 128
STYLES = [IdMarker("badge"), IdMarker("digit", size=15)]


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


def test_the_larger_id_lies_on_top() -> None:
    mask = square((84, 84), 40, 40)
    both, two = (IdMarker().annotate(grey(84, 84), {i: mask for i in ids}) for ids in ((2, 1), (2,)))
    # The box is 35 to 47, its corners round for 0.35 * 12 pixels: rows 40 and 41 hide the badge below fully.
    assert (both[40:42, 35:47] == two[40:42, 35:47]).all() and (two[40:42, 35:47] != GREY).all(axis=-1).any()


@pytest.mark.parametrize("marker", STYLES)
@pytest.mark.parametrize("object_id", [1, 8, 10, 42, 99])
def test_the_legend_box_is_the_changed_part(marker: IdMarker, object_id: int) -> None:
    drawn, (mark,) = still(grey(100, 120), {object_id: square((100, 120), 60, 50)}, marker)
    assert mark.box == extent((drawn != GREY).any(axis=-1))
    assert mark.object_id == object_id and mark.reason is None
    assert mark.colour == (id_colour(object_id) if marker.style == "badge" else (255, 0, 0))


@pytest.mark.parametrize("marker", STYLES)
@pytest.mark.parametrize("object_id", [1, 8, 10, 42])
def test_marks_are_centred_on_the_object(marker: IdMarker, object_id: int) -> None:
    _, (mark,) = still(grey(100, 120), {object_id: square((100, 120), 61, 47)}, marker)
    assert mark.box is not None
    x1, y1, x2, y2 = mark.box
    # The middle pixel's middle is (61.5, 47.5); a box of even size is half a pixel off.
    assert abs((x1 + x2) / 2 - 61.5) <= 0.5 and abs((y1 + y2) / 2 - 47.5) <= 0.5


def test_an_even_badge_is_centred_exactly_on_an_even_object() -> None:
    mask = np.zeros((84, 84), bool)
    mask[10:30, 40:58] = True  # middle (49, 20)
    _, (mark,) = still(grey(84, 84), {4: mask}, IdMarker())
    assert mark.box == (43, 14, 55, 26)


def test_an_object_of_one_pixel() -> None:
    drawn, (mark,) = still(grey(84, 84), {3: square((84, 84), 30, 50, half=0)}, IdMarker())
    # A badge of 12 pixels with the pixel (30, 50) among its middle four.
    assert mark.box == (25, 45, 37, 57)
    assert (drawn[50, 26] == id_colour(3)).all()  # inside the edge, left of the number


@pytest.mark.parametrize("marker", STYLES)
@pytest.mark.parametrize(("x", "y"), [(0, 0), (119, 0), (0, 99), (119, 99), (60, 0), (0, 50)])
def test_marks_at_the_border_are_moved_inside(marker: IdMarker, x: int, y: int) -> None:
    drawn, (mark,) = still(grey(100, 120), {88: square((100, 120), x, y, half=0)}, marker)
    _, (middle,) = still(grey(100, 120), {88: square((100, 120), 60, 50)}, marker)
    assert mark.box is not None and middle.box is not None
    x1, y1, x2, y2 = mark.box
    assert x1 >= 0 and y1 >= 0 and x2 <= 120 and y2 <= 100
    # Moved, not cut; and touching the border that it was moved from.
    assert (x2 - x1, y2 - y1) == (middle.box[2] - middle.box[0], middle.box[3] - middle.box[1])
    assert {0: x1 == 0, 119: x2 == 120, 60: True}[x] and {0: y1 == 0, 99: y2 == 100, 50: True}[y]
    assert mark.box == extent((drawn != GREY).any(axis=-1))


@pytest.mark.parametrize("marker", STYLES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (40, 5), (8, 8)])
def test_frames_smaller_than_a_mark(marker: IdMarker, shape: tuple[int, int]) -> None:
    drawn, (mark,) = still(grey(*shape), {27: np.ones(shape, bool)}, marker)
    assert mark.box is not None
    assert mark.box[0] >= 0 and mark.box[1] >= 0 and mark.box[2] <= shape[1] and mark.box[3] <= shape[0]
    assert (drawn != GREY).any()


def test_default_sizes() -> None:
    # Longest side / 24, at least 12: 84 -> 12, 364 -> 15.2, 1280 -> 53.3.
    for shape, expected in (((84, 84), 12), ((196, 364), 15), ((720, 1280), 53)):
        _, (mark,) = still(grey(*shape), {1: np.ones(shape, bool)}, IdMarker())
        assert mark.box is not None and mark.box[3] - mark.box[1] == expected


def test_the_papers_size_of_digits() -> None:
    # 1008 pixels: fontScale 20/30 * 1008/336 = 2, so digits of 42 pixels and strokes of int(2 * 2) = 4.
    _, (mark,) = still(grey(500, 1008), {1: square((500, 1008), 500, 250)}, IdMarker("digit"))
    assert mark.box is not None and abs(mark.box[3] - mark.box[1] - 46) <= 1


def test_a_huge_size_is_brought_to_the_frame() -> None:
    _, (mark,) = still(grey(50, 60), {1: np.ones((50, 60), bool)}, IdMarker(size=1e9))
    assert mark.box == (5, 0, 55, 50)  # 60 x 60 shrunk to 50 x 50, in the middle of the columns


def test_masks_of_another_resolution() -> None:
    # The source is 4 x 3 times as large; its middle pixel (100, 60) is at (100.5, 60.5) -> (25.125, 20.17).
    _, (mark,) = still(grey(100, 120), {1: square((300, 480), 100, 60, half=9)}, IdMarker())
    assert mark.box == (19, 14, 31, 26)
    # And smaller: pixel (5, 5) of 30 x 30 covers 15 to 18 of 90, middle 16.5.
    _, (mark,) = still(grey(90, 90), {1: square((30, 30), 5, 5, half=1)}, IdMarker())
    assert mark.box == (11, 11, 23, 23)


def test_empty_masks_are_not_drawn_and_said_so() -> None:
    masks = {1: np.zeros((50, 60), bool), 2: square((50, 60), 30, 30)}
    drawn, (first, second) = still(grey(50, 60), masks, IdMarker())
    assert first == Mark(1, id_colour(1), reason="not seen in this frame")
    assert second.box is not None
    assert (drawn == IdMarker().annotate(grey(50, 60), {2: masks[2]})).all()


def test_no_masks_no_change() -> None:
    assert (IdMarker().annotate(grey(50, 60), {}) == GREY).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_nothing_changes_outside_the_boxes(data: st.DataObject) -> None:
    marker = data.draw(st.sampled_from([*STYLES, IdMarker(size=3), IdMarker("digit")]))
    height, width = data.draw(st.integers(1, 50)), data.draw(st.integers(1, 50))
    shape = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    masks = data.draw(st.dictionaries(st.integers(1, 120), arrays(bool, shape), min_size=1, max_size=3))
    drawn, marks = still(grey(height, width), masks, marker)
    assert [mark.object_id for mark in marks] == sorted(masks)
    within = np.zeros((height, width), bool)
    for mark in marks:
        assert (mark.box is not None) == bool(masks[mark.object_id].any()) == (mark.reason is None)
        if mark.box is not None:
            x1, y1, x2, y2 = mark.box
            assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
            within[y1:y2, x1:x2] = True
    assert (drawn[~within] == GREY).all()


def moving_clip() -> tuple[Clip, Masklets]:
    """Ten source frames at 10 a second; object 1 moves 4 pixels a frame, object 2 is there in frames 0 to 4 only."""
    size, pts = (60, 100), np.arange(10) / 10
    one = tuple(rle.encode(square(size, 20 + 4 * t, 20)) for t in range(10))
    two = tuple(rle.encode(square(size, 50, 45)) if t < 5 else None for t in range(10))
    # Sampled near frames 0, 3 and 8.
    clip = Clip(np.full((3, 60, 100, 3), GREY, np.uint8), np.array([0.0, 0.31, 0.79]), 10.0, size, 1.0)
    return clip, Masklets(size, 10.0, pts, {2: two, 1: one})


def test_a_clip_is_drawn_frame_by_frame() -> None:
    clip, masklets = moving_clip()
    drawn, legend = IdMarker().annotate_clip(clip, masklets)
    assert (clip.frames == GREY).all()
    assert (drawn.pts == clip.pts).all() and drawn.size == clip.size and drawn.duration == clip.duration
    for at, source in enumerate((0, 3, 8)):
        assert (drawn.frames[at] == IdMarker().annotate(clip.frames[at], masklets.masks_at(source))).all()
    # Middles 20.5, 20.5 + 3 * 4 and 20.5 + 8 * 4 across, 20.5 down; less 6 for badges of 12 pixels, halves go up.
    assert [marks[0].box for marks in legend.frames] == [(15, 15, 27, 27), (27, 15, 39, 27), (47, 15, 59, 27)]
    assert [marks[1].box for marks in legend.frames] == [(45, 40, 57, 52), (45, 40, 57, 52), None]
    assert legend.frames[2][1] == Mark(2, id_colour(2), reason="not seen in this frame")
    assert isinstance(legend, Legend)


def test_a_resized_clip_has_boxes_in_its_own_pixels() -> None:
    clip, masklets = moving_clip()
    small = clip.with_frames(np.full((3, 30, 50, 3), GREY, np.uint8))
    drawn, legend = IdMarker().annotate_clip(small, masklets)
    # Object 1 in frame 3: middle (32.5, 20.5) of the source, (16.25, 10.25) here; less 6, rounded.
    assert legend.frames[1][0].box == (10, 4, 22, 16)
    assert drawn.frames.shape == small.frames.shape


def test_masklets_of_another_size_are_refused() -> None:
    clip, masklets = moving_clip()
    other = Masklets((30, 50), 10.0, masklets.pts, {})
    with pytest.raises(UserError, match=r"\(60, 100\), got \(30, 50\)"):
        IdMarker().annotate_clip(clip, other)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (np.zeros((5, 5, 3), np.float32), r"uint8 RGB .*got float32 \(5, 5, 3\)"),
        (np.zeros((5, 5), np.uint8), r"got uint8 \(5, 5\)"),
        (np.zeros((5, 5, 4), np.uint8), r"got uint8 \(5, 5, 4\)"),
        (np.zeros((0, 5, 3), np.uint8), r"got uint8 \(0, 5, 3\)"),
    ],
)
def test_what_is_no_frame_is_refused(frame: np.ndarray, said: str) -> None:
    with pytest.raises(UserError, match=said):
        IdMarker().annotate(frame, {})


@pytest.mark.parametrize("mask", [np.zeros((2, 3, 4), bool), np.zeros(5, bool), np.zeros((5, 5), np.uint8)])
def test_what_is_no_mask_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"mask of object 7 must be bool \(height, width\), got"):
        IdMarker().annotate(grey(5, 5), {7: mask})


@pytest.mark.parametrize("wrong", [0, -3, 1.5, "1"])
def test_what_is_no_id_is_refused(wrong: object) -> None:
    with pytest.raises(UserError, match="whole numbers of 1 or more"):
        IdMarker().annotate(grey(5, 5), {wrong: np.ones((5, 5), bool), 1: np.ones((5, 5), bool)})  # type: ignore[dict-item]


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf")])
def test_sizes_that_cannot_be_drawn_are_refused(size: float) -> None:
    with pytest.raises(UserError, match="marker size must be a finite number"):
        IdMarker(size=size)


def test_unknown_styles_are_refused() -> None:
    with pytest.raises(UserError, match="badge, digit, got 'circle'"):
        IdMarker("circle")  # type: ignore[arg-type]


@pytest.mark.shared_data
@pytest.mark.parametrize("style", ["badge", "digit"])
def test_real_video(shared_data: Path, style: str) -> None:
    av = pytest.importorskip("av")
    image = pytest.importorskip("PIL.Image")
    folder = shared_data / "stvg" / "schoolgirls"
    maps = np.stack([np.asarray(image.open(folder / "masks" / f"{t:05d}.png")) for t in range(0, 80, 20)])
    with av.open(str(folder / "video.mp4")) as video:
        decoded = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(decoded) == 80 and maps.shape == (4, 240, 432)
    times = np.arange(4) * 20 / 24
    ids = [int(i) for i in np.unique(maps) if i]
    tracks = {i: tuple(rle.encode(m == i) if (m == i).any() else None for m in maps) for i in ids}
    frames = np.stack([cv2.resize(decoded[t], (364, 196), interpolation=cv2.INTER_AREA) for t in range(0, 80, 20)])
    clip = Clip(frames, times, 24.0, (240, 432), 80 / 24)

    drawn, legend = IdMarker(style).annotate_clip(clip, Masklets((240, 432), 24.0, times, tracks))  # type: ignore[arg-type]

    for t, marks in enumerate(legend.frames):
        assert [mark.object_id for mark in marks] == ids == list(range(1, 8))
        within = np.zeros((196, 364), bool)
        for mark in marks:
            assert (mark.box is not None) == bool((maps[t] == mark.object_id).any())
            if mark.box is not None:
                x1, y1, x2, y2 = mark.box
                within[y1:y2, x1:x2] = True
                # The middle of the mark lies on its object, give or take a pixel of rounding.
                x, y = int((x1 + x2) / 2 * 432 / 364), int((y1 + y2) / 2 * 240 / 196)
                assert (maps[t, y - 1 : y + 2, x - 1 : x + 2] == mark.object_id).any()
        changed = (drawn.frames[t] != frames[t]).any(axis=-1)
        assert not (changed & ~within).any() and changed.sum() > 7 * 20
