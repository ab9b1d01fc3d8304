"""Marks on a stream: each frame is drawn when it comes, steadied by those before it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from grounding.core import UserError
from prompting.legend import Mark
from prompting.marker import IdMarker
from prompting.pictures import Masks, like, masks_of, pixels_of
from prompting.smoothing import REACH, SIGMA
from prompting.spots import Spots, empty_spots, spots_of_masks


@dataclass
class IdStream:
    """Draws IDs on frames as they come; the causal counterpart of `IdMarker.annotate_clip`.

    Marks do not lag behind even motion, but are less steady than those placed with the frames to come in sight.

    Args:
        marker: How to draw.
    """

    marker: IdMarker = field(default_factory=IdMarker)
    _past: list[tuple[Spots, tuple[int, int]]] = field(default_factory=list, init=False, repr=False)
    _last: dict[int, tuple[float, float]] = field(default_factory=dict, init=False, repr=False)

    def annotate(
        self, frame: Any, masks: Masks, time: float, ids: Sequence[int] | np.ndarray | None = None
    ) -> tuple[Any, tuple[Mark, ...]]:
        """A copy of the next frame with the marks drawn, and the marks; arguments as of `IdMarker.annotate`.

        Args:
            frame: The frame.
            masks: Its objects; keep to one resolution.
            time: When it is shown, seconds, later than the one before.
            ids: The id of each mask in a row, or of each detection in place of its tracker id.

        Raises:
            UserError: As `IdMarker.annotate`, or if time does not go on.
        """
        pixels = pixels_of(frame)
        room = pixels.shape[:2]
        by_id = masks_of(masks, ids, room)
        if self._past and not time > self._past[-1][0].times[0]:
            raise UserError(f"a frame must come after the one at {self._past[-1][0].times[0]:g} s, got {time:g} s")
        self._past.append((spots_of_masks(by_id, time, room, self._last), room))
        self._past = [
            (spots, size) for spots, size in self._past if time - spots.times[0] <= REACH * SIGMA and size == room
        ]
        spots = _joined([spots for spots, _ in self._past])
        marks = self.marker.plan_spots(spots, room).draw(pixels, len(spots.times) - 1, by_id)
        return like(frame, pixels), tuple(mark for mark in marks if mark.object_id in by_id)


def _joined(past: Sequence[Spots]) -> Spots:
    """Single frames as one stretch, of every id in them."""
    ids = sorted({object_id for spots in past for object_id in spots.ids})
    joined = empty_spots(ids, np.concatenate([spots.times for spots in past]))
    for t, spots in enumerate(past):
        columns = [ids.index(object_id) for object_id in spots.ids]
        for name in ("poles", "radii", "areas", "boxes"):
            getattr(joined, name)[t, columns] = getattr(spots, name)[0]
    return joined
