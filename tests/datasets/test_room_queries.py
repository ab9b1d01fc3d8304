"""What is asked about one frame of a room."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from grounding.core import Sample
from grounding.datasets.room_queries import STILL_ROOMS, WELL, ask_where, references, shown_well
from grounding.datasets.rooms import SIZE, RoomThing, filmed, things_of
from grounding.datasets.toy import FPS, toy_source

FIRST = 7_770_200_000


def samples(count: int, level: int = 1, objects: int = 3) -> list[Sample]:
    return list(toy_source(FIRST, count, level=level, objects=objects, toy=STILL_ROOMS).samples)


def pixels(thing: RoomThing, frame: int) -> int:
    return int((filmed([thing]).labels[frame] == thing.id).sum())


@pytest.mark.parametrize("level", [1, 2])
def test_all_things_that_a_frame_shows_well_are_asked_for(level: int) -> None:
    for sample in samples(30, level):
        frame, questions = sample.meta["frame"], sample.meta["questions"]
        things = things_of(sample.meta["objects"])
        shown = {
            thing.id
            for thing in things
            if thing.interval.start <= frame / FPS < thing.interval.end and pixels(thing, frame) >= WELL
        }
        asked = [question.about.id for question in questions]
        assert len(set(asked)) == len(asked) and set(asked) <= shown
        assert level == 2 or set(asked) == shown  # a twin that no words tell apart is not asked for
        assert (sample.query, sample.truth) == (questions[0].query, questions[0].truth)
        for question in questions:
            rows, columns = np.nonzero(filmed(things).labels[frame] == question.about.id)
            assert question.truth.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert question.truth.size == SIZE and question.meta == {"frame": frame}
        assert len({question.query for question in questions}) == len(questions)


def test_there_is_another_thing_to_tell_apart_where_any_frame_shows_one() -> None:
    alone = 0
    for sample in samples(60):
        target = sample.meta["questions"][0].about
        others = [thing for thing in things_of(sample.meta["objects"]) if thing is not target]
        beside = [at for at in range(16) if shown_well(target, at) and any(shown_well(one, at) for one in others)]
        assert (len(sample.meta["questions"]) > 1) == bool(beside)
        alone += not beside
    assert 0 < alone < 20


def test_every_frame_is_asked_about() -> None:
    assert {sample.meta["frame"] for sample in samples(200)} == set(range(16))


def test_nothing_is_asked_for_that_is_hidden_or_that_no_words_fit_alone() -> None:
    target = things_of(samples(1)[0].meta["objects"])[0]
    hidden = replace(target, filmed=replace(target.filmed, labels=np.zeros_like(target.filmed.labels)))
    assert ask_where(hidden, [hidden], np.random.default_rng(0)) == []
    twin = replace(target, id=target.id)
    assert ask_where(target, [target, twin], np.random.default_rng(0)) == []
    assert len(ask_where(target, [target], np.random.default_rng(0))) == 1


def test_things_are_called_by_all_words_that_fit_them_alone() -> None:
    called = set()
    for sample in samples(60):
        for question in sample.meta["questions"]:
            thing, name = question.about, question.query.removeprefix("the ")
            assert name in references(thing, things_of(sample.meta["objects"]))
            found = re.fullmatch(r"(small |large )?(\w+ \w+)( (left|right) of the \w+ \w+)?", name)
            assert found is not None
            size, look, *beside = found.groups()
            assert look == thing.name and size in (None, f"{thing.size} ")
            assert question.thinking == (size or "") + look  # what it stands beside is not thought of
            called.add((bool(size), bool(beside[0])))
    assert called == {(False, False), (True, False), (False, True)}


def test_twins_are_not_called_by_what_they_share() -> None:
    for sample in samples(20, level=2):
        things = things_of(sample.meta["objects"])
        one, other = things[:2]
        assert one.name == other.name and not {*references(one, things)} & {*references(other, things), one.name}
        assert (f"{one.size} {one.name}" in references(one, things)) == (one.size != other.size)


def test_the_clip_is_the_frame_alone() -> None:
    source = toy_source(FIRST, 3, toy=STILL_ROOMS)
    for sample in source.samples:
        loaded = source.load(sample)
        assert loaded.clip.frames.shape == (1, *SIZE, 3)
        assert loaded.clip.pts.tolist() == [sample.meta["frame"] / FPS]
