"""The steps from a question to masks, each a function that can be exchanged: models, or the truth of a toy world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from grounding.ground3d.footage import Footage
from grounding.tasks.task import Said

Box = tuple[float, float, float, float]  # xyxy, pixels of `Footage.size`
Snippets = Callable[[str, Footage], Sequence[Said]]
BoxOf = Callable[[str, Footage, int], Said]
Masks = Callable[[Footage, int, Box], Iterable[tuple[int, np.ndarray | None]]]


@dataclass(frozen=True)
class Steps:
    """What finds an object in a footage.

    Args:
        snippets: A query -> answers of task vtg in the order of trust, at least one. What the first readable one says
            decides whether there is such an object at all: `Answer(intervals=())` is "none".
        box: A query and a view -> an answer of task box, in pixels of `Footage.size`.
        masks: A view and a box on it -> views and the object's masks on them, bool (H, W) of `Footage.size`: the view
            itself first, then others in any order, each at most once. An empty mask says that the object is not seen,
            None that the view cannot be read. Views that nobody looked at are not given.

    All three raise `UserError` for what they cannot work on; the query is then not answered, and the reason is told.
    """

    snippets: Snippets
    box: BoxOf
    masks: Masks
