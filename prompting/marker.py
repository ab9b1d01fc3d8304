"""Drawing ID prompts: numbered marks on the objects of a frame, a clip or a stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grounding.core import Clip, Masklets, UserError
from prompting.legend import Legend
from prompting.looks import NUMBERS, parse_style
from prompting.patches import patch
from prompting.pictures import Masks, Picture, like, masks_of, pixels_of
from prompting.placing import place, steady_radii
from prompting.plan import LEAST, Plan
from prompting.spots import Spots, spots_of_masklets, spots_of_masks

MODEL_PIXELS = 364 * 196  # what Qwen2.5-VL sees of a 16:9 frame in a clip of 20 seconds at 2 frames a second


@dataclass(frozen=True)
class IdMarker:
    """Draws the number of each object on it, so that a model can read it.

    A mark goes where its object is deepest, steady over the clip, or beside it with a line where the object is
    small; marks never lie over one another and never leave the frame.

    Args:
        style: One of "outline" (bold white digits with a black edge), "badge" (bold number on a rounded badge in the
            id's colour) and "digit" (the plain red digits of STVG-R1, in its size), and any of "contour", "tint" and
            "box" in the id's colour, joined by "+".
        size: Height of the mark (of the digits, or of the badge) in pixels at the model's size; None fits it to its
            object: outlined digits 9 to 16, badges 12 to 18.
        model_pixels: Height x width of a frame as the model will see it, its pixel budget. Marks on larger frames are
            drawn larger, to have their size when the frame has been shrunk; smaller frames are taken to be seen as
            they are.

    Raises:
        UserError: If the style is unknown, the size not a finite number > 0, or there is not one pixel.
    """

    style: str = "outline"
    size: float | None = None
    model_pixels: int = MODEL_PIXELS

    def __post_init__(self) -> None:
        parse_style(self.style)
        if self.size is not None and not (math.isfinite(self.size) and self.size > 0):
            raise UserError(f"marker size must be a finite number of pixels > 0, or None, got {self.size}")
        if not (math.isfinite(self.model_pixels) and self.model_pixels >= 1):
            raise UserError(f"model_pixels must be 1 or more (height x width), got {self.model_pixels}")

    def annotate(self, frame: Picture, masks: Masks, ids: Sequence[int] | np.ndarray | None = None) -> Picture:
        """A copy of the frame with the marks drawn; an empty mask gets none.

        Args:
            frame: RGB: a numpy array, uint8, shape (H, W, 3), or a PIL image; not changed.
            masks: Bool masks (h, w) of the same scene, of any resolution: a mapping from id (>= 1) to mask, masks in
                a row with `ids`, or `supervision.Detections` with masks and tracker ids.
            ids: The id of each mask in a row.

        Returns:
            Of the type of the frame.

        Raises:
            UserError: If the frame, an id or a mask is not as above.
        """
        pixels, by_id = pixels_of(frame), masks_of(masks, ids)
        self.plan_spots(spots_of_masks(by_id, 0.0, pixels.shape[:2], {}), pixels.shape[:2]).draw(pixels, 0, by_id)
        return like(frame, pixels)

    def annotate_clip(self, clip: Clip, masklets: Masklets) -> tuple[Clip, Legend]:
        """A copy of the clip with the marks drawn on every frame, and what was drawn where.

        Each sampled frame takes the masks of the source frame nearest in time.

        Raises:
            UserError: If the masklets belong to a video of another size, or a mask has another size.
        """
        if tuple(masklets.size) != tuple(clip.size):
            raise UserError(
                f"masklets must have the (height, width) of the clip's source, {tuple(clip.size)}, "
                f"got {tuple(masklets.size)}; are they of another video?"
            )
        plan = self.plan(masklets, clip.pts, clip.frames.shape[1:3])
        frames = clip.frames.copy()
        marks = []
        for t, (frame, time) in enumerate(zip(frames, clip.pts, strict=True)):
            masks = masklets.masks_at(masklets.frame_at(time)) if plan.needs_masks else {}
            marks.append(plan.draw(frame, t, masks))
        return clip.with_frames(frames), Legend(tuple(marks))

    def plan(self, masklets: Masklets, times: np.ndarray, room: tuple[int, int]) -> Plan:
        """What to draw on the frames shown at some times: for videos too long to be held as a clip.

        Args:
            masklets: All objects.
            times: Seconds, ascending, shape (T,).
            room: (height, width) of the frames in pixels.

        Raises:
            UserError: If a mask has another size than the masklets say.
        """
        return self.plan_spots(spots_of_masklets(masklets, np.asarray(times, float), room), room)

    def plan_spots(self, spots: Spots, room: tuple[int, int]) -> Plan:
        """What to draw on frames whose objects are known: `plan` without the masks."""
        number, regions = parse_style(self.style)
        scale = max(1.0, math.sqrt(room[0] * room[1] / self.model_pixels))
        places = None
        if number is not None:
            heights = self._heights(number, spots, room, scale)
            space = NUMBERS[number].space
            places = place(spots, heights, lambda i, h: patch(number, i, h, room).size, room, LEAST * scale**2, space)
        return Plan(number, regions, room, scale, spots, places)

    def _heights(self, number: str, spots: Spots, room: tuple[int, int], scale: float) -> np.ndarray:
        """Heights of the marks in pixels of the frame, shape (T, N)."""
        look = NUMBERS[number]
        if self.size is not None:  # one larger than the frame would only be shrunk again
            return np.full(spots.areas.shape, min(self.size * scale, float(max(room))))
        if look.share is not None:
            return np.full(spots.areas.shape, look.share * max(room))
        fitted = np.clip(look.per_radius * steady_radii(spots) / scale, look.smallest, look.largest)
        return np.rint(fitted) * scale  # few different sizes, so that pictures are made once
