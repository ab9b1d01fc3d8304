"""Digits drawn with strokes, alike under every OpenCV.

`cv2.putText` is not used: OpenCV 5 draws an outline font of fixed weight where OpenCV 4 drew the strokes of
FONT_HERSHEY_SIMPLEX. The digits here have that font's proportions: 21 units tall, 14 wide, one each 20 units (further
apart where they are bold).
"""

from __future__ import annotations

import cv2
import numpy as np

Stroke = list[tuple[float, float]]

HEIGHT = 21.0  # units; x grows to the right, y downwards from the top of the digit
ADVANCE = 20.0
_BOLD_GAP = 16.5  # a digit's width and the least gap that still shows at 12 pixels; the stroke comes on top


def _arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> Stroke:
    """Points of an ellipse; angles in degrees, 0 to the right, growing clockwise."""
    angles = np.radians(np.linspace(start, end, 25))
    return [(cx + rx * float(np.cos(a)), cy + ry * float(np.sin(a))) for a in angles]


_SIX: list[Stroke] = [_arc(7, 14.5, 6.7, 6.5, 0, 360), _arc(9, 13, 8.7, 13, 170, 295)]
_DIGITS: list[list[Stroke]] = [
    [_arc(7, 10.5, 6.5, 10.5, 0, 360)],
    [[(3, 4.5), (8, 0), (8, 21)]],
    [[*_arc(7, 6, 6, 6, 195, 390), (0.5, 21), (14, 21)]],
    [_arc(6.5, 5, 6, 5, 205, 450), _arc(6.5, 15.5, 7, 5.5, 270, 515)],
    [[(10.5, 21), (10.5, 0), (0, 14.5), (14, 14.5)]],
    [[(12.5, 0), (2.5, 0), (1.5, 9.5), *_arc(6.8, 14, 7, 7, 220, 510)]],
    _SIX,
    [[(0.5, 0), (13.5, 0), (5, 21)]],
    [_arc(7, 5, 5.3, 5, 0, 360), _arc(7, 15.5, 6.7, 5.5, 0, 360)],
    [[(14 - x, 21 - y) for x, y in stroke] for stroke in _SIX],
]


def number_mask(number: int, height: float, thickness: float) -> np.ndarray:
    """The pixels of a written number, cropped to it.

    Args:
        number: >= 0.
        height: From the middle of the topmost to the middle of the lowest stroke, pixels, > 0.
        thickness: Of a stroke, pixels.

    Returns:
        bool, shape (h, w) with h about `height + thickness`.
    """
    text = str(number)
    scale, pen = height / HEIGHT, max(1, round(thickness))
    advance = max(ADVANCE * scale, _BOLD_GAP * scale + pen)
    canvas = np.zeros((int(height) + 2 * pen + 2, int(advance * len(text)) + 2 * pen + 2), np.uint8)
    for place, digit in enumerate(text):
        for stroke in _DIGITS[int(digit)]:
            points = np.array(stroke) * scale + (pen + place * advance, pen)
            cv2.polylines(canvas, [np.rint(points).astype(np.int32)], False, 255, pen, cv2.LINE_8)
    x, y, w, h = cv2.boundingRect(canvas)
    return canvas[y : y + h, x : x + w] > 0
