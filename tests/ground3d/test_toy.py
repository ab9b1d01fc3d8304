"""Scores of the chain on rooms: figures worked out by hand, and steps that are made to fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from grounding.core import Answer, Interval, ParseFailure, Sample
from grounding.datasets.room_queries import ROOMS
from grounding.datasets.room_scenes import RoomScene
from grounding.datasets.toy import toy_source
from grounding.ground3d.chain import Options
from grounding.ground3d.follow import TrackedMasks
from grounding.ground3d.oracles import ORACLES, ladder
from grounding.ground3d.scripted import Flaws, ScriptedTracker
from grounding.ground3d.toy import Result, as_row, climb, figures, lost_at, scores, table

SOURCE = toy_source(7_770_400_000, 40, toy=ROOMS)
SIZE = (120, 160)


def result(iou: float, *oracles: str, exists: bool = True, outcome: str = "found", mask: float = 0.0) -> Result:
    return Result("room", "the red box", oracles, exists, outcome, iou, mask, None)


def climbed(*ious: float, exists: bool = True, refused: tuple[bool, ...] = ()) -> list[Result]:
    """From no truth to all of it."""
    outcomes = ["none" if one else "found" for one in refused] or ["found"] * 4
    rungs = [tuple(name for name in ORACLES if name in rung) for rung in ladder(())]
    return [
        result(iou, *rung, exists=exists, outcome=outcome)
        for iou, rung, outcome in zip(ious, rungs, outcomes, strict=True)
    ]


@pytest.mark.parametrize(
    ("ious", "step"),
    [
        ((0.5, 0.9, 0.9, 0.9), None),
        ((0.0, 0.9, 0.9, 0.9), "snippet"),
        ((0.3, 0.4, 0.5, 0.9), "box"),
        ((0.0, 0.0, 0.1, 0.9), "masks"),
        ((0.0, 0.0, 0.0, 0.49), "lift"),
        ((0.0, 0.6, 0.0, 0.0), "snippet"),  # the first truth that mends it
    ],
)
def test_the_step_whose_truth_mends_a_query_has_lost_it(ious: tuple[float, ...], step: str | None) -> None:
    assert lost_at(climbed(*ious)) == step


def test_a_find_where_nothing_fits_is_lost_by_the_snippet() -> None:
    assert lost_at(climbed(0, 0, 0, 0, exists=False, refused=(False, True, True, True))) == "snippet"
    assert lost_at(climbed(0, 0, 0, 0, exists=False, refused=(True, True, True, True))) is None


def test_a_wrong_refusal_is_lost_by_the_snippet() -> None:
    assert lost_at(climbed(0, 0.8, 0.8, 0.8, refused=(True, False, False, False))) == "snippet"


def test_one_true_step_leaves_two_to_lose_a_query() -> None:
    runs = [result(0.1, "box"), result(0.1, "snippet", "box"), result(0.8, "snippet", "box", "masks")]
    assert lost_at(runs) == "masks"


def test_figures() -> None:
    found = figures(
        [
            result(0.8, mask=0.9),
            result(0.25, mask=0.3),
            result(0.15, mask=0.0),
            result(0.0, outcome="none"),  # there, but refused
            result(0.0, exists=False, outcome="none"),
            result(0.0, exists=False, outcome="found"),
        ]
    )
    assert found["queries"] == 6
    assert (found["acc25"], found["acc50"]) == (0.5, 0.25)
    assert found["mean_iou"] == pytest.approx(0.3) and found["mean_mask_iou"] == pytest.approx(0.3)
    assert found["refusals"] == {"nothing_fits": 2, "refused": 2, "precision": 0.5, "recall": 0.5}


def test_what_is_not_counted_is_none() -> None:
    found = figures([result(0.0, exists=False)])
    assert found["acc25"] is found["mean_iou"] is found["refusals"]["precision"] is None
    assert found["refusals"]["recall"] == 0
    assert figures([result(0.5)])["refusals"] == {
        "nothing_fits": 0,
        "refused": 0,
        "precision": None,
        "recall": None,
    }


def test_scores_have_a_row_for_each_rung() -> None:
    made = scores([climbed(0.9, 0.9, 0.9, 0.9), climbed(0.1, 0.3, 0.3, 0.3), climbed(0.1, 0.1, 0.7, 0.7)])
    assert made["acc50"] == pytest.approx(1 / 3) and made["mean_iou"] == pytest.approx(1.1 / 3)
    assert made["lost_at"] == {"snippet": 0, "box": 1, "masks": 0, "lift": 1}
    assert [row["oracles"] for row in made["oracles"]] == [
        [],
        ["snippet"],
        ["snippet", "box"],
        ["snippet", "box", "masks"],
    ]
    assert [row["acc25"] for row in made["oracles"]] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    lines = table(made).splitlines()
    assert lines[1].split() == ["none", "0.333", "0.333", "0.367", "0.000", "-", "-"]
    assert lines[4].startswith("snippet, box, masks")
    assert lines[5] == "3 queries; lost at: snippet 0, box 1, masks 0, lift 1"


def test_a_row_tells_all_runs_of_a_query() -> None:
    row = as_row([result(0.1, "box"), result(0.6, "snippet", "box"), result(0.6, *ORACLES)])
    assert (row["room"], row["query"], row["exists"], row["lost_at"]) == ("room", "the red box", True, "snippet")
    assert row["runs"][0] == {
        "oracles": ("box",),
        "outcome": "found",
        "box_iou": 0.1,
        "mask_iou": 0.0,
        "confidence": None,
    }


def asked(exists: bool) -> Sample:
    return next(sample for sample in SOURCE.samples if bool(sample.truth.segments) == exists)


def tracked(room: RoomScene) -> TrackedMasks:
    return TrackedMasks(ScriptedTracker(lambda view: room.film.shot(view).labels))


def run(sample: Sample, snippet: Any = None, box: Any = None, *oracles: str) -> list[Result]:
    def guesses(room: RoomScene) -> Mapping[str, Callable[..., Any]]:
        return {"snippet": lambda *_: [snippet], "box": lambda *_: box, "masks": tracked(room)}

    return climb(sample, guesses, oracles, Options(), SIZE)[1]


def test_all_truth_finds_the_points_and_the_box() -> None:
    (one,) = run(asked(True), None, None, *ORACLES)
    assert one.outcome == "found" and one.box_iou > 0.9 and one.mask_iou > 0.9 and one.right
    assert one.confidence is not None and one.confidence > 0.9


def test_all_truth_refuses_what_nothing_fits() -> None:
    (one,) = run(asked(False), None, None, *ORACLES)
    assert (one.outcome, one.exists, one.right, one.box_iou) == ("none", False, True, 0.0)


def test_wrong_steps_lose_what_they_get_wrong() -> None:
    sample = asked(True)
    refused = run(sample, Answer(intervals=()), ParseFailure("no"), "box")
    assert refused[0].refused and lost_at(refused) == "snippet"
    blind = run(sample, None, ParseFailure("no"), "snippet")
    assert blind[0].outcome == "no_box" and lost_at(blind) == "box"
    corner = Answer(box=(0, 0, 3, 3), size=SIZE)  # where nothing is
    assert run(sample, None, corner, "snippet")[0].outcome == "lost"


def test_a_find_where_nothing_fits_is_no_hit() -> None:
    sample = asked(False)
    first = run(sample, Answer(intervals=(Interval(0.0, 4.0),)), Answer(box=(0, 0, 160, 120), size=SIZE))[0]
    assert not first.right and first.box_iou == first.mask_iou == 0


def test_masks_that_bleed_a_little_do_not_lose_the_thing() -> None:
    """Where they end on what lies behind; the camera hardly moves, so that other views do not put it right."""

    def guesses(room: RoomScene) -> Mapping[str, Callable[..., Any]]:
        tracker = ScriptedTracker(lambda view: room.film.shot(view).labels, Flaws(bleed=2))
        return {"masks": TrackedMasks(tracker)}

    first, last = climb(asked(True), guesses, ("snippet", "box"), Options(), (240, 320))[1]
    assert last.box_iou > first.box_iou > 0.75
