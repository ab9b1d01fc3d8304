"""What `lift3d export` wrote, read again from its folder, which may have been changed since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.checks import whole
from grounding.core.reading import is_file
from lift3d.boxes import Box
from lift3d.scene import FARTHEST, is_rigid
from lift3d.scenes.ply import Mesh, read_ply
from lift3d.scenes.text import field, matrix, numbers, read_object


@dataclass(frozen=True, eq=False)
class Exported:
    """What a folder of `lift3d export` says.

    Attributes:
        cloud: Points with colours and instances.
        labels: What each instance is called.
        boxes: The upright box of each instance.
        alignment: From the frame of the points to that of the boxes, (4, 4).
        up: Against gravity, in the frame of the points, (3,).
    """

    cloud: Mesh
    labels: Mapping[int, str]
    boxes: Mapping[int, Box]
    alignment: np.ndarray
    up: np.ndarray


def read_export(folder: str | Path) -> Exported:
    """Read a folder that `lift3d export` wrote.

    Raises:
        UserError: If a file is missing or is not as `export` writes it.
    """
    folder = Path(folder)
    path = folder / "instances.ply"
    if not is_file(path):
        raise UserError(f"{folder} has no instances.ply; give a folder of lift3d export, with ply among its formats")
    cloud = read_ply(path)
    if cloud.instances is None:
        raise UserError(f"{path} does not say which instance a point belongs to; write it with lift3d export")
    where = str(folder / "report.json")
    report = read_object(folder / "report.json")
    labels: dict[int, str] = {}
    boxes: dict[int, Box] = {}
    for entry in field(report, "instances", list, where):
        number, box = whole(field(entry, "id", int, where), f"{where}, id", 1), field(entry, "obb", dict, where)
        if number in labels:
            raise UserError(f"{where}: instance {number} stands there twice; write the folder anew with lift3d export")
        centre, size = (numbers(field(box, key, list, where), 3, f"{where}, {key}") for key in ("center", "size"))
        axes = np.eye(4)
        axes[:3, :3], axes[:3, 3] = matrix(field(box, "R", list, where), f"{where}, R", size=3), centre
        if not (is_rigid(axes) and (np.abs(size) < FARTHEST).all() and (np.abs(centre) < FARTHEST).all()):
            raise UserError(f"{where}: the box of instance {number} has no place; write the folder anew")
        boxes[number] = Box(centre, size, axes[:3, :3])
        labels[number] = field(entry, "label", str, where)
    aligned = report.get("axis_alignment")
    alignment = np.eye(4) if aligned is None else matrix(aligned, f"{where}, axis_alignment")
    if not is_rigid(alignment):
        raise UserError(f"{where}: axis_alignment is no rotation with a translation; write the folder anew")
    return Exported(cloud, labels, boxes, alignment, numbers(field(report, "up", list, where), 3, f"{where}, up"))
