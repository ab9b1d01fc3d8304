"""The truth of a question about a room, in place of steps of the chain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grounding.core import Answer, ParseFailure, UserError
from grounding.core.boxes import mask_box
from grounding.core.checks import shown
from grounding.datasets.room_scenes import RoomScene
from grounding.datasets.toy import Question
from grounding.ground3d.footage import Footage
from grounding.ground3d.steps import Box, Steps
from grounding.tasks.task import Said

ORACLES = ("snippet", "box", "masks")  # in the order of the chain


def read_oracles(text: str) -> frozenset[str]:
    """Names of steps, separated by commas; "" is none.

    Raises:
        UserError: If there is no such step.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in ORACLES:
            raise UserError(f"unknown oracle {shown(name)}; choose from {','.join(ORACLES)}")
    return frozenset(names)


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of a question about a room.

    Args:
        room: The room.
        question: One of those that its sample asks.
    """

    room: RoomScene
    question: Question

    @property
    def thing(self) -> int | None:
        """The id of what is asked for; None if nothing fits."""
        return self.question.about.id if self.question.truth.segments else None

    def snippets(self, query: str, footage: Footage) -> list[Said]:
        """When the thing is seen, or that it never is."""
        return [self.question.truth]

    def box(self, query: str, footage: Footage, view: int) -> Said:
        """Around what a view shows of the thing."""
        mask = self._mask(view)
        if not mask.any():
            return ParseFailure("it is not in the view")
        x1, y1, x2, y2 = mask_box(mask).tolist()
        return Answer(box=(x1, y1, x2, y2), size=footage.size)

    def masks(self, footage: Footage, view: int, box: Box) -> Iterator[tuple[int, np.ndarray]]:
        """Those of the thing on all views, whatever the box."""
        for one in (view, *(other for other in range(len(footage)) if other != view)):
            yield one, self._mask(one)

    def _mask(self, view: int) -> np.ndarray:
        labels = self.room.film.shot(view).labels
        return np.zeros(labels.shape, bool) if self.thing is None else labels == self.thing


def steps_of(truth: Truth, guesses: Mapping[str, Callable[..., Any]], oracles: Collection[str]) -> Steps:
    """The truth for the oracles, guesses for the other steps; both by the names of `ORACLES`."""
    exact: dict[str, Callable[..., Any]] = {"snippet": truth.snippets, "box": truth.box, "masks": truth.masks}
    return Steps(*(exact[name] if name in oracles else guesses[name] for name in ORACLES))


def ladder(oracles: Collection[str]) -> Sequence[frozenset[str]]:
    """The oracles of a run, then one more each time, in the order of the chain, until all are true."""
    rungs = [frozenset(oracles)]
    for name in ORACLES:
        if name not in rungs[-1]:
            rungs.append(rungs[-1] | {name})
    return rungs
