"""Your own boxes as a detector: a JSON file of boxes by frame number.

    {"0": [[x1, y1, x2, y2], ...], "48": [{"box": [x1, y1, x2, y2], "label": "dog", "score": 0.9}, ...]}

Frames count from 0, boxes are in pixels of the video. The frames named are the keyframes, and no others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.checks import number, shown, whole_text
from grounding.core.reading import read_json
from grounding.tracking.interfaces import Detections


class OwnBoxes:
    """A `Detector` that looks things up.

    Args:
        path: Where they come from.
        found: By frame number.
    """

    def __init__(self, path: Path, found: dict[int, Detections]) -> None:
        self._path, self._found = path, found

    @property
    def frames(self) -> frozenset[int]:
        """The frames that have boxes."""
        return frozenset(self._found)

    def detect(self, frame: int, picture: np.ndarray) -> Detections:
        """The boxes of a frame.

        Raises:
            UserError: If one lies outside the picture.
        """
        found, (height, width) = self._found[frame], picture.shape[:2]
        outside = (found.boxes[:, :2] >= (width, height)).any(axis=1) | (found.boxes[:, 2:] <= 0).any(axis=1)
        if outside.any():
            box = int(outside.argmax())
            where = f"boxes {self._path}, frame {frame}, box {box}"
            raise UserError(f"{where} lies outside the picture of {width} x {height}, got {found.boxes[box].tolist()}")
        return found


def load_boxes(path: str | Path) -> OwnBoxes:
    """Read a file of boxes.

    Raises:
        UserError: Naming the file, the frame and the box of the first thing that is not as documented above.
    """
    path = Path(path)
    value = read_json(path, "boxes")
    if not isinstance(value, dict) or not value:
        raise UserError(f"boxes {path} must be an object of frame number: list of boxes, with at least one frame")
    found: dict[int, Detections] = {}
    for name, boxes in value.items():
        frame = whole_text(name, f"boxes {path}: a frame number")
        if frame in found:
            raise UserError(f"boxes {path}: frame {frame} stands there twice, once as {shown(name)}; join its boxes")
        found[frame] = _read_frame(path, name, boxes)
    return OwnBoxes(path, found)


def _read_frame(path: Path, name: str, boxes: Any) -> Detections:
    if not isinstance(boxes, list):
        raise UserError(f"boxes {path}, frame {name} must be a list of boxes, got {shown(boxes)}")
    read = [_read_box(f"boxes {path}, frame {name}, box {at}", box) for at, box in enumerate(boxes)]
    return Detections(
        np.array([box for box, _, _ in read], dtype=np.float64).reshape(-1, 4),
        np.array([score for _, score, _ in read], dtype=np.float64),
        tuple(label for _, _, label in read),
    )


def _read_box(where: str, value: Any) -> tuple[list[float], float, str]:
    fields = value if isinstance(value, dict) else {"box": value}
    box, score, label = fields.get("box"), fields.get("score", 1.0), fields.get("label", "")
    if not isinstance(box, list) or len(box) != 4:
        raise UserError(f"{where} must be [x1, y1, x2, y2] in pixels, got {shown(box)}")
    sides = [number(side, f"{where}: each of x1, y1, x2, y2") for side in box]
    if sides[2] <= sides[0] or sides[3] <= sides[1]:
        raise UserError(f"{where} must have x1 < x2 and y1 < y2, got {shown(box)}")
    if not isinstance(label, str):
        raise UserError(f"{where}: label must be a text, got {shown(label)}")
    return sides, number(score, f"{where}: score"), label
