"""What every writer of a format is given: a lift, and how its things are called."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.checks import shown, whole, whole_text, within
from grounding.core.reading import read_json
from lift3d.frames import Progress, plain
from lift3d.lift import Lifted

MOST_CLASS = 2**31 - 1  # the formats hold class numbers in 32 bits
NO_CLASS = 1  # the number of things whose class is not known; 0 would be 'unannotated' in ScanNet's benchmark


@dataclass(frozen=True, eq=False)
class Result:
    """A lift, and how its things are called.

    Attributes:
        name: Of the scene, without spaces.
        lifted: The instances.
        labels: id -> name, or number of a class; ids may be missing.
        progress: Shows the frames to writers that read them again.
    """

    name: str
    lifted: Lifted
    labels: Mapping[int, str | int] = field(default_factory=dict)
    progress: Progress = plain

    def label(self, number: int) -> str:
        """What an instance is called; "object" if nobody said."""
        return str(self.labels.get(number, "object"))

    def class_number(self, number: int) -> int:
        """The class of an instance; 1 if its label is no number."""
        label = self.labels.get(number)
        return label if isinstance(label, int) else NO_CLASS

    @property
    def colours(self) -> np.ndarray:
        """Colour of each point of the scene, uint8 (N, 3); grey where it brings none."""
        scene = self.lifted.scene
        return scene.colours if scene.colours is not None else np.full((len(self.lifted.points), 3), 160, np.uint8)


def read_labels(path: str | Path | None, least: int = 1) -> dict[int, str | int]:
    """The name or class number of ids of `least` or more, from a JSON object.

    Raises:
        UserError: If it is something else, or names an id twice.
    """
    if path is None:
        return {}
    value = read_json(path, "labels")
    if not isinstance(value, dict):
        raise UserError(f'labels {path} must be an object of id: name or id: class number, as {{"1": "chair", "2": 5}}')
    found: dict[int, str | int] = {}
    with within(f"labels {path}"):
        for key, label in value.items():
            number = whole_text(key, "an id", least)
            if number in found:
                raise UserError(f"id {number} stands there twice; remove one of the two")
            if not isinstance(label, str) and whole(label, f"the name or class number of id {number}") > MOST_CLASS:
                raise UserError(f"the class number of id {number} must be up to {MOST_CLASS}, got {shown(label)}")
            found[number] = label
    return found


def tinted(own: np.ndarray, number: int, share: float) -> np.ndarray:
    """Colours, uint8 (N, 3), of which `share` is that of an id and the rest their own."""
    return np.rint(share * np.array(id_colour(number)) + (1 - share) * own).astype(np.uint8)


def id_colour(number: int) -> tuple[int, int, int]:
    """An RGB colour for an id: hues a golden section apart, so that neighbouring ids look different."""
    hue = number * 0.6180339887498949 % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75 if number % 2 else 0.5, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)
