"""Tests of grounding.datasets.toy_sets."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.core import Interval
from grounding.datasets.toy import FPS, Question, ToyObject, toy_source
from grounding.datasets.toy_sets import MISSING, SETS, ask_all, make_alike

CLIPS = range(200)


def thing(object_id: int, shape: str, colour: str, motion: str, start: float, end: float) -> ToyObject:
    return ToyObject(object_id, colour, shape, motion, 10, np.zeros((16, 2)), Interval(start, end))


WORLD = [
    thing(7, "circle", "red", "moves left", 0, 2),
    thing(2, "circle", "blue", "stands still", 1, 4),
    thing(4, "square", "blue", "moves left", 3, 4),
]
MEANT = {
    "the circles": {2, 7},
    "the square": {4},
    "everything in blue": {2, 4},
    "everything in red": {7},
    "all that move left": {4, 7},
    "all that stand still": {2},
    "the shapes that are there at second zero": {7},
    "the shapes that are there at second one": {2, 7},
    "the shapes that are there at second two": {2},
    "the shapes that are there at second three": {2, 4},
    "the circle in red": {7},
    "the circle in blue": {2},
    "the square in blue": {4},
    "the circle in red and the circle in blue": {2, 7},
    "the circle in blue and the circle in red": {2, 7},
    "the circle in red and the square in blue": {4, 7},
    "the square in blue and the circle in red": {4, 7},
    "the circle in blue and the square in blue": {2, 4},
    "the square in blue and the circle in blue": {2, 4},
}


def asked(seed: int) -> list[Question]:
    return ask_all(WORLD[seed % 3], WORLD, np.random.default_rng(seed))


def test_every_question_means_all_objects_of_its_kind() -> None:
    found = {one.query: one.truth.object_ids for seed in range(300) for one in asked(seed)}
    assert found == MEANT


def test_the_first_question_means_the_target_and_each_object_is_asked_for_alone() -> None:
    for seed in range(60):
        first, *others = asked(seed)
        assert first.truth.object_ids is not None and WORLD[seed % 3].id in first.truth.object_ids
        queries = [first.query, *(one.query for one in others)]
        assert {f"the {one.name}" for one in WORLD} <= set(queries) and len(set(queries)) == len(queries)


def test_the_thinking_says_what_all_have_in_common_or_each_name_with_the_ids_directly_after_colours() -> None:
    thoughts = {(one.query, one.thinking) for seed in range(400) for one in asked(seed)}
    assert {said for query, said in thoughts if query == "the circles"} == {"circle red 7", "circle red 7 blue 2"}
    assert {said for query, said in thoughts if query == "all that stand still"} == {"still blue 2"}
    assert {said for query, said in thoughts if query == "everything in blue"} == {"blue 2", "blue 2 4"}
    assert {said for query, said in thoughts if query == "the square in blue and the circle in red"} == {
        "square blue 4",
        "square blue 4 circle red 7",
    }
    for seed in range(60):
        for one in asked(seed):
            assert one.taught is not None and one.taught.object_ids
            assert {int(word) for word in one.thinking.split() if word.isdigit()} == one.taught.object_ids


def test_of_several_objects_the_last_is_often_not_taught() -> None:
    several = [one for seed in range(600) for one in asked(seed) if len(one.truth.object_ids or ()) > 1]
    share = np.mean([one.taught != one.truth for one in several])
    assert share == pytest.approx(MISSING, abs=0.05)


@pytest.mark.parametrize(("level", "colours"), [(1, 4), (2, 2)])
def test_looks_repeat_but_no_two_objects_look_the_same(level: int, colours: int) -> None:
    worlds = [make_alike(np.random.default_rng(seed), level, 4) for seed in CLIPS]
    assert all(len({one.name for one in world}) == len({one.id for one in world}) == 4 for world in worlds)
    assert {len({one.colour for one in world}) for world in worlds} == {colours}
    assert {len({one.motion for one in world}) for world in worlds} <= {1, 2, 3}
    assert all(len({one.shape for one in world}) < 4 for world in worlds)


def test_a_clip_has_the_masks_of_all_that_are_meant() -> None:
    source = toy_source(0, 20, toy=SETS)
    for sample in source.samples:
        loaded = source.load(sample)
        truth, frames = loaded.sample.truth, range(int(4 * FPS))
        assert truth.region == loaded.masklets.region(truth.object_ids or ())
        assert any(truth.region.frames[frame] for frame in frames)
