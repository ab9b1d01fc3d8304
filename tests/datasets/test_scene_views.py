"""What pixels say of objects, and when views were taken; figures worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from grounding.core import UserError
from grounding.datasets.scene_views import Sight, Watched, masks_of, sights, vertices_of, view_times
from lift3d.frames import Frame
from lift3d.scene import View


def view(name: str, time: float | None = None, grey: int = 0, size: tuple[int, int] = (8, 8)) -> View:
    picture = np.full((*size, 3), grey, np.uint8)
    return View(name, time, np.eye(4), np.eye(3), lambda: np.ones((4, 4), np.float32), lambda: picture)


def frame(index: int, shown: View, layers: Sequence[np.ndarray] = (), rejected: str = "") -> Frame:
    return Frame(index, shown, np.ones((4, 4), np.float32), list(layers), rejected)


def test_a_box_leaves_out_the_outermost_pixels() -> None:
    # 200 pixels of row 5, columns 0 to 199: percentile 1 is 1.99 and percentile 99 is 197.01. One pixel more each.
    found = sights(np.full(200, 7), 5 * 300 + np.arange(200), (10, 300), (10, 300))
    assert found[7].pixels == 200
    np.testing.assert_allclose(found[7].box, (1.99, 5, 198.01, 6))


def test_boxes_are_in_pixels_of_the_picture() -> None:
    # Object 1 at column 2, row 1, object 3 at columns 0 and 1, row 3; the picture is 3 x as wide and 2 x as high.
    found = sights(np.array([3, 1, 3]), np.array([12, 6, 13]), (4, 4), (8, 12))
    assert found[1] == Sight(1, (6, 2, 9, 4))
    np.testing.assert_allclose(found[3].box, (0.03, 6, 5.97, 8))  # percentiles of (0, 1) are 0.01 and 0.99
    assert sights(np.zeros(0, int), np.zeros(0, int), (4, 4), (8, 12)) == {}


def test_masks_on_two_layers() -> None:
    below, above = np.zeros((2, 4, 4), np.uint16)
    below[0, :2], above[0, 1:3] = 5, 9
    ids, pixels = masks_of(frame(0, view("0"), [below, above]))
    assert sorted(zip(ids.tolist(), pixels.tolist(), strict=True)) == [(5, 0), (5, 1), (9, 1), (9, 2)]


def test_pixels_between_vertices() -> None:
    # f = 100 and depth 1: REACH is 3 pixels. Vertices at column 5 (object 4) and 15 (none) of row 10; another of object
    # 4 at column 25 lies 1 m behind what the view sees there. The pixel at column 6 is 10 cm nearer than its vertex.
    points = np.array([[5, 10, 100], [15, 10, 100], [50, 20, 200]]) / 100
    lens = np.array([[100.0, 0, 0], [0, 100, 0], [0, 0, 1]])
    depth = np.ones((21, 31), np.float32)
    depth[10, 6] = 0.9
    seen = Frame(0, View("0", None, np.eye(4), lens, lambda: depth, lambda: depth), depth, [])
    ids, pixels = vertices_of(points, np.array([4, -1, 4]))(seen)
    assert set(ids.tolist()) == {4}
    rows, columns = np.divmod(pixels, 31)
    assert columns[rows == 10].tolist() == [2, 3, 4, 5, 7, 8]
    assert rows[columns == 5].tolist() == list(range(7, 14))
    depth[:] = 3
    assert not len(vertices_of(points, np.array([4, -1, 4]))(seen)[0])


def test_a_pixel_is_of_the_nearest_vertex() -> None:
    points = np.array([[5, 10, 100], [8, 10, 100]]) / 100
    lens, depth = np.array([[100.0, 0, 0], [0, 100, 0], [0, 0, 1]]), np.ones((21, 31), np.float32)
    seen = Frame(0, View("0", None, np.eye(4), lens, lambda: depth, lambda: depth), depth, [])
    ids, pixels = vertices_of(points, np.array([4, 7]))(seen)
    row = {
        column: number
        for number, pixel in zip(ids, pixels, strict=True)
        if pixel // 31 == 10
        for column in [pixel % 31]
    }
    assert row == {2: 4, 3: 4, 4: 4, 5: 4, 6: 4, 7: 7, 8: 7, 9: 7, 10: 7, 11: 7}


def test_only_frames_that_can_be_used_are_in_the_video() -> None:
    label = np.full((4, 4), 5, np.uint16)
    shown = [
        frame(0, view("a"), rejected="no valid depth"),
        frame(1, view("b", grey=1), [label]),
        frame(2, view("c", size=(6, 8))),
        frame(3, view("d", grey=3), [label]),
    ]
    watched = Watched()
    given = list(watched.watch(shown, np.array([1.0, 2.0, 3.0, 4.5]), masks_of))
    assert [(time, int(picture[0, 0, 0])) for time, picture in given] == [(0, 1), (2.5, 3)]
    assert watched.left_out == {
        "a": "no valid depth",
        "c": "its picture is 8 x 6 pixels, those before are 8 x 8",
    }
    assert watched.sights == {5: {0: Sight(16, (0, 0, 8, 8)), 1: Sight(16, (0, 0, 8, 8))}}


def test_frames_pass_one_at_a_time() -> None:
    taken: list[int] = []

    def frames() -> Iterator[Frame]:
        for index in range(5):
            taken.append(index)
            yield frame(index, view(str(index)), [np.ones((4, 4), np.uint16)])

    given = Watched().watch(frames(), np.arange(5.0), masks_of)
    for expected in ([0], [0, 1]):
        next(given)
        assert taken == expected


def test_nothing_can_be_used() -> None:
    shown = [frame(0, view("a"), rejected="no valid depth"), frame(1, view("b"), rejected="no valid depth")]
    with pytest.raises(UserError, match="no frame can be used: no valid depth: frames a, b"):
        list(Watched().watch(shown, np.arange(2), masks_of))


@pytest.mark.parametrize(
    ("views", "times", "clock"),
    [
        ([view("7", 5.0), view("3", 5.5)], [5.0, 5.5], "the clock of the scene"),
        ([view("000000"), view("000100")], [0.0, 10.0], "the numbers of the frames, 10 a second"),
        ([view("frame5.color"), view("frame8.color")], [0.5, 0.8], "the numbers of the frames, 10 a second"),
        ([view("3", 0.0), view("4", 0.0)], [0.3, 0.4], "the numbers of the frames, 10 a second"),  # a clock that stands
        ([view("3", 0.0), view("4")], [0.3, 0.4], "the numbers of the frames, 10 a second"),
        ([view("x"), view("a")], [0.0, 0.1], "the order of the frames, 10 a second"),
        (
            [view("1305031453359684000"), view("1305031453393684000")],
            [0.0, 0.1],
            "the order of the frames, 10 a second",
        ),
        ([view("1_2"), view("1_3")], [0.0, 0.1], "the order of the frames, 10 a second"),
    ],
)
def test_the_time_of_a_view(views: list[View], times: list[float], clock: str) -> None:
    found, said = view_times(views, 10)
    np.testing.assert_allclose(found, times)
    assert said == clock
