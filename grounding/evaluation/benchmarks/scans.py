"""The true 3D boxes of a ScanNet scene, from the scan's own files, and ScanNet's 18 classes of objects.

A box is around all vertices of an object, axes aligned.

<scene>_vh_clean_2.ply                         the vertices
<scene>_vh_clean_2.0.010000.segs.json          the segment of each vertex
<scene>.aggregation.json                       {"segGroups": [{"objectId", "segments": [...]}]}
<scene>.txt                                    the matrix axisAlignment; without it the scene stays as it is
scannetv2-labels.combined.tsv                  of all scenes: the names of objects and their NYU40 classes
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.checks import whole, within
from grounding.core.reading import read_json, read_text
from grounding.datasets.entries import field, list_of
from grounding.evaluation.benchmarks.scannet import CLASSES
from grounding.masks.shared import objects_of
from lift3d.scenes.scannet import alignment, superpoints, surface

OTHER = "otherfurniture"


def scan_boxes(folder: Path) -> dict[int, np.ndarray]:
    """`x1 y1 z1 x2 y2 z2` in metres, shape (6,), of each object that has vertices, by ScanNet's `objectId`.

    Raises:
        UserError: Naming the file that is missing or not as above.
    """
    path = folder / f"{folder.name}.aggregation.json"
    groups = read_json(path)
    mesh, parts = surface(folder), superpoints(folder)
    points, segments = mesh and mesh().points, parts and parts()
    if points is None or segments is None or len(points) != len(segments):
        raise UserError(f"{folder} must hold *_vh_clean_2.ply and its segs.json, with a segment for each vertex")
    if (matrix := alignment(folder)) is not None:
        points = points @ matrix[:3, :3].T + matrix[:3, 3]
    with within(str(path)):
        owners = {segment: number for number, listed in _groups(groups) for segment in listed}  # the last one's, if two
    names, places = np.unique(segments, return_inverse=True)
    owner = np.array([owners.get(name, -1) for name in names.tolist()])[places]
    return {number: _around(points[owner == number]) for number in np.unique(owner[owner >= 0]).tolist()}


def _around(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _groups(value: object) -> list[tuple[int, list[int]]]:
    rows = objects_of(value if isinstance(value, dict) else {}, "segGroups")
    numbers = [whole(field(row, "objectId"), "objectId") for row in rows]
    listed = [list_of(field(row, "segments"), "segments") for row in rows]
    return list(zip(numbers, [[whole(one, "a segment") for one in row] for row in listed], strict=True))


def object_classes(path: Path) -> dict[str, str]:
    """The class of each name that annotators gave to objects: one of the 18 of ScanNet's benchmark, or `OTHER`.

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
    rows = [line for line in lines[1:] if len(line) > max(raw, nyu)]
    return {line[raw]: line[nyu] if line[nyu] in CLASSES.values() else OTHER for line in rows}
