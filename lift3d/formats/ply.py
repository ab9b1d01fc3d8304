"""PLY: every point with its colour, instance, label and score; binary, little endian, triangles if there are any."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lift3d.formats.result import Result

_VERTEX = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]
_VERTEX += [("instance", "<i4"), ("label", "<i4"), ("score", "<f4")]
_NAMES = {"<f4": "float", "u1": "uchar", "<i4": "int"}
_FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])


def write_ply(folder: Path, result: Result) -> None:
    """Write `instances.ply`; instance and label are -1 and the score 0 where a point belongs to nothing."""
    lifted = result.lifted
    table = np.zeros(len(lifted.points), _VERTEX)
    for column, axis in enumerate("xyz"):
        table[axis] = lifted.points[:, column]
    for column, colour in enumerate(("red", "green", "blue")):
        table[colour] = result.colours[:, column]
    table["instance"] = table["label"] = -1
    for instance in lifted.instances:
        table["instance"][instance.points] = instance.id
        table["label"][instance.points] = result.class_number(instance.id)
    table["score"] = lifted.ratio
    faces = _faces(lifted.scene.faces)
    with (folder / "instances.ply").open("wb") as file:
        file.write(_header(len(table), len(faces)).encode("ascii"))
        file.write(table.tobytes())
        file.write(faces.tobytes())


def _faces(corners: np.ndarray | None) -> np.ndarray:
    table = np.zeros(0 if corners is None else len(corners), _FACE)
    if corners is not None:
        table["count"], table["corners"] = 3, corners
    return table


def _header(points: int, faces: int) -> str:
    lines = ["ply", "format binary_little_endian 1.0", "comment metres; instance -1 = none", f"element vertex {points}"]
    lines += [f"property {_NAMES[kind]} {name}" for name, kind in _VERTEX]
    if faces:
        lines += [f"element face {faces}", "property list uchar int vertex_indices"]
    return "\n".join([*lines, "end_header", ""])
