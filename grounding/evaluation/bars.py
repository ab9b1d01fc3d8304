"""True and said values as bars below pictures: intervals over the time of a video, numbers over their range."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from grounding.core import Interval
from grounding.evaluation.drawing import GREY, INK, LINE, PAPER, PREDICTED, TRUE, fit_lines, font

TEXT = 15  # pixels, size of small text
LABELS, VALUES = 100, 130  # pixels, columns left and right of the bars
BAR, BARS_HEIGHT = 14, 60  # pixels
NO_ANSWER = "no answer"

Span = tuple[float, float]  # a part of the ground, from 0 at its left to 1 at its right


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

    The bars' ground is `[LABELS, width - VALUES)` pixels wide; what lies past the video is cut off, the numbers to
    the right are not.

    Args:
        width: Pixels, > `LABELS + VALUES`.
        duration: Seconds that the ground stands for.
        true: In the upper bar, None if no time is known.
        predicted: In the lower bar, or None for no answer.
        ticks: Seconds to mark below the bars.
        cursor: Seconds at which an upright line stands.
    """

    def told(intervals: Sequence[Interval] | None) -> tuple[list[Span], str]:
        if intervals is None:
            return [], NO_ANSWER
        ranges = [f"{one.start:.2f} to {one.end:.2f} s" for one in intervals]
        return [(one.start / duration, one.end / duration) for one in intervals], ", ".join(ranges) or "never"

    marks = [tick / duration for tick in ticks]
    at = None if cursor is None else cursor / duration
    return _bars(width, told(true), told(predicted), ("0 s", f"{duration:.2f} s"), marks, at)


def number_line(width: int, true: float | None, predicted: float | None) -> np.ndarray:
    """Bars of a true and a predicted number from 0 on, shape (`BARS_HEIGHT`, width, 3).

    The ground reaches to the power of ten that holds both, 100 for most percents; below 0 where one of the two is.

    Args:
        width: Pixels, > `LABELS + VALUES`.
        true: In the upper bar, None if it is not known.
        predicted: In the lower bar, or None for no answer.
    """
    known = [one for one in (true, predicted) if one is not None]
    top, low = _decade(max(known, default=0.0)), -_decade(-min(known, default=0.0))
    top = top if top > low else 1.0

    def place(value: float) -> float:
        return (value - low) / (top - low)

    def told(value: float | None) -> tuple[list[Span], str]:
        if value is None:
            return [], NO_ANSWER
        return [(min(place(0), place(value)), max(place(0), place(value)))], in_digits(value)

    return _bars(width, told(true), told(predicted), (in_digits(low), in_digits(top)), [place(0)] if low else [])


def _decade(number: float) -> float:
    """The smallest power of ten that is not below a number above 0; 0 for any other."""
    return 10.0 ** math.ceil(math.log10(number) - 1e-9) if number > 0 else 0.0


def in_digits(number: float) -> str:
    """A number with at most six digits: `4`, `37.5`, `1e+09`."""
    return f"{number + 0.0:g}"  # -0.0 + 0.0 is 0.0


def _bars(
    width: int,
    true: tuple[list[Span], str],
    predicted: tuple[list[Span], str],
    ends: tuple[str, str],
    ticks: Sequence[float] = (),
    cursor: float | None = None,
) -> np.ndarray:
    """Two bars, one below the other; of each the parts that are coloured and what stands to its right."""
    image = Image.new("RGB", (width, BARS_HEIGHT), PAPER)
    draw = ImageDraw.Draw(image)
    ground = width - LABELS - VALUES

    def at(place: float) -> int:
        return LABELS + round(min(max(place, 0.0), 1.0) * ground)

    for top, name, (spans, said), colour in ((2, "true", true, TRUE), (22, "predicted", predicted, PREDICTED)):
        draw.text((0, top - 3), name, INK, font(TEXT))
        draw.rectangle((LABELS, top, LABELS + ground - 1, top + BAR - 1), GREY)
        for start, end in spans:
            left = min(at(start), LABELS + ground - LINE)
            draw.rectangle((left, top, max(at(end), left + LINE) - 1, top + BAR - 1), colour)
        for line in fit_lines(said, TEXT, VALUES - 8, 1):
            draw.text((LABELS + ground + 8, top - 3), line, INK, font(TEXT))
    for tick in ticks:
        draw.line((at(tick), 38, at(tick), 42), INK)
    draw.text((LABELS, 43), ends[0], INK, font(TEXT - 3))
    draw.text((LABELS + ground, 43), ends[1], INK, font(TEXT - 3), anchor="ra")
    if cursor is not None:
        x = min(at(cursor), LABELS + ground - 1)
        draw.line((x, 0, x, 40), INK, 2)
    return np.asarray(image)
