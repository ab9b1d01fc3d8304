"""The objects of a ScanNet scene, from the scan's own files.

<scene>_vh_clean_2.ply                         the vertices
<scene>_vh_clean_2.0.010000.segs.json          the segment of each vertex
<scene>.aggregation.json                       {"segGroups": [{"objectId", "label", "segments": [...]}]}
scannetv2-labels.combined.tsv                  of all scenes: the labels of objects and their NYU40 classes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.checks import whole, within
from grounding.core.reading import read_json, read_text
from grounding.datasets.entries import field, list_of, object_of
from grounding.masks.shared import objects_of


@dataclass(frozen=True)
class ScanObject:
    """One object as ScanNet's annotators gave it.

    Attributes:
        number: ScanNet's `objectId`, from 0; ScanRefer's `object_id`.
        label: Its name, "" where the file has none.
        segments: The segments that make it up.
    """

    number: int
    label: str
    segments: tuple[int, ...]


def scan_objects(path: Path) -> list[ScanObject]:
    """The objects of `<scene>.aggregation.json`, in its order.

    Raises:
        UserError: Naming the file, if it is missing or not as above.
    """
    value = read_json(path)
    with within(str(path)):
        return [_object(row) for row in objects_of(value if isinstance(value, dict) else {}, "segGroups")]


def _object(value: object) -> ScanObject:
    row = object_of(value, "an object")
    number, label = whole(field(row, "objectId"), "objectId"), row.get("label", "")
    if not isinstance(label, str):
        raise UserError(f'"label" of object {number} must be a text')
    segments = list_of(field(row, "segments"), "segments")
    return ScanObject(number, label, tuple(whole(one, "a segment") for one in segments))


def owners(objects: Sequence[ScanObject], segments: np.ndarray) -> np.ndarray:
    """The `objectId` of each vertex, int64 (N,), -1 = none; of two objects with one segment the last one has it.

    Args:
        objects: Of the scene.
        segments: The segment of each vertex, (N,).
    """
    owner_of = {segment: one.number for one in objects for segment in one.segments}
    names, places = np.unique(segments, return_inverse=True)
    return np.array([owner_of.get(name, -1) for name in names.tolist()], np.int64)[places]


def nyu_classes(path: Path) -> dict[str, str]:
    """The NYU40 class of each label that annotators gave to objects.

    Args:
        path: `scannetv2-labels.combined.tsv`.

    Raises:
        UserError: Naming the file that has not the columns raw_category and nyu40class.
    """
    lines = [line.split("\t") for line in read_text(path).splitlines()]
    names = lines[0] if lines else []
    if not {"raw_category", "nyu40class"} <= set(names):
        raise UserError(f"{path} must have the columns raw_category and nyu40class; take ScanNet's own file")
    raw, nyu = names.index("raw_category"), names.index("nyu40class")
    return {line[raw]: line[nyu] for line in lines[1:] if len(line) > max(raw, nyu)}
