"""The truth of questions about a room, as steps of the chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, ParseFailure, UserError
from grounding.datasets.room_queries import ROOMS
from grounding.datasets.room_scenes import RoomScene, room_scene
from grounding.datasets.toy import FPS, toy_source
from grounding.ground3d.footage import Footage
from grounding.ground3d.oracles import Truth, ladder, read_oracles, steps_of

SOURCE = toy_source(7_770_300_000, 8, toy=ROOMS)


@pytest.fixture(scope="module")
def room() -> RoomScene:
    """One in which a thing is seen for a part of the time only."""
    sample = next(one for one in SOURCE.samples if one.truth.segments and one.truth.segments[0].duration < 4)
    return room_scene(sample, FPS, (48, 64))


def truth_of(room: RoomScene, exists: bool = True) -> Truth:
    questions = room.sample.meta["questions"]
    return Truth(room, next(one for one in questions if bool(one.truth.segments) == exists))


def test_the_true_steps_are_those_of_the_thing(room: RoomScene) -> None:
    truth, footage = truth_of(room), Footage.of(room.scene)
    number = truth.question.about.id
    assert truth.thing == number
    assert truth.snippets("", footage) == [truth.question.truth]
    for view, mask in truth.masks(footage, 6, (0, 0, 1, 1)):
        assert (mask == (room.film.layers(view)[0] == number)).all()
        said = truth.box("", footage, view)
        if mask.any():
            rows, columns = np.nonzero(mask)
            assert isinstance(said, Answer) and said.size == (48, 64)
            assert said.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        else:
            assert said == ParseFailure("it is not in the view")


def test_masks_begin_with_the_view_of_the_box(room: RoomScene) -> None:
    views = [view for view, _ in truth_of(room).masks(Footage.of(room.scene), 6, (0, 0, 1, 1))]
    assert views[0] == 6 and sorted(views) == list(range(16))


def test_what_nothing_fits_has_no_snippet_box_or_mask(room: RoomScene) -> None:
    truth, footage = truth_of(room, exists=False), Footage.of(room.scene)
    assert truth.thing is None and truth.snippets("", footage) == [Answer(intervals=())]
    assert isinstance(truth.box("", footage, 0), ParseFailure)
    assert not any(mask.any() for _, mask in truth.masks(footage, 0, (0, 0, 1, 1)))


def test_steps_are_the_truth_for_oracles_and_guesses_else(room: RoomScene) -> None:
    def guess(*_: Any) -> Any:
        raise AssertionError

    truth = truth_of(room)
    steps = steps_of(truth, {"snippet": guess, "masks": guess}, {"box"})
    assert steps.snippets is steps.masks is guess and steps.box == truth.box
    assert steps_of(truth, {}, {"snippet", "box", "masks"}).masks == truth.masks


def test_the_ladder_adds_truth_in_the_order_of_the_chain() -> None:
    whole = {"snippet", "box", "masks"}
    assert ladder(()) == [set(), {"snippet"}, {"snippet", "box"}, whole]
    assert ladder({"box"}) == [{"box"}, {"snippet", "box"}, whole]
    assert ladder(whole) == [whole]


def test_oracles_are_read_from_a_list() -> None:
    assert read_oracles("") == set()
    assert read_oracles("masks, snippet") == {"masks", "snippet"}
    with pytest.raises(UserError, match="unknown oracle 'mask'; choose from snippet,box,masks"):
        read_oracles("snippet,mask")
