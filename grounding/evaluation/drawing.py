"""What pictures for people are put together from: fonts, lines of text, boxes, time lines. White paper, RGB uint8."""

from __future__ import annotations

import importlib.util
import math
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from grounding.core import Interval

RGB = tuple[int, int, int]

PAPER: RGB = (255, 255, 255)
INK: RGB = (25, 25, 25)
GREY: RGB = (226, 226, 226)
TRUE: RGB = (0, 205, 70)  # green and magenta stay apart under all common colour blindness, and dashes tell as well
PREDICTED: RGB = (255, 0, 200)
LINE = 3  # pixels, thickness of a box
DASH = 8  # pixels
TEXT = 15  # pixels, size of small text
LABELS, SECONDS = 100, 130  # pixels, columns left and right of a time line
BAR, BARS_HEIGHT = 14, 60  # pixels

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


def paragraph(width: int, text: str, size: int, lines: int) -> np.ndarray:
    """A text on paper, shape (lines x line height, width, 3); the height does not depend on the text."""
    step = round(size * 1.35)
    image = Image.new("RGB", (width, step * lines), PAPER)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(fit_lines(text, size, width, lines)):
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
    scaled = np.round(box * np.array([width, height] * 2) / np.array([size[1], size[0]] * 2)).astype(int)
    x1, y1 = (scaled[:2] - LINE).clip(0, (width - 1, height - 1))
    x2, y2 = (scaled[2:] + LINE).clip((x1 + 1, y1 + 1), (width, height))
    outline = np.zeros((height, width), bool)
    outline[y1:y2, x1:x2] = True
    outline[y1 + LINE : y2 - LINE, x1 + LINE : x2 - LINE] = False
    if dashed:
        outline &= np.add.outer(np.arange(height), np.arange(width)) // DASH % 2 == 0
    picture[outline] = colour


def time_line(
    width: int,
    duration: float,
    true: Sequence[Interval] | None,
    predicted: Sequence[Interval] | None,
    *,
    ticks: Sequence[float] = (),
    cursor: float | None = None,
) -> np.ndarray:
    """Bars of true and predicted intervals over the time of a video, shape (`BARS_HEIGHT`, width, 3).

    The bars' ground is `[LABELS, width - SECONDS)` pixels wide; what lies past the video is cut off, the numbers to
    the right are not.

    Args:
        width: Pixels, > `LABELS + SECONDS`.
        duration: Seconds that the ground stands for.
        true: In the upper bar, None if no time is known.
        predicted: In the lower bar, or None for no answer.
        ticks: Seconds to mark below the bars.
        cursor: Seconds at which an upright line stands.
    """
    image = Image.new("RGB", (width, BARS_HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    ground = width - LABELS - SECONDS

    def at(time: float) -> int:
        return LABELS + round(min(max(time / duration, 0.0), 1.0) * ground)

    for top, name, intervals, colour in ((2, "true", true, TRUE), (22, "predicted", predicted, PREDICTED)):
        draw.text((0, top - 3), name, INK, font(TEXT))
        draw.rectangle((LABELS, top, LABELS + ground - 1, top + BAR - 1), GREY)
        for interval in intervals or ():
            left = min(at(interval.start), LABELS + ground - LINE)
            draw.rectangle((left, top, max(at(interval.end), left + LINE) - 1, top + BAR - 1), colour)
        ranges = [f"{one.start:.2f} to {one.end:.2f} s" for one in intervals or ()]
        said = "no answer" if intervals is None else ", ".join(ranges) or "never"
        draw.text((LABELS + ground + 8, top - 3), said, INK, font(TEXT))
    for tick in ticks:
        draw.line((at(tick), 38, at(tick), 42), INK)
    draw.text((LABELS, 43), "0 s", INK, font(TEXT - 3))
    draw.text((LABELS + ground, 43), f"{duration:.2f} s", INK, font(TEXT - 3), anchor="ra")
    if cursor is not None:
        x = min(at(cursor), LABELS + ground - 1)
        draw.line((x, 0, x, 40), INK, 2)
    return np.asarray(image)
