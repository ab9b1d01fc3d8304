"""What is drawn on every frame of a clip, worked out before any of its pixels is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np

from grounding.core.colours import RGB
from prompting.legend import Box, Mark
from prompting.looks import NUMBERS
from prompting.patches import PLAIN, patch
from prompting.placing import Places
from prompting.regions import draw_box, draw_contour, draw_leader, draw_tint
from prompting.spots import Spots

LEGIBLE = 5.0  # pixels at the model's size; lower digits could not be read
CLEAR = 2.0  # pixels at the model's size between an object and the end of its line's middle
LEAST = 1.0  # pixels at the model's size; an object of less area cannot be seen there, so it is not marked

UNSEEN = "not seen in this frame"
TINY = f"smaller than {LEAST:g} pixel at the model's size"
CROWDED = "no room left beside the marks of larger objects"


@dataclass(frozen=True, eq=False)
class Plan:
    """Marks of T frames.

    Args:
        number: Look of the numbers, or None for a style without.
        regions: Drawn below them, in this order.
        room: (height, width) of the frames in pixels.
        scale: Pixels of a frame for one at the model's size, >= 1.
        spots: The objects.
        places: Of their numbers; None without.
        colours: Of the objects, by id.
    """

    number: str | None
    regions: tuple[str, ...]
    room: tuple[int, int]
    scale: float
    spots: Spots
    places: Places | None
    colours: Mapping[int, RGB]

    @property
    def needs_masks(self) -> bool:
        """Whether `draw` looks at masks."""
        return "tint" in self.regions or "contour" in self.regions

    def draw(self, frame: np.ndarray, t: int, masks: Mapping[int, np.ndarray]) -> tuple[Mark, ...]:
        """Draw on the frame itself.

        Args:
            frame: RGB, uint8, shape (H, W, 3).
            t: Which of the planned frames it is.
            masks: Of the objects, by id; looked at only if `needs_masks`.

        Returns:
            One mark an object, ascending by id.
        """
        marks = [self._mark(t, n) for n in range(len(self.spots.ids))]
        shown = np.flatnonzero(self.spots.areas[t] >= LEAST * self.scale**2).tolist()
        for region in self.regions:
            for n in shown:
                self._draw_region(frame, region, t, n, masks)
        for mark, radius in zip(marks, self.spots.radii[t].tolist(), strict=True):
            if mark.leader is not None and mark.box is not None:
                draw_leader(frame, mark.box, mark.leader, radius + CLEAR * self.scale, self.scale)
        if self.number is not None and self.places is not None:
            rows = zip(marks, self.places.heights[t].tolist(), self.places.corners[t].tolist(), strict=True)
            for mark, height, (left, top) in rows:
                if mark.box is not None:
                    x, y = mark.box[:2]
                    colour = self.colours[mark.object_id]
                    picture = patch(self.number, mark.object_id, height, self.room, colour, (left - x, top - y))
                    picture.blend(frame, x, y)
        return tuple(marks)

    def _mark(self, t: int, n: int) -> Mark:
        object_id, area = self.spots.ids[n], float(self.spots.areas[t, n])
        colour = self._colour(object_id)
        if area < LEAST * self.scale**2:
            return Mark(object_id, colour, reason=TINY if area else UNSEEN)
        if self.places is None or self.number is None:
            return Mark(object_id, colour, box=self._box(t, n), visible=True)
        if not self.places.drawn[t, n]:
            return Mark(object_id, colour, reason=CROWDED)
        (x, y), (height, width) = self.places.corners[t, n].tolist(), self.places.extents[t, n].tolist()
        visible = NUMBERS[self.number].figure * min(height, self.places.heights[t, n]) >= LEGIBLE * self.scale
        leader = self._tip(t, n) if self.places.beside[t, n] else None
        box = int(x), int(y), ceil(x + width), ceil(y + height)
        return Mark(object_id, colour, box, bool(visible), leader)

    def _colour(self, object_id: int) -> RGB:
        plain = PLAIN.get(self.number or "") if not self.regions else None
        return plain or self.colours[object_id]

    def _box(self, t: int, n: int) -> Box:
        x1, y1, x2, y2 = np.rint(self.spots.boxes[t, n]).astype(int).tolist()
        return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)

    def _tip(self, t: int, n: int) -> tuple[int, int]:
        x, y = self.spots.poles[t, n].astype(int).tolist()
        return min(x, self.room[1] - 1), min(y, self.room[0] - 1)

    def _draw_region(self, frame: np.ndarray, region: str, t: int, n: int, masks: Mapping[int, np.ndarray]) -> None:
        object_id = self.spots.ids[n]
        colour = self.colours[object_id]
        if region == "box":
            draw_box(frame, self._box(t, n), colour, self.scale)
        elif region == "tint":
            draw_tint(frame, masks[object_id], colour)
        else:
            draw_contour(frame, masks[object_id], colour, self.scale)
