"""The rules of labels, on sights written by hand: frames of a third of a second, or with times of their own."""

from __future__ import annotations

from typing import Any

import pytest

from grounding.datasets.scene_labels import label, longest_run, shown_in, spread
from grounding.datasets.scene_views import Sight, Watched

BOX = (10.0, 20.0, 30.126, 40.0)


def watched(**objects: list[int]) -> Watched:
    """`o3=[100, 0, 60]`: of object 3 frames 0 and 2 show 100 and 60 pixels; three frames a second, 12 frames."""
    sights = {
        int(name[1:]): {frame: Sight(pixels, BOX) for frame, pixels in enumerate(seen) if pixels}
        for name, seen in objects.items()
    }
    return Watched([frame / 3 for frame in range(12)], sights)


def rows(shown: Watched, names: dict[int, str | int], boxes: int = 5) -> Any:
    return label(shown, 4.0, names, "s", boxes)


@pytest.mark.parametrize(
    ("pixels", "frames"),
    [
        ([49, 50, 51], [1, 2]),  # 50 is enough
        ([1000, 99, 100], [0, 2]),  # a tenth of the most
        ([49, 30], []),
        ([], []),
    ],
)
def test_frames_that_show_an_object(pixels: list[int], frames: list[int]) -> None:
    assert shown_in({frame: Sight(count, BOX) for frame, count in enumerate(pixels)}) == frames


@pytest.mark.parametrize(
    ("frames", "run"),
    [
        ([0, 1, 5], [0, 1, 5]),  # three frames between them: a second
        ([0, 1, 6], [0, 1]),  # four: the longer part
        ([0, 6, 7, 8], [6, 7, 8]),
        ([0, 1, 6, 7], [0, 1]),  # of two as long the first
        ([11], [11]),
    ],
)
def test_the_longest_run(frames: list[int], run: list[int]) -> None:
    starts = [frame / 3 for frame in range(12)]
    assert longest_run(frames, starts, [*starts[1:], 4.0]) == run


def test_the_longest_run_in_time_not_in_frames() -> None:
    starts = [0, 2, 4, 6, 6.1, 6.2, 6.3]
    assert longest_run([0, 1, 4, 5, 6], starts, [*starts[1:], 6.4]) == [0, 1]  # 4 s; then 2.1 s without; then 0.3 s


def test_frames_of_boxes_are_spread() -> None:
    assert spread(range(10), 5) == [1, 3, 5, 7, 9]
    assert spread([4, 7, 9], 1) == [7]
    assert spread([4, 7], 5) == [4, 7]


def test_rows_of_an_object() -> None:
    found = rows(watched(o3=[0, 100, 100, 20, 100]), {3: "the lamp"}, boxes=2)
    assert found.vtg == [
        {"id": "s_3", "video": "s.mp4", "query": "the lamp", "intervals": [[0.3333, 1.6667]], "meta": {"object": 3}}
    ]
    assert [(row["id"], row["frame"], row["box"], row["query"]) for row in found.box] == [
        ("s_3_1", 1, [10, 20, 30.13, 40], "the lamp"),
        ("s_3_4", 4, [10, 20, 30.13, 40], "the lamp"),  # of frames 1, 2 and 4, for 3 shows too little
    ]
    assert found.objects[0] == {
        "id": 3, "label": "the lamp", "interval": [0.3333, 1.6667], "frames": 3, "box_frames": [1, 4],
    }  # fmt: skip
    assert not found.left_out


def test_the_last_frame_stays_until_the_end_of_the_video() -> None:
    assert rows(watched(o1=[0] * 10 + [60, 60]), {1: "x"}).vtg[0]["intervals"] == [[3.3333, 4.0]]


def test_objects_without_rows_are_named() -> None:
    shown = watched(o1=[60], o2=[60], o3=[49], o5=[60], o6=[60], o7=[60], o8=[60])
    names: dict[int, str | int] = {
        1: "office  chair",
        2: "Office chair",
        3: "speck",
        4: "gone",
        5: 12,
        6: "a <answer>",
        8: "",
    }
    found = rows(shown, names)
    assert not found.vtg and not found.box
    assert found.left_out == {
        1: "2 objects that are shown are called 'office  chair'",
        2: "2 objects that are shown are called 'Office chair'",
        3: "no frame shows 50 pixels of it",
        4: "no frame shows it",
        5: "its label is the number of a class, not a name",
        6: "\"label\" holds '<answer>', which is a token or tag of the model's own; reword it",
        7: "it has no label",
        8: "it has no label",
    }


def test_an_object_that_is_never_shown_does_not_make_another_ambiguous() -> None:
    found = rows(watched(o1=[60], o2=[49]), {1: "chair", 2: "chair"})
    assert [row["id"] for row in found.vtg] == ["s_1"] and list(found.left_out) == [2]
