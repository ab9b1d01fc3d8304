"""Meshes and clouds from PLY files, ascii or binary: vertices, colours, triangles; sizes are checked before reading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.checks import shown, whole_text
from grounding.core.reading import read_bytes
from lift3d.scene import FARTHEST

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_HEADER_BYTES = 1 << 16


@dataclass(frozen=True, eq=False)
class Mesh:
    """Points, perhaps with triangles and colours; all None where there is no surface.

    Attributes:
        points: (N, 3) float64.
        faces: (F, 3) int64 indices into `points`, or None.
        colours: (N, 3) uint8 RGB, or None.
        instances: (N,) int64 property `instance` of each point, or None.
    """

    points: np.ndarray | None = None
    faces: np.ndarray | None = None
    colours: np.ndarray | None = None
    instances: np.ndarray | None = None


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    properties: list[tuple[str, str, str]]  # name, type, and the type of a list's length ("" for one number)

    def add(self, name: str, kind: str, length: str, path: Path) -> None:
        """Append a property, unless there is one of its name."""
        if any(name == known or name == f"{known} length" for known, _, _ in self.properties):
            raise UserError(f"{path}: the property {shown(name)} of {shown(self.name)} stands twice in the PLY header")
        self.properties.append((name, kind, length))


def read_ply(path: Path) -> Mesh:
    """Read a PLY mesh or cloud.

    Args:
        path: The file; other elements and properties than vertices, colours and faces are skipped.

    Raises:
        UserError: If the file is no PLY, shorter than it says, or its faces have not all three or all four corners.
    """
    data = read_bytes(path)
    order, elements, offset = _header(data, path)
    tables: dict[str, dict[str, np.ndarray]] = {}
    fields = data[offset:].split() if order == "=" else []
    for element in elements:
        if element.name not in ("vertex", "face") and "face" in tables:
            break  # nothing that follows is wanted
        if order == "=":
            tables[element.name] = _ascii_table(fields, element, path)
        else:
            table = _binary_table(data, offset, element, order, path)
            offset += table.nbytes
            tables[element.name] = {name: table[name] for name in table.dtype.names or ()}
    return _mesh(tables, path)


def _header(data: bytes, path: Path) -> tuple[str, list[_Element], int]:
    end = data.find(b"end_header", 0, _HEADER_BYTES)
    if not data.startswith(b"ply") or end < 0:
        raise UserError(f"{path} is no PLY file: it should begin with 'ply' and have an 'end_header'")
    elements: list[_Element] = []
    order = ""
    for line in data[:end].decode("ascii", "replace").splitlines():
        match line.split():
            case ["format", name, *_]:
                order = _ORDERS.get(name, "")
            case ["element", name, count] if name not in (element.name for element in elements):
                elements.append(_Element(name, whole_text(count, f"{path}: the number of {name} rows"), []))
            case ["property", "list", length, kind, name] if elements and length in _TYPES and kind in _TYPES:
                elements[-1].add(name, _TYPES[kind], _TYPES[length], path)
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1].add(name, _TYPES[kind], "", path)
            case ["property" | "element", *_]:
                raise UserError(f"{path}: cannot read the PLY header line {shown(line)}")
    if not order:
        raise UserError(f"{path}: the PLY format must be one of {', '.join(_ORDERS)}")
    return order, elements, data.find(b"\n", end) + 1 or len(data)


def _binary_table(data: bytes, offset: int, element: _Element, order: str, path: Path) -> np.ndarray:
    """Rows of equal size: a list's length is taken from the first row and must hold for all."""
    columns: list[tuple] = []
    for name, kind, length in element.properties:
        if not length:
            columns.append((name, order + kind))
            continue
        at = offset + np.dtype(columns).itemsize
        first = np.frombuffer(data[at : at + 8].ljust(8, b"\0"), order + length, count=1)[0]
        if not 0 <= first <= 64:
            raise UserError(f"{path}: a {element.name} with a list of {first} entries is not supported")
        columns += [(f"{name} length", order + length), (name, order + kind, (int(first),))]
    dtype = np.dtype(columns)
    if not dtype.itemsize:
        return np.zeros(0, dtype)
    there = (len(data) - offset) // dtype.itemsize
    table = np.frombuffer(data, dtype, count=min(element.count, there), offset=offset)
    for name in (name for name, _, length in element.properties if length):
        _check_even(table[f"{name} length"], path)
    if element.count > there:
        raise UserError(f"{path} is cut off: {element.count} {element.name} rows of {dtype.itemsize} bytes do not fit; "
                        "fetch it anew")  # fmt: skip
    return table


