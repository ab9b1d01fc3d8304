"""What is told of a query: as JSON, and as a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from grounding.core import Answer, Interval, ParseFailure
from grounding.ground3d import picture
from grounding.ground3d.chain import Grounded, run
from grounding.ground3d.footage import Footage
from grounding.ground3d.picture import PREDICTED, TRUE, WIDTH, draw
from grounding.ground3d.trace import as_json

NEVER = Answer(intervals=())


def count(drawn: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((drawn == colour).all(axis=2).sum())


def test_all_steps_are_told(footage: Footage, truth: Callable) -> None:
    says = [ParseFailure("what?"), Answer(Interval(0.2, 0.4)), NEVER]
    told = json.loads(json.dumps(as_json(run("the box", footage, truth(says=says).steps), {"model": "RUN"})))
    assert (told["query"], told["outcome"], told["reason"], told["how"]) == ("the box", "found", "", {"model": "RUN"})
    assert told["scene"]["views"] == 24 and told["scene"]["size"] == [120, 160]
    assert told["answers"] == [{"unreadable": "what?"}, {"intervals": [[0.2, 0.4]]}, {"none": True}]
    assert told["snippets"] == [{"interval": [0.2, 0.4], "views": 6, "first": "000006", "last": "000011"}]
    (first, *_) = told["boxes"]
    assert first["view"] == "000006" and first["time"] == 0.2 and len(first["box"]) == 4 and first["problem"] == ""
    assert told["track"]["seeds"][0] in told["track"]["votes"] == [one["view"] for one in told["boxes"]]
    seen = {one["view"]: one for one in told["masks"]}
    pixels = int(truth().mask(6).sum())
    assert seen["000006"] == {"view": "000006", "time": 0.2, "pixels": pixels, "box": list(truth().box_of(6))}
    assert told["rejected"]["000015"] == "the tracker does not see the object"
    assert seen.keys() | told["rejected"].keys() == {f"{view:06}" for view in range(24)}
    assert told["confidence"] == told["object"]["score"] > 0.9 and told["object"]["label"] == "the box"
    assert told["candidate"] is None and set(told["seconds"]) == {"snippets", "boxes", "masks", "lift"}


def test_what_was_not_reached_is_empty(footage: Footage, truth: Callable) -> None:
    told = as_json(run("a cat", footage, truth(says=[NEVER]).steps), {})
    assert told["outcome"] == "none" and told["meaning"].endswith("nothing in the scene fits the query")
    assert told["boxes"] == told["masks"] == told["snippets"] == [] and told["rejected"] == {}
    assert told["track"] is told["object"] is told["confidence"] is None


def test_a_scene_without_views_is_told_in_few_words() -> None:
    told = as_json(Grounded("a cat", None, "no_scene", "no usable frame"), {})
    assert (told["outcome"], told["reason"]) == ("no_scene", "no usable frame") and "scene" not in told


def test_the_picture_shows_all_steps(footage: Footage, truth: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    text = picture._text
    monkeypatch.setattr(picture, "_text", lambda words, *more: titles.append(words) or text(words, *more))
    drawn = draw(run("the box", footage, truth(says=[Answer(Interval(0.2, 0.4))]).steps))
    assert drawn.shape[1:] == (WIDTH, 3) and drawn.dtype == np.uint8
    steps = [one for one in titles if one[:1].isdigit() and one[1:3] == "  "]
    assert [one.split(":")[0] for one in steps] == [
        *("1  When", "2  Where", "3  Which pixels", "4  In 3D"),
    ]
    assert any("followed from here" in one for one in titles)
    assert any("left out: the tracker does not see the object" in one for one in titles)
    assert count(drawn, TRUE) > 1000 and count(drawn, PREDICTED) > 1000


@pytest.mark.parametrize("says", [[NEVER], [ParseFailure("what? " * 400)], [Answer(Interval(9, 10))]])
def test_the_picture_ends_where_the_chain_did(footage: Footage, truth: Callable, says: list) -> None:
    whole, drawn = draw(run("it", footage, truth().steps)), draw(run("it", footage, truth(says=says).steps))
    assert len(drawn) < len(whole) / 3 and count(drawn, TRUE) == 0


@pytest.mark.parametrize("query", ["x" * 10_000, "\udcff \x00 \N{GRINNING FACE}", "a"])
def test_any_query_can_be_drawn(query: str) -> None:
    assert draw(Grounded(query, None, "no_scene", "no usable frame " * 100)).shape[1] == WIDTH


def test_views_that_cannot_be_read_are_drawn_as_paper(wall: Callable) -> None:
    made = wall(4, unreadable=[2])
    assert (picture._cell(made.footage, 2, lambda _: None)[:20] == 255).all()


def test_a_line_is_cut_at_the_camera(wall: Callable) -> None:
    """From 1 m before the camera to 1 m behind it, 0.1 m to the right: it ends where it is `NEAR`."""
    view = wall(1).footage.scene.views[0]
    start, end = np.array([0.1, 0, 1.0]), np.array([0.1, 0, -1.0])
    line = picture._line(start, end, view)
    assert np.allclose(line, [[31.5 + 60 * 0.1, 23.5], [31.5 + 60 * 0.1 / picture.NEAR, 23.5]])
    assert picture._line(end, end - [0, 0, 1], view) is None


def test_the_box_of_an_aligned_scene_is_drawn_where_the_object_is(footage: Footage, truth: Callable) -> None:
    """A turn by 90 degrees and a shift change the box's frame, and nothing in the picture of a view."""
    alignment = np.array([[0.0, -1, 0, 3], [1, 0, 0, -2], [0, 0, 1, 1], [0, 0, 0, 1]])
    turned = replace(footage, scene=replace(footage.scene, axis_alignment=alignment))
    pictures = []
    for one in (footage, turned):
        found = run("the box", one, truth().steps)
        shown = np.zeros((120, 160, 3), np.uint8)
        picture._project(shown, one, 6, found.lifted, found.lifted.instances[0])
        pictures.append((shown == PREDICTED).all(axis=2))
    both, either = (pictures[0] & pictures[1]).sum(), (pictures[0] | pictures[1]).sum()
    assert found.lifted.instances[0].boxes.frame == "aligned" and both > 0.7 * either > 50
