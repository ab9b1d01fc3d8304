"""Drawing ID prompts: numbered marks on the objects of a frame, a clip or a stream."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grounding.core import Clip, Masklets, UserError
from prompting.legend import Legend
from prompting.looks import NUMBERS, parse_style
from prompting.palette import Palette, colours_of
from prompting.patches import patch
from prompting.pictures import Masks, Picture, like, masks_of, pixels_of
from prompting.placing import ANCHORS, Rules, place, steady_radii
from prompting.plan import LEAST, Plan
from prompting.smoothing import is_film
from prompting.spots import Spots, spots_of_masklets, spots_of_masks

FINEST = 16  # steps in a pixel at the model's size; a mark has no need to move by less
MODEL_PIXELS = 364 * 196  # what Qwen2.5-VL sees of a 16:9 frame in a clip of 20 seconds at 2 frames a second


@dataclass(frozen=True)
class IdMarker:
    """Draws the number of each object on it, so that a model can read it.

    A mark goes to its anchor, steady over the clip, or beside its object with a line where that is small; marks never
    lie over one another and never leave the frame.

    Args:
        style: One of "outline" (bold white digits with a black edge), "badge" (bold number on a rounded badge in the
            id's colour) and "digit" (the plain red digits of STVG-R1, in its size), and any of "contour", "tint" and
            "box" in the id's colour, joined by "+".
        size: Height of the mark (of the digits, or of the badge) in pixels at the model's size; None fits it to its
            object: outlined digits 9 to 16, badges 12 to 18.
        anchor: Where a mark stands if nothing is in its way: "inside", where its object is deepest; "centre", in the
            middle of its box, which may lie off the object; "above", on the upper edge of its box, where it hides
            little of it.
        palette: Colours of ids 1, 2, ..., for badges, contours, tints and boxes: "distinct" (99), "okabe-ito" (8),
            colours as the web writes them ("#e20000,#0000c6"), or RGB colours in a row; ids beyond the last begin
            anew. Text and edges upon or around a colour are black or white, at a contrast of 4.5 or more.
        model_pixels: Height x width of a frame as the model will see it, its pixel budget. Marks on larger frames are
            drawn larger, to have their size when the frame has been shrunk; smaller frames are taken to be seen as
            they are.

    Raises:
        UserError: If style, anchor or palette is unknown, a colour is none or comes twice, the size is not a finite
            number > 0, or there is not one pixel.
    """

    style: str = "outline"
    size: float | None = None
    anchor: str = "inside"
    palette: Palette = "distinct"
    model_pixels: int = MODEL_PIXELS

    def __post_init__(self) -> None:
        parse_style(self.style)
        colours_of(self.palette)
        if self.anchor not in ANCHORS:
            raise UserError(f"marker anchor must be one of {', '.join(ANCHORS)}, got {self.anchor!r}")
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
            ids: The id of each mask in a row, or of each detection in place of its tracker id.

        Returns:
            Of the type of the frame.

        Raises:
            UserError: If the frame, an id or a mask is not as above.
        """
        pixels = pixels_of(frame)
        by_id = masks_of(masks, ids, pixels.shape[:2])
        self.plan_spots(spots_of_masks(by_id, 0.0, pixels.shape[:2], {}), pixels.shape[:2]).draw(pixels, 0, by_id)
        return like(frame, pixels)

    def annotate_clip(self, clip: Clip, masklets: Masklets) -> tuple[Clip, Legend]:
        """A copy of the clip with the marks drawn on every frame, and what was drawn where.

        Each sampled frame takes the masks of the source frame nearest in time.

        Raises:
            UserError: If the two are something else, the masklets belong to a video of another size, or a mask has
                another size.
        """
        if not isinstance(clip, Clip) or not isinstance(masklets, Masklets):
            got = f"{type(clip).__name__} and {type(masklets).__name__}"
            raise UserError(f"annotate_clip takes a Clip and Masklets, got {got}; for frames as they come use IdStream")
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
        palette, places = colours_of(self.palette), None
        colours = {i: palette[(i - 1) % len(palette)] for i in spots.ids}
        if number is not None:
            heights = self._heights(number, spots, room, scale)
            rules = Rules(LEAST * scale**2, NUMBERS[number].space, self.anchor, _parts(spots.times, scale))
            places = place(spots, heights, lambda i, h: patch(number, i, h, room, colours[i]).size, room, rules)
        return Plan(number, regions, room, scale, spots, places, colours)

    def _heights(self, number: str, spots: Spots, room: tuple[int, int], scale: float) -> np.ndarray:
        """Heights of the marks in pixels of the frame, shape (T, N)."""
        look = NUMBERS[number]
        if self.size is not None:  # one larger than the frame would only be shrunk again
            return np.full(spots.areas.shape, min(self.size * scale, float(max(room))))
        if look.share is not None:
            return np.full(spots.areas.shape, look.share * max(room))
        fitted = np.clip(look.per_radius * steady_radii(spots) / scale, look.smallest, look.largest)
        return np.rint(fitted) * scale  # few different sizes, so that pictures are made once


def _parts(times: np.ndarray, scale: float) -> int:
    """Into how many parts a pixel is divided, lest marks tremble from pixel to pixel.

    Frames looked at one by one, and those that the model sees as they are, have marks on whole pixels, where they are
    crispest.
    """
    if scale == 1 or not is_film(times):
        return 1
    return 4 if 4 * scale <= FINEST else 2 if 2 * scale <= FINEST else 1  # powers of two: floats hold these exactly
