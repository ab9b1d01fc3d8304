"""Boxes and points in an image.

Grammar of the answer block, all of it: JSON `{"bbox_2d": [x1, y1, x2, y2], "label": "chair"}` or a list of one such
object, or the bare numbers in `[...]` or `(...)`; points as `{"point_2d": [x, y]}` or bare. Coordinates are numbers
from 0 on with x1 <= x2 and y1 <= y2, in pixels or in thousandths of the image's width and height; which of the two
a model writes is told, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from grounding.core import Answer, ParseFailure, UserError
from grounding.core.reading import parse_json
from grounding.tasks.tags import block_of, expected

Units = Literal["pixels", "thousandths"]
LARGEST = {"pixels": 100_000, "thousandths": 1000}

NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,17})?"
_BARE = re.compile(rf"[\[(] ?({NUMBER}(?: ?, ?{NUMBER}){{1,3}}) ?[\])]", re.ASCII)


def parse_box(text: str, size: tuple[int, int], units: Units = "pixels") -> Answer | ParseFailure:
    """Read one box strictly: never an exception, linear in the text's length.

    Args:
        text: The model's text.
        size: (height, width) of the image in pixels.
        units: What the model writes.

    Returns:
        An answer with a box in pixels and the image's size, or the reason why there is none. A box may reach past the
        image.
    """
    corners = _parse(text, size, units, "bbox_2d", 4)
    if isinstance(corners, ParseFailure):
        return corners
    x1, y1, x2, y2 = corners
    if x2 < x1 or y2 < y1:
        return ParseFailure(f"the box is reversed: {list(corners)}")
    return Answer(box=(x1, y1, x2, y2), size=size)


def parse_point(text: str, size: tuple[int, int], units: Units = "pixels") -> Answer | ParseFailure:
    """Read one point strictly, as `parse_box` reads a box."""
    corners = _parse(text, size, units, "point_2d", 2)
    return corners if isinstance(corners, ParseFailure) else Answer(point=(corners[0], corners[1]), size=size)


def _parse(text: str, size: tuple[int, int], units: Units, key: str, count: int) -> list[float] | ParseFailure:
    """`count` coordinates in pixels."""
    block = block_of(text)
    if isinstance(block, ParseFailure):
        return block
    bare = _BARE.fullmatch(block)
    values = [float(part) for part in bare[1].split(",")] if bare else _from_json(block, key)
    largest = LARGEST[units]
    if not (isinstance(values, list) and len(values) == count and all(_between(v, largest) for v in values)):
        return expected(f'{{"{key}": [{count} numbers from 0 to {largest}]}}', block)
    return scaled(values, size, units)


def scaled(values: Sequence[float], size: tuple[int, int], units: Units) -> list[float]:
    """Coordinates x, y, x, y, ... in pixels, from what the model writes."""
    scales = (size[1] / 1000, size[0] / 1000) if units == "thousandths" else (1.0, 1.0)
    return [float(value) * scales[index % 2] for index, value in enumerate(values)]


def _from_json(block: str, key: str) -> Any:
    """What an object, or the only object of a list, has under `key`; None for anything else."""
    try:
        value = parse_json(block, "the answer", finite=True)
    except UserError:
        return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value.get(key) if isinstance(value, dict) else None


def _between(value: Any, largest: int) -> bool:
    return type(value) in (int, float) and 0 <= value <= largest
