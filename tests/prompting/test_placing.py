from __future__ import annotations

from dataclasses import replace
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompting.placing import ANCHORS, Places, Rules, place, steady_radii
from prompting.spots import Spots

ROOM = (200, 300)
FILM = np.arange(48) / 24
RULES = Rules(smallest=1.0, space=0.2)


def discs(paths: list[np.ndarray], radii: list[float], times: np.ndarray = FILM) -> Spots:
    """Discs that move along paths, each (T, 2); a radius of 0 or a NaN is not seen."""
    poles = np.stack(paths, axis=1).astype(float)
    sizes = np.where(np.isnan(poles[..., 0]), 0.0, np.array(radii, float))
    poles = np.nan_to_num(poles)
    boxes = np.concatenate([poles - sizes[..., None], poles + sizes[..., None]], axis=2)
    return Spots(tuple(range(1, len(radii) + 1)), times, poles, sizes, np.pi * sizes**2, boxes)


def placed(spots: Spots, anchor: str = "inside", parts: int = 1) -> Places:
    """Marks of 10 x 8 pixels."""
    rules = replace(RULES, anchor=anchor, parts=parts)
    return place(spots, np.full(spots.areas.shape, 10.0), lambda _, h: (10, 8), ROOM, rules)


def still(x: float, y: float, count: int = len(FILM)) -> np.ndarray:
    return np.tile([x, y], (count, 1)).astype(float)


def acceleration(places: Places) -> float:
    return float(np.linalg.norm(np.diff(places.centres, 2, axis=0), axis=-1).mean())


def boxes_of(places: Places, t: int) -> list[tuple[int, int, int, int]]:
    """All pixels that a mark touches."""
    return [
        (floor(x), floor(y), ceil(x + w), ceil(y + h))
        for (x, y), (h, w), drawn in zip(places.corners[t], places.extents[t], places.drawn[t], strict=True)
        if drawn
    ]


def apart(boxes: list[tuple[int, int, int, int]]) -> bool:
    return all(
        a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3] for n, a in enumerate(boxes) for b in boxes[:n]
    )


def test_an_object_that_rests_has_its_mark_in_its_middle() -> None:
    places = placed(discs([still(100, 80)], [20]))
    assert places.centres == pytest.approx(np.full((48, 1, 2), (100, 80)))
    assert (places.corners == (96, 75)).all() and places.drawn.all() and not places.beside.any()


def test_trembling_is_taken_out() -> None:
    path = still(100, 80) + np.random.default_rng(0).normal(0, 4, (48, 2))
    spots = discs([path], [25])
    raw = float(np.linalg.norm(np.diff(path, 2, axis=0), axis=-1).mean())
    assert acceleration(placed(spots)) < 0.05 * raw


def test_fast_motion_does_not_shake_the_mark_off() -> None:
    # To and fro 4 times a second over 120 pixels, 1,500 pixels a second: smoothing alone would stand still.
    path = still(150, 100) + np.stack([60 * np.sin(2 * np.pi * 4 * FILM), 0 * FILM], axis=1)
    places = placed(discs([path], [12]))
    assert (np.abs(places.centres[:, 0] - path) <= 12 + 1e-9).all()
    # And where it jumps from one end of the picture to the other:
    path = np.where((np.arange(48) < 24)[:, None], still(40, 100), still(260, 100))
    far = np.abs(placed(discs([path], [12])).centres[:, 0] - path)
    assert far.max() <= 12 + 1e-9 and np.median(far) < 1


def test_a_crossing_parts_the_marks_and_keeps_them_steady() -> None:
    way = np.linspace(-60, 60, 48)
    paths = [still(150, 100) + np.stack([way, 0 * way], axis=1), still(150, 103) - np.stack([way, 0 * way], axis=1)]
    places = placed(discs(paths, [15, 15]))
    assert places.drawn.all()
    assert all(apart(boxes_of(places, t)) for t in range(48))
    assert acceleration(places) < 1.0


def test_small_objects_have_their_marks_beside_them() -> None:
    # A mark of 10 x 8 goes beside objects of less than 40 square pixels: radius 3 has 28, radius 4 has 50.
    places = placed(discs([still(100, 80), still(200, 80)], [3, 4]))
    assert places.beside[:, 0].all() and not places.beside[:, 1].any()
    # Straight above: 3 pixels of object, 5 of mark and 4 (half of its width) of gap.
    assert places.centres[:, 0] == pytest.approx(still(100, 80 - 12))
    assert places.centres[:, 1] == pytest.approx(still(200, 80))


def test_a_mark_beside_goes_where_nothing_is() -> None:
    # Above is another object, so it goes up and to the right; at the upper border it goes sideways.
    places = placed(discs([still(100, 80), still(100, 60)], [3, 12]))
    assert (places.centres[:, 0] > (100, 80 - 12 - 1e-9)).all()
    ((x1, y1, x2, _),) = boxes_of(placed(discs([still(100, 2)], [2])), 0)
    assert y1 >= 0 and (x1 > 102 or x2 < 98 or y1 > 4)


def test_marks_stand_where_they_are_anchored() -> None:
    # Discs whose poles lie 5 right of and 4 below the middles of boxes of 60 x 40.
    spots = discs([still(105, 84), still(45, 26)], [15, 15])
    boxes = np.tile([[70.0, 60, 130, 100], [10, 2, 70, 42]], (48, 1, 1))
    spots = replace(spots, boxes=boxes)
    # The marks are 10 high: the second has room for 2 of them above its box.
    for anchor, first, second in (
        ("inside", (105, 84), (45, 26)),
        ("centre", (100, 80), (40, 22)),
        ("above", (100, 55), (40, 5)),
    ):
        places = placed(spots, anchor)
        assert places.centres[:, 0] == pytest.approx(still(*first)) and places.centres[:, 1] == pytest.approx(
            still(*second)
        )
        assert places.drawn.all() and not places.beside.any()


