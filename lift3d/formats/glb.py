"""GLB (binary glTF 2.0): a node an instance, y up, in colours; opens in a browser.

An instance of a mesh has the triangles whose corners all belong to it; one of a cloud has points.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from lift3d.boxes import ground_frame
from lift3d.formats.result import Result, tinted
from lift3d.lift import Instance

_FLOAT, _UINT = 5126, 5125  # component types of glTF
_POINTS, _TRIANGLES = 0, 4  # modes of a primitive
_VERTICES, _INDICES = 34962, 34963  # targets of a buffer view
_TINT = 0.6  # share of the instance's colour; the rest is the point's own
# Colours as they are: without a material viewers take polished metal, which is black where nothing mirrors in it.
_MATERIAL: dict[str, Any] = {
    "pbrMetallicRoughness": {"metallicFactor": 0.0},
    "doubleSided": True,
    "extensions": {"KHR_materials_unlit": {}},
}


class _Buffer:
    """The binary chunk, and the accessors into it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, values: np.ndarray, kind: str, component: int, **extra: Any) -> int:
        """Append an array; returns the number of its accessor."""
        raw = values.tobytes()
        target = _INDICES if kind == "SCALAR" else _VERTICES
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw), "target": target})
        self.data += raw + b"\0" * (-len(raw) % 4)
        accessor = {"bufferView": len(self.views) - 1, "componentType": component, "count": len(values), "type": kind}
        self.accessors.append(accessor | extra)
        return len(self.accessors) - 1


def write_glb(folder: Path, result: Result) -> None:
    """Write `instances.glb`."""
    buffer = _Buffer()
    meshes = [{"primitives": [_primitive(buffer, result, instance)]} for instance in result.lifted.instances]
    nodes = [
        {
            "name": f"{instance.id} {result.label(instance.id)}",
            "mesh": place,
            "extras": {"id": instance.id, "label": result.label(instance.id), "score": round(instance.ratio, 6)},
        }
        for place, instance in enumerate(result.lifted.instances)
    ]
    tree: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "tubelet"},
        "scene": 0,
        "scenes": [{"name": result.name} | ({"nodes": list(range(len(nodes)))} if nodes else {})],
    }
    if nodes:  # glTF allows no empty arrays
        tree |= {"nodes": nodes, "meshes": meshes, "accessors": buffer.accessors, "bufferViews": buffer.views}
        tree |= {"materials": [_MATERIAL], "extensionsUsed": list(_MATERIAL["extensions"])}
        tree["buffers"] = [{"byteLength": len(buffer.data)}]
    text = json.dumps(tree, separators=(",", ":"), allow_nan=False).encode()
    chunks = _chunk(b"JSON", text + b" " * (-len(text) % 4))
    chunks += _chunk(b"BIN\0", bytes(buffer.data)) if nodes else b""
    (folder / "instances.glb").write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)


def _primitive(buffer: _Buffer, result: Result, instance: Instance) -> dict[str, Any]:
    scene = result.lifted.scene
    upright = result.lifted.points[instance.points] @ ground_frame(np.array(scene.up))
    points = np.ascontiguousarray(upright[:, [0, 2, 1]] * [1, 1, -1], dtype="<f4")  # z up -> y up
    extent = {"min": points.min(axis=0).tolist(), "max": points.max(axis=0).tolist()}
    colours = linear(tinted(result.colours[instance.points], instance.id, _TINT))
    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": buffer.add(points, "VEC3", _FLOAT, **extent),
            "COLOR_0": buffer.add(colours, "VEC3", _FLOAT),
        },
        "material": 0,
        "mode": _POINTS,
    }
    faces = _own_faces(scene.faces, instance.points)
    if len(faces):
        primitive |= {"indices": buffer.add(faces.ravel(), "SCALAR", _UINT), "mode": _TRIANGLES}
    return primitive


def linear(colours: np.ndarray) -> np.ndarray:
    """Colours as screens take them (sRGB), uint8, as float32 shares of light in [0, 1], as glTF asks for.

    glTF allows whole numbers as well: 8 bits would lose the dark colours, and of 16 some viewers read the wrong half.
    """
    light = colours / 255
    return np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4).astype("<f4")


def _own_faces(faces: np.ndarray | None, points: np.ndarray) -> np.ndarray:
    """The triangles whose corners are all among `points` (ascending), renumbered to their places there."""
    if faces is None or not len(faces):
        return np.zeros((0, 3), "<u4")
    places = np.minimum(np.searchsorted(points, faces), len(points) - 1)
    return places[(points[places] == faces).all(axis=1)].astype("<u4")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("<I4s", len(data), kind) + data
