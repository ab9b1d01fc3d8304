"""What pictures for people are put together from: fonts, lines of text, boxes, regions. White paper, RGB uint8."""

from __future__ import annotations

import importlib.util
import math
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

RGB = tuple[int, int, int]

PAPER: RGB = (255, 255, 255)
INK: RGB = (25, 25, 25)
GREY: RGB = (226, 226, 226)
TRUE: RGB = (0, 205, 70)  # green and magenta stay apart under all common colour blindness, and dashes tell as well
PREDICTED: RGB = (255, 0, 200)
LINE = 3  # pixels, thickness of a box
DASH = 8  # pixels
CROSS = 9  # pixels from the middle of a cross to its ends

LONGEST = 2000  # characters of a text that are looked at


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which has many scripts, where matplotlib brings it; else the font of Pillow."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        file = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.is_file():
            return ImageFont.truetype(file, size)
    return ImageFont.load_default(size)


def fit_lines(text: str, size: int, width: int, lines: int) -> list[str]:
    """Break a text into at most `lines` lines of at most `width` pixels, at spaces where possible; "…" if cut short.

    White space becomes single spaces, and half characters (surrogates) become question marks.
    """
    text = " ".join(text[:LONGEST].encode("utf-8", "replace").decode("utf-8").split())
    fitted: list[str] = []
    while text:
        count = _fitting(text, size, width)
        if count == len(text):
            return [*fitted, text]
        if len(fitted) == lines - 1:
            return [*fitted, text[: _fitting(text, size, width, end="…")] + "…"]
        space = text.rfind(" ", 0, count + 1)
        count = space if space > 0 else max(1, count)
        fitted.append(text[:count])
        text = text[count:].lstrip()
    return fitted


def _fitting(text: str, size: int, width: int, end: str = "") -> int:
    """How many characters of the text fit into a width together with `end`."""

    def length(count: int) -> int:
        return math.ceil(font(size).getlength(text[:count] + end))

    return max(0, bisect_right(range(len(text) + 1), width, key=length) - 1)


def paper(height: int, width: int) -> np.ndarray:
    """Empty paper, shape (height, width, 3)."""
    return np.full((height, width, 3), PAPER, np.uint8)


def taller(picture: np.ndarray, height: int) -> np.ndarray:
    """The picture with paper below it, up to a height of at least its own."""
    return np.concatenate([picture, paper(height - len(picture), picture.shape[1])])


def paragraph(width: int, text: str, size: int, lines: int) -> np.ndarray:
    """A text on paper, in as many lines as it needs, 1 to `lines`: shape (lines x line height, width, 3)."""
    step = round(size * 1.35)
    fitted = fit_lines(text, size, width, lines)
    image = Image.new("RGB", (width, step * max(1, len(fitted))), PAPER)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(fitted):
        draw.text((0, number * step), line, INK, font(size))
    return np.asarray(image)


def fitted(frame: np.ndarray, room: tuple[int, int]) -> np.ndarray:
    """The frame as large as fits into a room (height, width), shape kept; tiny ones by whole factors, unsmoothed."""
    height, width = frame.shape[:2]
    factor = min(room[0] / height, room[1] / width)
    method = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    if factor >= 2:
        factor, method = int(factor), cv2.INTER_NEAREST
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(frame, size, interpolation=method)


def draw_box(picture: np.ndarray, box: np.ndarray, size: tuple[int, int], colour: RGB, *, dashed: bool) -> None:
    """Draw the outline of a box into the picture itself: around the box, but always within the picture.

    Args:
        picture: uint8, shape (h, w, 3).
        box: xyxy in pixels of a frame of `size`, half-open; NaN draws nothing.
        size: (height, width) that the box refers to.
        colour: RGB.
        dashed: Leave gaps, through which a box below can be seen.
    """
    if np.isnan(box).any():
        return
    height, width = picture.shape[:2]
    scaled = np.round(box * _scale(picture, size)).clip(-width - height, width + height).astype(int)
    x1, y1 = (scaled[:2] - LINE).clip(0, (width - 1, height - 1))
    x2, y2 = (scaled[2:] + LINE).clip((x1 + 1, y1 + 1), (width, height))
    outline = np.zeros((height, width), bool)
    outline[y1:y2, x1:x2] = True
    outline[y1 + LINE : y2 - LINE, x1 + LINE : x2 - LINE] = False
    _paint(picture, outline, colour, dashed)


def draw_region(picture: np.ndarray, region: np.ndarray, colour: RGB, *, dashed: bool) -> None:
    """Draw a line around a region into the picture itself.

    Args:
        picture: uint8, shape (h, w, 3).
        region: Bool, of any size that stands for all of the picture.
        colour: RGB.
        dashed: As `draw_box`.
    """
    height, width = picture.shape[:2]
    inside = cv2.resize(region.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    around = cv2.dilate(inside, np.ones((2 * LINE + 1, 2 * LINE + 1), np.uint8))
    _paint(picture, (around > inside), colour, dashed)


def draw_point(picture: np.ndarray, point: tuple[float, float], size: tuple[int, int], colour: RGB) -> None:
    """Draw a cross at a point (x, y) of a frame of `size` into the picture itself; outside of it there is none."""
    x, y = np.round(np.array([*point, 0, 0]) * _scale(picture, size))[:2].clip(-1e6, 1e6).astype(int).tolist()
    for start, end in (((x - CROSS, y), (x + CROSS, y)), ((x, y - CROSS), (x, y + CROSS))):
        cv2.line(picture, start, end, colour, LINE)


def _scale(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """What makes pixels of the picture out of x, y, x, y of a frame of (height, width) `size`."""
    height, width = picture.shape[:2]
    return np.array([width / size[1], height / size[0]] * 2)


def _paint(picture: np.ndarray, where: np.ndarray, colour: RGB, dashed: bool) -> None:
    if dashed:
        height, width = where.shape
        where = where & (np.add.outer(np.arange(height), np.arange(width)) // DASH % 2 == 0)
    picture[where] = colour
