"""The true 3D boxes of a ScanNet scene, from the scan's own files, and ScanNet's 18 classes of objects.

A box is around all vertices of an object, axes aligned. The files are those of `grounding.datasets.scans`, and

<scene>.txt                                    the matrix axisAlignment; without it the scene stays as it is
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.datasets.scans import nyu_classes, owners, scan_objects
from grounding.evaluation.benchmarks.scannet import CLASSES
from lift3d.scenes.scannet import alignment, superpoints, surface

OTHER = "otherfurniture"


def scan_boxes(folder: Path) -> dict[int, np.ndarray]:
    """`x1 y1 z1 x2 y2 z2` in metres, shape (6,), of each object that has vertices, by ScanNet's `objectId`.

    Raises:
        UserError: Naming the file that is missing or not as above.
    """
    objects = scan_objects(folder / f"{folder.name}.aggregation.json")
    mesh, parts = surface(folder), superpoints(folder)
    points, segments = mesh and mesh().points, parts and parts()
    if points is None or segments is None or len(points) != len(segments):
        raise UserError(f"{folder} must hold *_vh_clean_2.ply and its segs.json, with a segment for each vertex")
    if (matrix := alignment(folder)) is not None:
        points = points @ matrix[:3, :3].T + matrix[:3, 3]
    owner = owners(objects, segments)
    return {number: _around(points[owner == number]) for number in np.unique(owner[owner >= 0]).tolist()}


def _around(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def object_classes(path: Path) -> dict[str, str]:
    """The class of each name that annotators gave to objects: one of the 18 of ScanNet's benchmark, or `OTHER`.

    Errors as `nyu_classes`.
    """
    return {name: nyu if nyu in CLASSES.values() else OTHER for name, nyu in nyu_classes(path).items()}
