"""Which views are asked for a box, what becomes of the answers, and from which box the object is followed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from grounding.core import Answer, ParseFailure
from grounding.ground3d.footage import Footage
from grounding.ground3d.seeds import Asked, ask, seed_of, views_to_ask
from grounding.tasks.task import Said

SIZE = (100, 200)  # height, width: a box touches the border within 0.5 and 1 pixels of it


def test_the_sharpest_view_of_each_part_is_asked(wall: Callable) -> None:
    footage = wall(12, sharp={1: 50, 2: 90, 6: 20, 11: 70}).footage
    assert views_to_ask(footage, range(12), 3) == [2, 6, 11]  # of 0 to 3, 4 to 7, 8 to 11


def test_a_view_with_depth_comes_before_a_sharper_one_without(wall: Callable) -> None:
    footage = wall(4, sharp={1: 90, 2: 50}, deep={1: 0.0}).footage
    assert views_to_ask(footage, range(4), 1) == [2]


def test_few_views_of_a_part_are_decoded(wall: Callable) -> None:
    made = wall(300)
    views_to_ask(made.footage, range(300), 3)
    assert len(made.reads) == 15 and set(made.reads) >= {0, 99, 100, 199, 200, 299}


def test_unreadable_views_are_not_asked(wall: Callable) -> None:
    assert views_to_ask(wall(4, unreadable=[0, 1, 2], sharp={1: 90}).footage, range(4), 2) == [3]
    assert views_to_ask(wall(4, unreadable=[1, 2, 3]).footage, range(1, 4), 2) == []


def test_a_snippet_of_one_view_is_asked_once(wall: Callable) -> None:
    assert views_to_ask(wall(4).footage, range(2, 3), 3) == [2]


def test_a_view_of_two_snippets_is_asked_once(wall: Callable) -> None:
    calls: list[int] = []

    def box(query: str, footage: Footage, view: int) -> Said:
        calls.append(view)
        return Answer(box=(1, 2, 30, 40))

    found = ask("it", wall(6).footage, [range(0, 2), range(1, 3)], 2, box)
    assert calls == [0, 1, 2]
    assert [(one.view, one.snippet, one.box) for one in found] == [
        (0, 0, (1, 2, 30, 40)),
        (1, 0, (1, 2, 30, 40)),
        (2, 1, (1, 2, 30, 40)),
    ]


@pytest.mark.parametrize(
    ("said", "box", "problem"),
    [
        (Answer(box=(-5, 10, 30, 90)), (0, 10, 30, 48), ""),  # cut at the picture of 64 x 48
        (Answer(box=(70, 10, 90, 20)), None, "the box (70, 10, 90, 20) covers no pixel of 64 x 48"),
        (Answer(box=(10, 10, 10.5, 20)), None, "the box (10, 10, 10.5, 20) covers no pixel of 64 x 48"),
        (Answer(), None, "the answer has no box"),
        (ParseFailure("no <answer>"), None, "no <answer>"),
    ],
)
def test_what_becomes_of_an_answer(wall: Callable, said: Said, box: object, problem: str) -> None:
    (found,) = ask("it", wall(1).footage, [range(1)], 1, lambda *_: said)
    assert (found.box, found.problem) == (box, problem)


def test_the_seed_is_the_largest_box_inside_the_picture() -> None:
    small, large = Asked(0, 0, (10, 10, 20, 20)), Asked(1, 0, (10, 10, 90, 90))
    cut = Asked(2, 0, (0.5, 0, 199.5, 100))
    assert seed_of([small, cut, large], SIZE) is large
    assert seed_of([small, Asked(3, 0, (1.0, 10, 150, 90))], SIZE) is small  # one pixel from the left: cut off
    assert seed_of([small, right := Asked(4, 0, (1.1, 10, 150, 90))], SIZE) is right


def test_where_all_boxes_touch_the_border_the_largest_is_the_seed() -> None:
    one, other = Asked(0, 0, (0, 0, 50, 50)), Asked(1, 0, (100, 0, 200, 60))
    assert seed_of([one, other], SIZE) is other
    assert seed_of([one, Asked(2, 0, (0, 0, 50, 50))], SIZE) is one  # of equal ones the first
