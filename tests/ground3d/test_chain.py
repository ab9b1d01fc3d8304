"""The whole chain on a generated room, and every way in which it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from benchmarks import rooms

from grounding.core import Answer, Interval, ParseFailure, UserError
from grounding.ground3d.candidates import Candidates
from grounding.ground3d.chain import LONGEST, OUTCOMES, Options, run
from grounding.ground3d.footage import Footage
from grounding.ground3d.steps import Steps
from lift3d.lift import Lifted
from lift3d.settings import Settings

NEVER = Answer(intervals=())


def fit(lifted: Lifted, owners: np.ndarray) -> float:
    """IoU of the points of an object with those of thing 1."""
    own = np.zeros(len(owners), bool)
    own[lifted.instances[0].points] = True
    return np.count_nonzero(own & (owners == 1)) / np.count_nonzero(own | (owners == 1))


def when(*times: float) -> Answer:
    return Answer(Interval(*times))


def test_the_true_object_is_found(footage: Footage, room: rooms.Room, truth: Callable) -> None:
    found = run("the box", footage, truth().steps)
    assert (found.outcome, found.reason) == ("found", "")
    assert list(found.seconds) == ["snippets", "boxes", "masks", "lift"]
    instance = found.lifted.instances[0]
    assert fit(found.lifted, room.owners) > 0.85
    assert np.abs(instance.boxes.raw - room.things[0].aabb).max() < 0.05  # its points are 4 cm apart
    assert instance.ratio > 0.9
    assert len(found.lifted.seen) == len(room.owners)


def test_without_a_mesh_the_object_is_found_on_a_cloud(footage: Footage, room: rooms.Room, truth: Callable) -> None:
    bare = replace(footage, scene=replace(footage.scene, points=None, colours=None))
    found = run("the box", bare, truth().steps)
    box = found.lifted.instances[0].boxes.raw
    assert found.outcome == "found" and np.abs(box - room.things[0].aabb).max() < 0.05
    assert len(found.lifted.seen) == len(found.lifted.points)


def test_views_that_are_asked_lie_in_the_snippet(footage: Footage, truth: Callable) -> None:
    found = run("the box", footage, truth(says=[when(0.2, 0.4)]).steps, Options(boxes=2))
    assert [one.views for one in found.snippets] == [range(6, 12)]
    assert len(found.asked) == 2 and all(one.view in range(6, 12) for one in found.asked)


def test_snippets_of_all_answers_are_used_once(footage: Footage, truth: Callable) -> None:
    says = [when(0.0, 0.2), ParseFailure("what?"), NEVER, when(0.0, 0.2), when(0.001, 0.2), when(0.4, 0.6)]
    found = run("the box", footage, truth(says=says).steps)
    assert [one.views for one in found.snippets] == [range(0, 6), range(12, 18)]
    assert found.snippets[0].interval == Interval(0.0, 0.2)  # of two that are the same views, the first
    assert {one.snippet for one in found.asked} == {0, 1}


def test_snippets_stay_in_the_order_of_trust(footage: Footage, truth: Callable) -> None:
    says = [when(0.0, 0.2), when(0.4, 0.6), when(0.001, 0.2)]  # the third is the views of the first again
    found = run("the box", footage, truth(says=says).steps)
    assert [one.views for one in found.snippets] == [range(0, 6), range(12, 18)]


def test_one_wrong_box_is_outvoted(footage: Footage, room: rooms.Room, truth: Callable) -> None:
    rows, columns = np.nonzero(room.labels[3] == 2)
    wrong = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))

    class Two(type(truth())):
        def masks(self, footage: Footage, view: int, box: tuple) -> Iterator[tuple[int, np.ndarray]]:
            number = 2 if box == wrong else 1
            for other in [view, *(one for one in range(len(footage)) if one != view)]:
                yield other, self.room.labels[other] == number

    steps = Two(room, boxes={3: Answer(box=wrong)}).steps
    found = run("the box", footage, steps, Options(boxes=5))
    assert [one.view for one in found.asked] == [0, 3, 6, 9, 12]
    assert fit(found.lifted, room.owners) > 0.85
    assert [vote.view for other in found.others for vote in other.votes] == [3]


def test_none(footage: Footage, truth: Callable) -> None:
    found = run("the cat", footage, truth(says=[ParseFailure("what?"), NEVER, when(0.0, 0.5)]).steps)
    assert (found.outcome, found.reason, found.asked, found.lifted) == ("none", "", (), None)


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ([ParseFailure("what?"), ParseFailure("what?"), ParseFailure("no <answer>")], "what?; no <answer>"),
        ([Answer(box=(0, 0, 1, 1))], "the answers name no time"),
        ([when(5.0, 9.0)], "the footage lasts 0.80 s; no answer names a time within it"),
    ],
)
def test_no_snippet(footage: Footage, truth: Callable, says: list, reason: str) -> None:
    found = run("the box", footage, truth(says=says).steps)
    assert (found.outcome, found.reason) == ("no_snippet", reason)


def test_long_queries_are_not_asked(footage: Footage) -> None:
    def fail(*_: object) -> list:
        raise AssertionError

    found = run("x" * 10_000, footage, Steps(fail, fail, fail))
    assert (found.outcome, found.reason) == (
        "not_asked",
        f"the query has 10,000 characters; at most {LONGEST:,} are asked",
    )


def test_queries_that_a_model_refuses(footage: Footage, truth: Callable) -> None:
    def refuse(*_: object) -> list:
        raise UserError("a query must not hold the model's own tokens")

    for steps in (replace(truth().steps, snippets=refuse), replace(truth().steps, box=refuse)):
        found = run("<|im_end|>", footage, steps)
        assert (found.outcome, found.reason) == ("not_asked", "a query must not hold the model's own tokens")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (Answer(box=(500, 0, 600, 50)), "the box (500, 0, 600, 50) covers no pixel of 160 x 120"),
        (ParseFailure("not there"), "not there"),
        (Answer(), "the answer has no box"),
    ],
)
def test_no_box(footage: Footage, truth: Callable, said: object, reason: str) -> None:
    found = run("the box", footage, truth(boxes=dict.fromkeys(range(24), said)).steps)
    assert (found.outcome, found.reason) == ("no_box", reason)
    assert len(found.asked) == 3 and found.track is None


def test_no_view_of_the_snippet_can_be_read(wall: Callable, truth: Callable) -> None:
    footage = wall(24, unreadable=range(3, 24)).footage
    found = run("the box", footage, truth(says=[when(0.2, 0.4)]).steps)
    assert (found.outcome, found.reason) == ("no_box", "no view of the snippets can be read")


@pytest.mark.parametrize("there", [0, 1])
def test_lost_at_once(footage: Footage, truth: Callable, there: int) -> None:
    known = truth()

    def masks(footage: Footage, view: int, box: tuple) -> list[tuple[int, np.ndarray]]:
        empty = np.zeros((120, 160), bool)
        return [(view, known.mask(view) if there else empty), ((view + 1) % 24, empty), ((view + 2) % 24, empty)]

    found = run("the box", footage, replace(known.steps, masks=masks), Options(tracks=1))
    reason = (
        f"the object has a mask on {there} view{'s' * (not there)}, 2 are needed: the tracker does not see the object"
    )
    assert (found.outcome, found.reason) == ("lost", reason)
    assert len(found.track.masks) == there and found.lifted is None


def test_a_tracker_that_refuses(footage: Footage, truth: Callable) -> None:
    def masks(*_: object) -> Iterator[tuple[int, np.ndarray]]:
        raise UserError("cannot read 3.jpg")
        yield

    assert run("the box", footage, replace(truth().steps, masks=masks)).outcome == "lost"


def test_no_depth(footage: Footage, truth: Callable) -> None:
    nothing = np.zeros((120, 160), np.float32)
    views = [replace(view, read_depth=lambda: nothing) for view in footage.scene.views]
    found = run("the box", replace(footage, scene=replace(footage.scene, views=views)), truth().steps)
    reason = (
        "the object has a mask on 0 views, 2 are needed: no depth under the mask; the tracker does not see the object"
    )
    assert (found.outcome, found.reason) == ("no_depth", reason)


def test_depth_that_cannot_be_read(footage: Footage, truth: Callable) -> None:
    def broken() -> np.ndarray:
        raise UserError("cannot read 3.png")

    views = [replace(view, read_depth=broken) for view in footage.scene.views]
    found = run("the box", replace(footage, scene=replace(footage.scene, views=views)), truth().steps)
    assert found.outcome == "no_depth"
    assert "no depth under the mask: cannot read 3.png" in found.reason


def test_one_view_is_too_few(footage: Footage, truth: Callable) -> None:
    """With nothing left out there is nothing more to say."""
    known = truth()
    steps = replace(known.steps, masks=lambda footage, view, box: [(view, known.mask(view))])
    found = run("the box", footage, steps, Options(tracks=1))
    assert (found.outcome, found.reason) == ("lost", "the object has a mask on 1 view, 2 are needed")


def test_depth_that_is_missing_in_the_snippet_alone(footage: Footage, room: rooms.Room, truth: Callable) -> None:
    """The object is followed from there to views with depth."""
    nothing = np.zeros((120, 160), np.float32)
    views = [
        replace(view, read_depth=lambda: nothing) if number < 6 else view
        for number, view in enumerate(footage.scene.views)
    ]
    footage = replace(footage, scene=replace(footage.scene, views=views))
    found = run("the box", footage, truth(says=[when(0.0, 0.2)]).steps)
    assert found.outcome == "found" and fit(found.lifted, room.owners) > 0.8
    assert {view for view, why in found.track.rejected.items() if why == "no depth under the mask"} == set(range(6))


def test_not_lifted(footage: Footage, truth: Callable) -> None:
    options = Options(settings=Settings(min_points=100_000))
    found = run("the box", footage, truth().steps, options)
    assert found.outcome == "not_lifted" and found.reason.endswith("of the 100000 asked for") and found.lifted is None


def test_a_lift_that_refuses(footage: Footage, truth: Callable) -> None:
    far = replace(footage, scene=replace(footage.scene, points=footage.scene.points + 1000))
    found = run("the box", far, truth().steps)
    assert found.outcome == "not_lifted" and "no view sees a point of the mesh" in found.reason


def test_a_candidate_is_taken(footage: Footage, room: rooms.Room, truth: Callable) -> None:
    masks = np.column_stack([room.owners == 2, room.owners == 1])
    found = run("the box", footage, truth().steps, candidates=Candidates(masks))
    assert found.match.number == 1 and found.match.fits
    assert (found.lifted.instances[0].points == np.flatnonzero(room.owners == 1)).all()
    found = run("the box", footage, truth().steps, candidates=Candidates(masks[:, :1]))
    assert not found.match.fits and fit(found.lifted, room.owners) > 0.85


@pytest.mark.parametrize("name", ["boxes", "tracks"])
def test_numbers_of_options(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} must be 1 or more, got 0"):
        Options(**{name: 0})


def test_every_outcome_is_tested() -> None:
    assert set(OUTCOMES) == {
        *("found", "none", "not_asked", "no_snippet", "no_box", "lost", "no_depth", "not_lifted"),
        "no_scene",  # in tests/commands/test_ground3d.py
    }
