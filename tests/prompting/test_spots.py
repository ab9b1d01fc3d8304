from __future__ import annotations

import numpy as np

from grounding.core import Masklets, rle
from prompting import spots as module
from prompting.spots import spots_of_masklets, spots_of_masks


def block(x: int, y: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros((60, 100), bool)
    mask[y : y + height, x : x + width] = True
    return mask


def masklets() -> Masklets:
    moving = tuple(rle.encode(block(10 + 5 * t, 20, 11, 11)) for t in range(8))
    going = tuple(rle.encode(block(50, 40, 5, 7)) if t < 3 else None for t in range(8))
    empty = (rle.encode(np.zeros((60, 100), bool)),) * 8
    return Masklets((60, 100), 8.0, np.arange(8) / 8, {7: going, 2: moving, 5: empty})


def test_what_is_said_of_every_object() -> None:
    spots = spots_of_masklets(masklets(), np.array([0.0, 0.26, 0.8]), (60, 100))  # source frames 0, 2 and 6
    assert spots.ids == (2, 5, 7)
    assert spots.seen.tolist() == [[True, False, True], [True, False, True], [True, False, False]]
    # Middles of 11 x 11 pixels from 10 + 5 t and 20 on.
    assert spots.poles[:, 0].tolist() == [[15.5, 25.5], [25.5, 25.5], [45.5, 25.5]]
    assert (spots.radii[:, 0] == 5.5).all() and (spots.areas[:, 0] == 121).all()
    assert spots.boxes[1].tolist() == [[20, 20, 31, 31], [0, 0, 0, 0], [50, 40, 55, 47]]


def test_all_is_in_pixels_of_the_drawn_frame() -> None:
    spots = spots_of_masklets(masklets(), np.array([0.0]), (180, 200))  # three times as high, twice as wide
    assert spots.poles[0, 0].tolist() == [31, 76.5]
    assert spots.boxes[0, 0].tolist() == [20, 60, 42, 93]
    assert spots.areas[0, 0] == 121 * 6 and spots.radii[0, 0] == 5.5 * 2


def test_long_videos_are_read_in_parts(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    times = np.arange(8) / 8
    whole = spots_of_masklets(masklets(), times, (60, 100))
    monkeypatch.setattr(module, "FRAMES_AT_ONCE", 3)
    parts = spots_of_masklets(masklets(), times, (60, 100))
    for name in ("poles", "radii", "areas", "boxes"):
        assert (getattr(whole, name) == getattr(parts, name)).all()


def test_dense_masks_say_the_same() -> None:
    last: dict[int, tuple[float, float]] = {}
    one = spots_of_masks({7: block(50, 40, 5, 7), 2: block(10, 20, 11, 11), 5: block(0, 0, 0, 0)}, 0.0, (60, 100), last)
    two = spots_of_masklets(masklets(), np.array([0.0]), (60, 100))
    assert one.ids == two.ids
    for name in ("poles", "radii", "areas", "boxes"):
        assert (getattr(one, name) == getattr(two, name)).all()
    assert last == {7: (52.5, 43.5), 2: (15.5, 25.5)}
