"""Which views of a snippet are asked for a box, and from which of the boxes the object is followed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from grounding.core import Answer, ParseFailure, UserError
from grounding.ground3d.footage import Footage
from grounding.ground3d.steps import Box, BoxOf
from grounding.tasks.task import Said

LOOKED_AT = 5  # views of each part of a snippet that are compared; our default
BORDER = 0.005  # share of the picture's side; a box that comes as near to the border is cut off by it; our default


@dataclass(frozen=True)
class Asked:
    """A view that was asked for a box.

    Args:
        view: Its place in the footage.
        snippet: Number of the snippet that it is of, from 0.
        box: What was answered, cut at the picture's border; None if nothing of use was.
        problem: Why there is no box, or "".
    """

    view: int
    snippet: int
    box: Box | None = None
    problem: str = ""

    @property
    def area(self) -> float:
        """Pixels of the box."""
        x1, y1, x2, y2 = self.box or (0, 0, 0, 0)
        return (x2 - x1) * (y2 - y1)


def views_to_ask(footage: Footage, views: range, count: int) -> list[int]:
    """Views spread over a snippet: the sharpest one of each of `count` equal parts. Our default.

    A view with depth comes before one without. Of each part at most `LOOKED_AT` views are decoded, spread evenly;
    those that cannot be read are left out.
    """
    chosen = []
    for part in np.array_split(np.array(views), min(count, len(views))):
        places = np.unique(np.linspace(0, len(part) - 1, min(LOOKED_AT, len(part))).round().astype(int))
        worth = {view: _worth(footage, view) for view in part[places].tolist()}
        readable = [view for view, one in worth.items() if one is not None]
        if readable:
            chosen.append(max(readable, key=lambda view: worth[view] or (False, 0.0)))
    return chosen


def _worth(footage: Footage, view: int) -> tuple[bool, float] | None:
    """Whether a view has depth, and how sharp it is; None if its picture cannot be read."""
    try:
        grey = cv2.cvtColor(footage.picture(view), cv2.COLOR_RGB2GRAY)
    except UserError:
        return None
    try:
        deep = bool(footage.depth(view).any())
    except UserError:
        deep = False
    return deep, float(cv2.Laplacian(grey, cv2.CV_64F).var())


def ask(query: str, footage: Footage, snippets: Sequence[range], count: int, box: BoxOf) -> list[Asked]:
    """Ask `count` views of each snippet for the object's box; a view of several snippets is asked once."""
    asked: dict[int, Asked] = {}
    for number, views in enumerate(snippets):
        for view in views_to_ask(footage, views, count):
            if view not in asked:
                asked[view] = _judged(Asked(view, number), box(query, footage, view), footage.size)
    return list(asked.values())


def _judged(asked: Asked, said: Said, size: tuple[int, int]) -> Asked:
    if isinstance(said, ParseFailure):
        return Asked(asked.view, asked.snippet, problem=said.reason)
    if not isinstance(said, Answer) or said.box is None:
        return Asked(asked.view, asked.snippet, problem="the answer has no box")
    height, width = size
    x1, y1, x2, y2 = np.clip(said.box, 0, (width, height, width, height)).tolist()
    if x2 - x1 < 1 or y2 - y1 < 1:
        told = ", ".join(f"{edge:g}" for edge in said.box)
        return Asked(asked.view, asked.snippet, problem=f"the box ({told}) covers no pixel of {width} x {height}")
    return Asked(asked.view, asked.snippet, (x1, y1, x2, y2))


def seed_of(asked: Sequence[Asked], size: tuple[int, int]) -> Asked:
    """The view to follow the object from: its box is the largest of those that do not touch the border.

    Where all touch it, the largest of all. Of equal ones the first. Our default, for the paper does not say.
    """
    return max(asked, key=lambda one: (not _touches(one, size), one.area))


def _touches(asked: Asked, size: tuple[int, int]) -> bool:
    assert asked.box is not None
    height, width = size
    x1, y1, x2, y2 = asked.box
    across, down = BORDER * width, BORDER * height
    return x1 <= across or y1 <= down or x2 >= width - across or y2 >= height - down
