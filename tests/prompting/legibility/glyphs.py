"""Pictures of the numbers 1 to 99 in fonts that come with matplotlib and Pillow: what the reader learns from.

None of them is a font of strokes, as the marker's own digits are, and OpenCV's are not among them.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

TALL = 40  # pixels of a digit; the picture is (HEIGHT, WIDTH)
HEIGHT, WIDTH = 64, 112
GAPS = (3, 9, None)  # pixels between the ink of two digits; None: in cells of one width, as in a column of figures
CELL = 6  # pixels of a cell beyond the widest digit

PILLOW = "Pillow's own"
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSerif-Bold",
    "DejaVuSans-BoldOblique",
    "STIXGeneral",
    "STIXGeneralBol",
    "cmb10",
    "cmr10",
    "cmtt10",
    PILLOW,
)
HELD_OUT = "cmss10"


@lru_cache(maxsize=4)
def atlas(fonts: tuple[str, ...]) -> np.ndarray:
    """Every number in every font and gap: uint8 (fonts, 99, gaps, HEIGHT, WIDTH), the number in the middle."""
    pictures = [[[_number(digits, n, gap) for gap in GAPS] for n in range(1, 100)] for digits in map(_digits, fonts)]
    return np.array(pictures, np.uint8)


def _digits(font: str) -> list[np.ndarray]:
    """The ten digits, cropped to their ink, on a common height of TALL pixels."""
    at_100 = _ink(font, 100.0, "8").shape[0]
    return [_ink(font, 100.0 * TALL / at_100, digit) for digit in "0123456789"]


def _ink(font: str, size: float, digit: str) -> np.ndarray:
    if font == PILLOW:
        face = ImageFont.load_default(size)
    else:
        face = ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{font}.ttf")), size)
    canvas = Image.new("L", (200, 200))
    ImageDraw.Draw(canvas).text((50, 30), digit, fill=255, font=face)
    return np.asarray(canvas.crop(canvas.getbbox()))


def _number(digits: list[np.ndarray], number: int, gap: int | None) -> np.ndarray:
    inks = [digits[int(digit)] for digit in str(number)]
    if gap is None:
        cell = max(ink.shape[1] for ink in digits) + CELL
        inks = [np.pad(ink, [(0, 0), ((cell - ink.shape[1]) // 2,) * 2]) for ink in inks]
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    x = (WIDTH - sum(ink.shape[1] for ink in inks) - (gap or 0) * (len(inks) - 1)) // 2
    for ink in inks:
        y = (HEIGHT - ink.shape[0]) // 2
        picture[y : y + ink.shape[0], x : x + ink.shape[1]] = ink
        x += ink.shape[1] + (gap or 0)
    return picture