def _ascii_table(fields: list[bytes], element: _Element, path: Path) -> dict[str, np.ndarray]:
    """Takes its rows off the front of `fields`; lists must have one length, as in `_binary_table`."""
    widths: list[int] = []
    for _, _, length in element.properties:
        at = sum(widths)
        listed = fields[at] if length and at < len(fields) else b"0"
        widths.append(1 + int(listed) if length and len(listed) < 3 and listed.isdigit() else 1)
    width = sum(widths)
    starts = np.cumsum([0, *widths])
    for (_, _, length), start in zip(element.properties, starts, strict=False):
        if length:
            _check_even(np.array(fields[start : element.count * width : width]), path)
    if element.count * width > len(fields):
        raise UserError(f"{path} is cut off: {element.count} {element.name} rows of {width} numbers do not fit; "
                        "fetch it anew")  # fmt: skip
    try:
        numbers = np.array(fields[: element.count * width], dtype=np.float64).reshape(
            element.count if width else 0, width
        )
    except ValueError as error:
        raise UserError(f"{path}: not a number in the {element.name} rows: {error}") from error
    del fields[: element.count * width]
    columns = {}
    for (name, kind, length), start, stop in zip(element.properties, starts, starts[1:], strict=False):
        with np.errstate(invalid="ignore", over="ignore"):
            columns[name] = (numbers[:, start + 1 : stop] if length else numbers[:, start]).astype(kind)
    return columns


def _check_even(lengths: np.ndarray, path: Path) -> None:
    """Rows up to the first list of another length have one width, so that this length stands where it is looked for."""
    if len(lengths) and (lengths != lengths[0]).any():
        raise UserError(f"{path}: its faces differ in the number of corners; triangulate the mesh")


def _mesh(tables: dict[str, dict[str, np.ndarray]], path: Path) -> Mesh:
    vertex = tables.get("vertex", {})
    if not {"x", "y", "z"} <= vertex.keys():
        raise UserError(f"{path}: a PLY of a scene must have vertices with x, y and z")
    points = np.stack([vertex[axis] for axis in "xyz"], axis=1).astype(np.float64)
    if np.abs(points[np.isfinite(points)]).max(initial=0) > FARTHEST:
        raise UserError(f"{path}: vertices must lie at most {FARTHEST:g} m from the origin; is its unit the metre?")
    colours = None
    if {"red", "green", "blue"} <= vertex.keys() and vertex["red"].dtype == np.uint8:
        colours = np.stack([vertex[name] for name in ("red", "green", "blue")], axis=1)
    instances = vertex["instance"].astype(np.int64) if "instance" in vertex else None
    face = tables.get("face", {})
    corners = face.get("vertex_indices", face.get("vertex_index"))
    if corners is None or len(corners) == 0:
        return Mesh(points, None, colours, instances)
    corners = corners.astype(np.int64)
    if corners.ndim != 2 or corners.shape[1] not in (3, 4) or corners.min() < 0 or corners.max() >= len(points):
        raise UserError(f"{path}: faces must have three or four corners, each the number of a vertex")
    triangles = corners if corners.shape[1] == 3 else np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])
    return Mesh(points, triangles, colours, instances)
