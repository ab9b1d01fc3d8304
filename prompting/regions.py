"""What is drawn over an object's extent: its tint, its contour, its box; and the line to a mark beside it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from grounding.core.colours import RGB
from prompting.legend import Box
from prompting.palette import BLACK, WHITE, text_colour_on

OPACITY = 0.4  # of the tint
LINE = 1.0  # thickness of a line at the model's size, pixels; its edges are half as thick, either side


def draw_tint(frame: np.ndarray, mask: np.ndarray, colour: RGB) -> None:
    """Colour an object through, in the frame itself.

    Args:
        frame: RGB, uint8, shape (H, W, 3).
        mask: bool (h, w) of any resolution, not empty.
        colour: RGB.
    """
    fitted = fit(mask, frame.shape[:2])
    x, y, width, height = cv2.boundingRect(fitted)
    under, inside = frame[y : y + height, x : x + width], fitted[y : y + height, x : x + width] > 0
    under[inside] = np.rint((1 - OPACITY) * under[inside] + OPACITY * np.array(colour)).astype(np.uint8)


def draw_contour(frame: np.ndarray, mask: np.ndarray, colour: RGB, scale: float) -> None:
    """Draw the outline of an object and of its holes; `scale`: pixels of the frame for one at the model's size."""
    outlines, _ = cv2.findContours(fit(mask, frame.shape[:2]), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    _stroke(frame, outlines, colour, text_colour_on(colour), scale, closed=True)


def draw_box(frame: np.ndarray, box: Box, colour: RGB, scale: float) -> None:
    """Draw a box (xyxy, whole pixels, half-open) on its outermost pixels."""
    x1, y1, x2, y2 = box[0], box[1], box[2] - 1, box[3] - 1
    corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], np.int32)
    _stroke(frame, [corners], colour, text_colour_on(colour), scale, closed=True)


def draw_leader(frame: np.ndarray, box: Box, to: tuple[int, int], short: float, scale: float) -> None:
    """A white line with dark edges from the nearest point of a mark's box towards a point of its object.

    Args:
        frame: RGB, uint8, shape (H, W, 3).
        box: Of the mark, xyxy.
        to: (x, y) on the object.
        short: Pixels before that point at which the line ends, so that it does not hide what it points at.
        scale: Pixels of the frame for one at the model's size.
    """
    start = min(max(to[0], box[0]), box[2] - 1), min(max(to[1], box[1]), box[3] - 1)
    way = np.subtract(to, start)
    reach = max(0.0, 1 - short / max(float(np.hypot(*way)), 1e-9))
    end = np.rint(start + reach * way)
    _stroke(frame, [np.array([start, end], np.int32)], WHITE, BLACK, scale, closed=False)


def fit(mask: np.ndarray, room: tuple[int, int]) -> np.ndarray:
    """The mask at the frame's size, uint8 0 or 1; an object that is there stays there however small it becomes."""
    if mask.shape == room:
        return mask.astype(np.uint8)
    fitted = cv2.resize(mask.astype(np.uint8), room[::-1], interpolation=cv2.INTER_NEAREST)
    if not fitted.any():
        rows, columns = np.nonzero(mask)
        fitted[rows[0] * room[0] // mask.shape[0], columns[0] * room[1] // mask.shape[1]] = 1
    return fitted


def _stroke(
    frame: np.ndarray, lines: Sequence[np.ndarray], colour: RGB, edge: RGB, scale: float, *, closed: bool
) -> None:
    """Lines in a colour between edges that contrast with it, so that they show on every ground.

    Thin lines are drawn and made thick here: OpenCV 5 draws a line of thickness 3 with 5 pixels, OpenCV 4 with 3.
    """
    half = round((LINE * scale - 1) / 2)
    edged = half + max(1, round(0.5 * LINE * scale))
    points = np.concatenate([line.reshape(-1, 2) for line in lines])
    x1, y1 = np.maximum(points.min(axis=0) - edged, 0).tolist()
    x2, y2 = (points.max(axis=0) + edged + 1).tolist()
    under = frame[y1:y2, x1:x2]
    thin = np.zeros(under.shape[:2], np.uint8)
    cv2.polylines(thin, [line - np.array([x1, y1], np.int32) for line in lines], closed, 1)
    for shade, reach in ((edge, edged), (colour, half)):
        pen = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        under[cv2.dilate(thin, pen) > 0] = shade
