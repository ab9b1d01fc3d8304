"""Ready-made pictures of marks, one a (style, id, size, place within a pixel), and blending them into a frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from grounding.core.colours import RGB
from prompting.palette import WHITE, text_colour_on
from prompting.strokes import HEIGHT, number_mask

RED: RGB = (255, 0, 0)
PLAIN = {"outline": WHITE, "digit": RED}  # styles of one colour for all ids
BOLD = 0.2  # stroke of an outlined digit, of its height
EDGE = 0.14  # thickness of its dark edge, of its height


@dataclass(frozen=True, eq=False)
class Patch:
    """A small picture with coverage, ready to be blended.

    Args:
        colour: The RGB colour that tells this mark from others.
        ink: uint16 (h, w, 3), RGB times coverage, 0 to 255 * 255.
        keep: uint16 (h, w, 1), how much of the frame stays, 0 to 255.
    """

    colour: RGB
    ink: np.ndarray
    keep: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.ink.shape[0], self.ink.shape[1]

    def blend(self, frame: np.ndarray, x: int, y: int) -> None:
        """Draw into `frame` (uint8 RGB, changed in place) with the left upper corner at (x, y), wholly inside."""
        height, width = self.size
        under = frame[y : y + height, x : x + width]
        under[:] = (self.ink + self.keep * under + 127) // 255


@lru_cache(maxsize=4096)
def patch(
    style: str,
    object_id: int,
    size: float,
    room: tuple[int, int],
    colour: RGB,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Patch:
    """The mark of an id, shrunk where it would not fit.

    Args:
        style: "outline", "badge" or "digit".
        object_id: >= 1.
        size: Height in pixels: of the badge; of outlined digits without their edge; of plain digits from stroke
            middle to stroke middle.
        room: (height, width) of the frame in pixels.
        colour: RGB of the id; only badges show it.
        shift: How far right and down of its left upper corner the mark begins, parts of a pixel in [0, 1); a mark
            that is moved covers one pixel more.
    """
    finer = int(np.clip(256 // size, 1, 8))
    return _averaged(_canvas(style, object_id, size, finer, colour), finer, room, shift, PLAIN.get(style, colour))


@lru_cache(maxsize=16)  # 2 MB each; enough for the objects of a film, whose marks are wanted at all places in a pixel
def _canvas(style: str, object_id: int, size: float, finer: int, colour: RGB) -> np.ndarray:
    """The mark several times too large: being averaged down is what smooths its edges."""
    if style == "badge":
        return _badge(object_id, size, finer, colour)
    return {"outline": _outline, "digit": _digits}[style](object_id, size, finer)


def _outline(object_id: int, size: float, finer: int) -> np.ndarray:
    """Bold white digits of the given height with a black edge around them, RGBA in [0, 1]."""
    pen, edge = BOLD * size * finer, EDGE * size * finer
    number = number_mask(object_id, size * finer - pen, pen)
    rim = int(edge)
    sides = [rim + (-(side + 2 * rim) % finer) for side in number.shape]
    white = np.pad(number, [(rim, side) for side in sides])
    away = cv2.distanceTransform((~white).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    inked, covered = white.astype(np.float32), (away <= edge).astype(np.float32)
    return cv2.merge([inked, inked, inked, covered])


def _digits(object_id: int, size: float, finer: int) -> np.ndarray:
    """Pure red digits, RGBA in [0, 1]; stroke thickness as in the STVG-R1 paper: max(2, int(2 * fontScale))."""
    thickness = max(2, int(2 * size / HEIGHT))
    number = number_mask(object_id, size * finer, thickness * finer)
    # Whole pixels are needed to average down.
    padded = np.pad(number, [(0, -side % finer) for side in number.shape])
    canvas = np.zeros((*padded.shape, 4), np.float32)
    canvas[padded] = (1, 0, 0, 1)
    return canvas


def _badge(object_id: int, size: float, finer: int, colour: RGB) -> np.ndarray:
    """A bold number on a rounded badge with a thin edge, RGBA in [0, 1]; wider for long numbers."""
    fill, text = (np.array([*c, 255], np.float32) / 255 for c in (colour, text_colour_on(colour)))
    side = max(1, round(size)) * finer
    number = number_mask(object_id, 0.48 * side, 0.13 * side)
    width = max(side, int(number.shape[1] + 0.4 * side))
    canvas = np.zeros((side, width + -width % finer, 4), np.float32)
    canvas[_rounded(canvas.shape[:2], 0.0)] = text
    canvas[_rounded(canvas.shape[:2], 0.04 * side)] = fill
    y, x = ((a - b) // 2 for a, b in zip(canvas.shape[:2], number.shape, strict=True))
    canvas[y : y + number.shape[0], x : x + number.shape[1]][number] = text
    return canvas


def _rounded(shape: tuple[int, ...], inset: float) -> np.ndarray:
    """Pixels inside a rectangle with rounded corners that lies `inset` pixels within the picture; bool (h, w)."""
    height, width = shape
    radius = 0.35 * height - inset
    from_straight = []
    for length in (height, width):
        from_middle = np.abs(np.arange(length) + 0.5 - length / 2)
        from_straight.append(np.maximum(from_middle - (length / 2 - inset - radius), 0))
    return np.hypot(from_straight[0][:, None], from_straight[1][None, :]) <= radius


def _averaged(canvas: np.ndarray, finer: int, room: tuple[int, int], shift: tuple[float, float], colour: RGB) -> Patch:
    """Bring an RGBA drawing (coverage already multiplied in) to its final size, at most `room`, and shift it there."""
    height, width = canvas.shape[0] // finer, canvas.shape[1] // finer
    shrink = min(1.0, room[0] / height, room[1] / width)
    final = [max(1, int(width * shrink)), max(1, int(height * shrink))]
    if any(shift):
        pixel = round(finer / shrink)  # parts of the drawing
        before = [round(part * pixel) for part in shift]
        after = [pixel - some if part else 0 for part, some in zip(shift, before, strict=True)]
        canvas = cv2.copyMakeBorder(canvas, before[1], after[1], before[0], after[0], cv2.BORDER_CONSTANT)
        final = [side + (part > 0) for side, part in zip(final, shift, strict=True)]
    small = cv2.resize(canvas, final, interpolation=cv2.INTER_AREA)
    coverage = np.rint(small[..., 3:] * 255)
    ink = np.rint(small[..., :3] * 255 * 255).astype(np.uint16)
    return Patch(colour, ink, (255 - coverage).astype(np.uint16))