@pytest.mark.parametrize(("anchor", "up"), [("centre", 0), ("above", 25)])  # 20 of disc and 5 of mark
def test_anchored_marks_are_steady_and_follow(anchor: str, up: float) -> None:
    path = still(50, 100) + np.outer(np.arange(48), (4, 0))
    even = placed(discs([path], [20]), anchor).centres[10:-10, 0]
    assert even == pytest.approx((path - (0, up))[10:-10], abs=0.2)  # the ends, which lag, reach so far
    shaken = path + np.random.default_rng(0).normal(0, 2, path.shape)
    raw = float(np.linalg.norm(np.diff(shaken, 2, axis=0), axis=-1).mean())
    assert acceleration(placed(discs([shaken], [20]), anchor)) < 0.1 * raw


@pytest.mark.parametrize("anchor", ["centre", "above"])
def test_small_objects_have_theirs_beside_whatever_the_anchor(anchor: str) -> None:
    spots = discs([still(100, 80)], [3])
    places = placed(spots, anchor)
    assert places.beside.all() and places.centres == pytest.approx(placed(spots).centres)


def test_a_mark_slides_beside_when_its_object_shrinks() -> None:
    spots = discs([still(100, 80)], [20])
    shrunk = np.where(np.arange(48) < 24, 20.0, 2.0)[:, None]
    spots = Spots(spots.ids, FILM, spots.poles, shrunk, np.pi * shrunk**2, spots.boxes)
    places = placed(spots)
    assert not places.beside[:18].any() and places.beside[30:].all()
    assert (np.diff(places.beside[:, 0].astype(int)) != 0).sum() == 1  # once, without flicker
    assert np.linalg.norm(np.diff(places.centres[:, 0], axis=0), axis=1).max() < 12  # of the 29 pixels from end to end


def test_what_cannot_be_seen_has_no_mark() -> None:
    path = still(100, 80)
    path[10:20] = np.nan
    places = placed(discs([path, still(200, 80)], [20, 0.5]))
    assert places.drawn[:, 0].tolist() == [not 10 <= t < 20 for t in range(48)]
    assert not places.drawn[:, 1].any()  # 0.79 pixels


def test_the_smaller_object_gives_way_where_there_is_no_room() -> None:
    spots = discs([still(150, 100)] * 3, [30, 50, 40])
    places = place(spots, np.full((48, 3), 150.0), lambda _, h: (150, 200), ROOM, RULES)
    assert places.drawn.tolist() == [[False, True, False]] * 48


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 300), st.floats(0, 200), st.floats(-200, 200), st.floats(-200, 200), st.floats(0.5, 60)),
        min_size=1,
        max_size=7,
    ),
    st.sampled_from([1.0, 0.1, 1 / 30]),
    st.sampled_from(ANCHORS),
    st.sampled_from([1, 2, 4]),
)
def test_marks_never_meet_and_never_leave_the_frame(
    things: list[tuple[float, ...]], gap: float, anchor: str, parts: int
) -> None:
    times = np.arange(9) * gap
    paths = [np.clip(still(x, y, 9) + np.outer(times, (dx, dy)), 0, (300, 200)) for x, y, dx, dy, _ in things]
    places = placed(discs(paths, [radius for *_, radius in things], times), anchor, parts)
    assert (places.corners * parts % 1 == 0).all()
    for t in range(9):
        boxes = boxes_of(places, t)
        assert apart(boxes)
        assert all(x1 >= 0 and y1 >= 0 and x2 <= 300 and y2 <= 200 for x1, y1, x2, y2 in boxes)


def test_slow_motion_goes_by_parts_of_a_pixel() -> None:
    # A tenth of a pixel a frame makes 4.7 pixels in 47 steps, and smoothing keeps it.
    path = still(100, 80) + np.outer(np.arange(48), (0.1, 0))
    for parts in (1, 2, 4):
        places = placed(discs([path], [20]), parts=parts)
        off = places.corners + places.extents[..., ::-1] / 2 - places.centres
        assert np.abs(off).max() <= 0.5 / parts + 1e-6
        steps = np.diff(places.corners[:, 0, 0])
        assert set(steps.tolist()) == {0, 1 / parts} and abs(steps.sum() - 4.7) <= 1 / parts


def test_radii_lose_their_flicker() -> None:
    spots = discs([still(100, 80)], [20])
    flicker = 20 + 3 * (-1.0) ** np.arange(48)[:, None]
    spots = Spots(spots.ids, FILM, spots.poles, flicker, spots.areas, spots.boxes)
    assert np.abs(steady_radii(spots)[8:-8] - 20).max() < 0.05


def test_neighbours_do_not_read_as_one_number() -> None:
    places = placed(discs([still(100, 80), still(104, 80)], [20, 20]))
    (a, b) = boxes_of(places, 0)
    # 6 pixels down are the shorter way, or a fifth of 10 pixels to either side, 4 between them.
    assert max(b[0] - a[2], a[0] - b[2]) >= 4 or max(b[1] - a[3], a[1] - b[3]) >= 0
    two = discs([still(100, 80), still(104, 80)], [20, 20])
    tall = place(two, np.full((48, 2), 40.0), lambda _, h: (40, 10), ROOM, RULES)
    (a, b) = boxes_of(tall, 0)
    assert b[0] - a[2] >= 15  # 8 pixels each: across is the shorter way for marks as tall as these
