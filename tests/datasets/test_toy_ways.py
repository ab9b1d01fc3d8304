"""The toy world of ways: where shapes go, what is asked, and what tells the answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grounding.core import UserError
from grounding.datasets.toy import FPS, MAX_OBJECTS, SIZE, toy_source
from grounding.datasets.toy_ways import PLACES, RADIUS, TAKES, WAYS, WORDS, come, place


def samples(count: int = 40, **options: int):
    return list(toy_source(0, count, toy=WAYS, **options).samples)


def objects(sample):
    return sample.meta["objects"]


@pytest.mark.parametrize("number", range(2, MAX_OBJECTS + 1))
def test_ways_lead_from_an_edge_towards_the_goal_and_no_lanes_touch(number: int) -> None:
    for one in samples(objects=number):
        *travellers, goal = objects(one)
        assert len(travellers) == number - 1
        assert (goal.path == goal.path[0]).all() and goal.motion == "stands still"
        for thing in travellers:
            x = thing.path[:, 0]
            assert x[0] == PLACES[0] and goal.path[0, 0] in PLACES[[5, 10]]
            steps = np.diff(x) * np.sign(goal.path[0, 0] - x[0])
            assert (steps >= 0).all() and (thing.path[:, 1] == thing.path[0, 1]).all()
        lanes = sorted(thing.path[0, 1] for thing in objects(one))
        assert min(np.diff(lanes)) >= 2 * RADIUS


def test_nothing_moves_but_in_the_second_second() -> None:
    for one in samples():
        for thing in objects(one):
            second = int(FPS)
            assert (thing.path[: second + 1] == thing.path[0]).all()
            assert np.allclose(thing.path[2 * second :], thing.path[-1])


def test_the_truth_is_the_share_of_the_way() -> None:
    truths = set()
    for one in samples(100):
        thing, goal = objects(one)[0], objects(one)[-1]
        start, now, there = thing.path[0, 0], thing.path[-1, 0], goal.path[0, 0]
        assert one.truth.number == pytest.approx(100 * (now - start) / (there - start))
        assert one.query == f"the {thing.name} is level with the {goal.name}"
        truths.add(one.truth.number)
    assert truths == set(range(0, 101, 10))


def test_clips_of_an_episode_differ_in_how_far_it_comes_alone() -> None:
    for start in range(0, 40, TAKES):
        clips = samples()[start : start + TAKES]
        assert len({one.meta["episode"] for one in clips}) == len({one.query for one in clips}) == 1
        for k in range(3):
            same = [objects(one)[k] for one in clips]
            assert len({(thing.id, thing.name, *thing.path[0]) for thing in same}) == 1
    assert len({one.meta["episode"] for one in samples()}) == 40 // TAKES
    assert len({one.truth.number for one in samples()[:TAKES]}) > 1


def test_every_traveller_is_asked_for_and_the_first_one_first() -> None:
    for one in samples(20):
        questions = one.meta["questions"]
        assert [question.about for question in questions] == objects(one)[:-1]
        assert [question.truth.number for question in questions] == [
            come(thing, objects(one)[-1]) for thing in objects(one)[:-1]
        ]


def test_neither_speed_nor_time_tells_how_far() -> None:
    """Speed explains little more than half of how the answers vary, time next to nothing."""
    moved = [(objects(one)[0].path[:, 0], one.truth.number) for one in samples(400)]
    truth = np.array([number for _, number in moved])
    speed = np.array([np.abs(np.diff(x)).max() for x, _ in moved])
    lasts = np.array([(np.diff(x) != 0).sum() for x, _ in moved])
    assert np.corrcoef(speed, truth)[0, 1] ** 2 < 0.6
    assert np.corrcoef(lasts[truth > 0], truth[truth > 0])[0, 1] ** 2 < 0.05


def test_at_level_2_shape_alone_tells_the_first_two_apart() -> None:
    for one in samples(20, level=2):
        first, second = objects(one)[:2]
        assert first.colour == second.colour and first.shape != second.shape


def test_the_ground_is_a_ruler_and_a_clock() -> None:
    source = toy_source(0, 1, toy=WAYS)
    frames = source.load(source.samples[0]).clip.frames.astype(int)
    row = frames[:, 0, :, :]  # above all shapes
    assert (row[:, -14:, 1].mean(1) > row[:, :14, 1].mean(1) + 60).all()  # greener to the right
    assert row[-1, :, 0].mean() > row[0, :, 0].mean() + 30 and row[-1, :, 2].mean() < row[0, :, 2].mean() - 30


def test_places_have_words_from_left_to_right() -> None:
    thing = objects(samples(1)[0])[0]
    assert [place(replace(thing, path=np.full((16, 2), x)), -1) for x in (0.0, 13, 13.3, SIZE)] == [0, 0, 1, 10]
    assert len(WORDS) == len(PLACES) == len(set(WORDS))


def test_one_shape_has_no_goal() -> None:
    with pytest.raises(UserError, match=r"choose other data\.objects"):
        samples(1, objects=1)
