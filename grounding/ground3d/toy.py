"""The chain on rooms of the toy world, scored against the truth, and which step loses each query that it fails.

Each query is run again with the truth in place of the snippet, then of the box also, then of the masks also. The step
whose truth mends a failed one has lost it; what no truth mends, the lift has lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from grounding.core import Sample
from grounding.datasets.room_scenes import RoomScene, room_scene
from grounding.datasets.toy import Question
from grounding.evaluation.scenes import box3d_iou
from grounding.ground3d.chain import Grounded, Options, run
from grounding.ground3d.footage import Footage
from grounding.ground3d.oracles import ORACLES, Truth, ladder, steps_of

LOW, HIGH = 0.25, 0.5  # IoU of boxes from which a query counts as answered; it fails below the second
LOSERS = (*ORACLES, "lift")
FPS = 4.0  # views a second


@dataclass(frozen=True)
class Result:
    """How a query about a room ended.

    Args:
        room: The name of its sample.
        query: The question.
        oracles: Which steps were the truth.
        exists: Whether anything in the room fits the query.
        outcome: A key of `grounding.ground3d.chain.OUTCOMES`.
        box_iou: IoU of the lifted box with the true one, axes aligned; 0 if nothing was found or exists.
        mask_iou: IoU of the lifted points of the scan with the true ones, in the same way.
        confidence: The lift's, or None.
    """

    room: str
    query: str
    oracles: tuple[str, ...]
    exists: bool
    outcome: str
    box_iou: float
    mask_iou: float
    confidence: float | None

    @property
    def refused(self) -> bool:
        """Whether the answer was that nothing fits."""
        return self.outcome == "none"

    @property
    def right(self) -> bool:
        """Whether the thing was found, or rightly refused."""
        return self.box_iou >= HIGH if self.exists else self.refused


def judged(truth: Truth, found: Grounded, oracles: Collection[str]) -> Result:
    """Score what was found for a question."""
    lifted, thing, room = found.lifted, truth.thing, truth.room
    box, mask = 0.0, 0.0
    if lifted is not None and thing is not None:
        one, own = lifted.instances[0], room.owners == thing
        box = float(box3d_iou(one.boxes.aabb, room.boxes[thing]))
        both = int(np.count_nonzero(own[one.points]))
        mask = both / (int(np.count_nonzero(own)) + len(one.points) - both)
    confidence = None if lifted is None else lifted.instances[0].ratio
    names = tuple(name for name in ORACLES if name in oracles)
    return Result(room.sample.id, found.query, names, thing is not None, found.outcome, box, mask, confidence)


def climb(
    sample: Sample,
    guesses: Callable[[RoomScene], Mapping[str, Callable[..., Any]]],
    oracles: Collection[str],
    options: Options,
    size: tuple[int, int],
) -> tuple[Grounded, list[Result]]:
    """Ask a room its own question, with more truth each time.

    Args:
        sample: Of a `ToySource` of rooms.
        guesses: A room -> those of the steps `ORACLES`, by name, that are not the truth.
        oracles: The steps that are the truth from the start.
        options: Of the chain.
        size: (height, width) of the room's pictures.

    Returns:
        What the first run found, and the results of all.
    """
    room = room_scene(sample, FPS, size)
    question: Question = sample.meta["questions"][0]
    truth, footage, made = Truth(room, question), Footage.of(room.scene, name=sample.id), guesses(room)
    first: Grounded | None = None
    results = []
    for rung in ladder(oracles):
        found = run(question.query, footage, steps_of(truth, made, rung), options)
        first = first or found
        results.append(judged(truth, found, rung))
    assert first is not None
    return first, results


def lost_at(results: Sequence[Result]) -> str | None:
    """The step that lost a query, one of `LOSERS`; None if it was answered.

    Args:
        results: Of one query, with more truth each time.
    """
    if results[0].right:
        return None
    for before, after in pairwise(results):
        if after.right:
            (step,) = set(after.oracles) - set(before.oracles)
            return step
    return "lift"


def scores(climbs: Sequence[Sequence[Result]]) -> dict[str, Any]:
    """Figures of all queries, and a row of them for each rung of the ladder.

    Accuracies and means are over the queries that something fits.
    """
    lost = [lost_at(results) for results in climbs]
    return {
        **figures([results[0] for results in climbs]),
        "lost_at": {step: lost.count(step) for step in LOSERS},
        "oracles": [{"oracles": list(rung[0].oracles), **figures(rung)} for rung in zip(*climbs, strict=True)],
    }


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """Accuracies at IoU of boxes, mean IoUs, and precision and recall of refusals; None where nothing is counted."""
    there = [one for one in results if one.exists]
    refused = [one for one in results if one.refused]
    rightly = sum(not one.exists for one in refused)
    return {
        "queries": len(results),
        "acc25": _mean(one.box_iou >= LOW for one in there),
        "acc50": _mean(one.box_iou >= HIGH for one in there),
        "mean_iou": _mean(one.box_iou for one in there),
        "mean_mask_iou": _mean(one.mask_iou for one in there),
        "refusals": {
            "nothing_fits": len(results) - len(there),
            "refused": len(refused),
            "precision": rightly / len(refused) if refused else None,
            "recall": rightly / (len(results) - len(there)) if len(there) < len(results) else None,
        },
    }


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return float(np.mean(listed)) if listed else None


def table(found: Mapping[str, Any]) -> str:
    """The scores for people: a row a rung of the ladder, then where queries were lost."""
    names = ("acc25", "acc50", "mean_iou", "mean_mask_iou")
    heads = [f"{'true steps':<20}", *(f"{name:>14}" for name in (*names, "refusals P", "refusals R"))]
    lines = ["".join(heads)]
    for row in found["oracles"]:
        values = [*(row[name] for name in names), row["refusals"]["precision"], row["refusals"]["recall"]]
        cells = [f"{'-' if value is None else format(value, '.3f'):>14}" for value in values]
        lines.append("".join([f"{', '.join(row['oracles']) or 'none':<20}", *cells]))
    lost = ", ".join(f"{step} {count}" for step, count in found["lost_at"].items())
    return "\n".join([*lines, f"{found['queries']} queries; lost at: {lost}", ""])


def as_row(results: Sequence[Result]) -> dict[str, Any]:
    """A query as a line of a file: how it ended each time, and which step lost it."""
    runs = [{key: value for key, value in asdict(one).items() if key not in _SHARED} for one in results]
    return {**{key: getattr(results[0], key) for key in _SHARED}, "lost_at": lost_at(results), "runs": runs}


_SHARED = ("room", "query", "exists")
