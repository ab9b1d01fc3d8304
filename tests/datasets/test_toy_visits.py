"""The toy world where things come again or never, and the flaws of its training clips."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from grounding.core import Interval, Sample, UserError
from grounding.datasets.toy import FPS, WORLD, ToyObject, toy_source
from grounding.datasets.toy_visits import NEVER, VISITS, FlawedSource, ask_all_times, make_returning

OTHERS = 7_700_000_000  # clip numbers of no run


def thing(object_id: int, colour: str, start: float, end: float, motion: str = "moves left") -> ToyObject:
    return ToyObject(object_id, colour, "circle", motion, 10, np.zeros((16, 2)), Interval(start, end))


def flawed(count: int, partial: float = 0.0, hard: float = 0.0) -> FlawedSource:
    return FlawedSource(**vars(toy_source(OTHERS, count, toy=VISITS)), partial=partial, hard=hard)


def missing(sample: Sample) -> set[Interval]:
    return {*sample.meta["whole_truth"].intervals} - {*sample.truth.intervals}


@pytest.mark.parametrize("objects", [1, 3, 4])
def test_one_object_at_least_comes_back(objects: int) -> None:
    for seed in range(50):
        world = make_returning(np.random.default_rng(seed), 1, objects)
        assert objects < len(world) <= 2 * objects


def test_all_times_by_hand() -> None:
    world = [thing(7, "red", 0, 1), thing(7, "red", 2, 4), thing(3, "blue", 1, 2)]
    *asked, never = sorted(
        ask_all_times(world[2], world, np.random.default_rng(1)), key=lambda one: not one.truth.intervals
    )
    assert [(one.query, one.truth.intervals) for one in asked] == [
        ("the circle in blue", (Interval(1, 2),)),
        ("the circle in red", (Interval(0, 1), Interval(2, 4))),
    ]
    assert never.truth.intervals == () and not {"red", "blue"} & {*never.query.split()}


def test_twins_are_told_apart_by_all_of_their_visits() -> None:
    world = [thing(7, "red", 0, 1), thing(7, "red", 2, 4), thing(3, "red", 1, 3)]
    said = {
        ask_all_times(world[0], world, np.random.default_rng(seed))[0].query.partition(" that ")[2]
        for seed in range(40)
    }
    assert said == {"", "moves left", "comes first", "leaves last"}  # "" asks for something that is not there


def test_what_is_asked_is_what_the_frames_show() -> None:
    source, never = toy_source(OTHERS, 60, toy=VISITS), 0
    for sample in source.samples:
        own, tracks = sample.meta["questions"][0], source.load(sample).masklets.tracks
        assert own.about in sample.meta["objects"]
        shown = tracks[own.about.id] if sample.truth.intervals else [None] * 16
        times = [any(one.start <= frame / FPS < one.end for one in sample.truth.intervals) for frame in range(16)]
        assert all(there or not seen for there, seen in zip(times, shown, strict=True))
        assert any(times) == any(shown)
        never += not sample.truth.intervals
    assert 60 * NEVER / 2 < never < 60 * NEVER * 2


def test_partial_clips_have_the_first_of_several_ranges() -> None:
    source, plain = flawed(300, partial=0.3), toy_source(OTHERS, 300, toy=VISITS)
    found = [sample for sample in source.samples if missing(sample)]
    assert 60 < len(found) < 120
    for sample in found:
        assert sample.truth.intervals == sample.meta["whole_truth"].intervals[:1] and len(missing(sample)) == 1
        own = sample.meta["questions"][0]
        assert (own.query, own.truth) == (sample.query, sample.meta["whole_truth"])
    for sample, same in zip(source.samples, plain.samples, strict=True):
        assert missing(sample) or (sample.query, sample.truth) == (same.query, same.truth)


def test_hard_clips_have_twins_and_one_object_more() -> None:
    source = flawed(60, hard=0.5)
    hard = [sample for sample in source.samples if sample.meta["hard"]]
    assert 15 < len(hard) < 45
    for sample in source.samples:
        looks = {one.id: one.name for one in sample.meta["objects"]}
        assert len(looks) == 3 + sample.meta["hard"]
        assert (len({*looks.values()}) < len(looks)) == sample.meta["hard"]
    ids = {*source.load(hard[0]).masklets.tracks}
    assert ids == {one.id for one in hard[0].meta["objects"]}


def test_flaws_depend_on_the_clip_alone() -> None:
    source = flawed(40, partial=0.5, hard=0.5)
    part = source.samples[10:20]
    assert [(one.id, one.query, one.truth) for one in part] == [
        (one.id, one.query, one.truth) for one in list(source.samples)[10:20]
    ]
    again = pickle.loads(pickle.dumps(source)).samples[13]
    assert (again.query, again.truth) == (part[3].query, part[3].truth)


def test_a_world_where_nothing_comes_twice_has_no_partial_clips() -> None:
    source = FlawedSource(**vars(toy_source(OTHERS, 1, toy=WORLD)), partial=1.0)
    with pytest.raises(UserError, match=f"nothing comes twice in toy clip {OTHERS}; leave out data.partial"):
        source.samples[0]
