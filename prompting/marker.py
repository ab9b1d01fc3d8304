"""Drawing ID prompts: numbered marks on the objects of a frame or a clip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from grounding.core import Clip, Masklets, UserError
from prompting.anchors import anchor
from prompting.legend import Legend, Mark
from prompting.palette import check_id
from prompting.patches import Patch, patch

Style = Literal["badge", "digit"]

SMALLEST_BADGE = 12.0  # pixels; below this the number cannot be read and the colour hardly be seen


@dataclass(frozen=True)
class IdMarker:
    """Draws the number of each object on it.

    Marks are drawn in the order of ascending id: where two overlap, the larger id lies on top, in every frame.
    They are centred on the point deepest inside the mask, and moved just as far as needed to stay in the frame.

    Args:
        style: "badge": bold number on a rounded badge whose colour belongs to the id. "digit": pure red digits of
            the size and thickness that STVG-R1 draws, but centred on the object.
        size: Height of the badge, or of the digits, in pixels of the drawn frame; None for longest side / 24 (for
            digits that is STVG-R1's size; a badge is at least 12 pixels). Shrunk where the frame is smaller.

    Raises:
        UserError: If the style is unknown or the size not a finite number > 0.
    """

    style: Style = "badge"
    size: float | None = None

    def __post_init__(self) -> None:
        if self.style not in get_args(Style):
            raise UserError(f"marker style must be one of {', '.join(get_args(Style))}, got {self.style!r}")
        if self.size is not None and not (math.isfinite(self.size) and self.size > 0):
            raise UserError(f"marker size must be a finite number of pixels > 0, or None, got {self.size}")

    def annotate(self, frame: np.ndarray, masks: Mapping[int, np.ndarray]) -> np.ndarray:
        """A copy of the frame with the marks drawn; an empty mask gets none.

        Args:
            frame: RGB, uint8, shape (H, W, 3); not changed.
            masks: For each id (>= 1) a bool mask (h, w) of the same scene, of any resolution.

        Returns:
            uint8, shape (H, W, 3).

        Raises:
            UserError: If the frame, an id or a mask is not as above.
        """
        drawn = np.array(frame)
        self._draw(drawn, masks)
        return drawn

    def annotate_clip(self, clip: Clip, masklets: Masklets) -> tuple[Clip, Legend]:
        """A copy of the clip with the marks drawn on every frame, and what was drawn where.

        Each sampled frame takes the masks of the source frame nearest in time.

        Raises:
            UserError: If the masklets belong to a video of another size.
        """
        if tuple(masklets.size) != tuple(clip.size):
            raise UserError(
                f"masklets must have the (height, width) of the clip's source, {tuple(clip.size)}, "
                f"got {tuple(masklets.size)}; are they of another video?"
            )
        frames = clip.frames.copy()
        absent = {object_id: np.zeros((0, 0), bool) for object_id in masklets.ids}
        marks = [
            self._draw(frame, absent | masklets.masks_at(masklets.frame_at(time)))
            for frame, time in zip(frames, clip.pts, strict=True)
        ]
        return clip.with_frames(frames), Legend(tuple(marks))

    def _draw(self, frame: np.ndarray, masks: Mapping[int, np.ndarray]) -> tuple[Mark, ...]:
        """Draw into the frame itself."""
        _check(frame, masks)
        return tuple(self._draw_one(frame, int(object_id), masks[object_id]) for object_id in sorted(masks))

    def _draw_one(self, frame: np.ndarray, object_id: int, mask: np.ndarray) -> Mark:
        room = frame.shape[:2]
        picture = patch(self.style, object_id, self._size_on(room), room)
        at = anchor(mask)
        if at is None:
            return Mark(object_id, picture.colour, reason="not seen in this frame")
        scaled = at[0] * room[1] / mask.shape[1], at[1] * room[0] / mask.shape[0]
        x, y = _corner(picture, scaled, room)
        picture.blend(frame, x, y)
        height, width = picture.size
        return Mark(object_id, picture.colour, box=(x, y, x + width, y + height))

    def _size_on(self, room: tuple[int, int]) -> float:
        """Height of a mark on a frame of (height, width) pixels."""
        if self.size is not None:
            return float(min(self.size, max(room)))  # one larger than the frame would only be shrunk again
        # STVG-R1: fontScale 20/30 * longest / 336, and digits of 21 pixels at fontScale 1: longest / 24.
        size = max(room) / 24
        return max(SMALLEST_BADGE, size) if self.style == "badge" else size


def _corner(picture: Patch, centre: tuple[float, float], room: tuple[int, int]) -> tuple[int, int]:
    """Left upper corner (x, y) of a picture as near to the centre as the frame allows."""
    height, width = picture.size
    # Halves go up: of two middle pixels the anchor is the first, so an even mark on an even object is centred exactly.
    x, y = math.floor(centre[0] - width / 2 + 0.5), math.floor(centre[1] - height / 2 + 0.5)
    return min(max(x, 0), room[1] - width), min(max(y, 0), room[0] - height)


def _check(frame: np.ndarray, masks: Mapping[int, np.ndarray]) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise UserError(f"a frame must be uint8 RGB of shape (height, width, 3), got {frame.dtype} {frame.shape}")
    for object_id, mask in masks.items():
        check_id(object_id)
        if mask.ndim != 2 or mask.dtype != bool:
            raise UserError(
                f"the mask of object {object_id} must be bool (height, width), got {mask.dtype} {mask.shape}"
            )
