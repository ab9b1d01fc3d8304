"""Tests of reading PLY: ascii and both byte orders, colours, quads, files that lie."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grounding.core import UserError
from lift3d.scenes.ply import read_ply

POINTS = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.5), (1.0, 1.0, 0.25), (0.0, 1.0, -2.0)]
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 8, 7)]
TRIANGLES = [(0, 1, 2), (0, 2, 3)]


def head(kind: str, faces: int = 2, vertices: int = 4, listed: str = "uchar int vertex_indices") -> bytes:
    lines = ["ply", f"format {kind} 1.0", "comment made by hand", f"element vertex {vertices}"]
    lines += [f"property float {axis}" for axis in "xyz"] + [f"property uchar {c}" for c in ("red", "green", "blue")]
    lines += [f"element face {faces}", f"property list {listed}", "end_header"] if faces else ["end_header"]
    return "\n".join(lines).encode() + b"\n"


def body(order: str, faces: list[tuple[int, ...]]) -> bytes:
    data = b"".join(struct.pack(f"{order}3f3B", *p, *c) for p, c in zip(POINTS, COLOURS, strict=True))
    return data + b"".join(struct.pack(f"{order}B{len(face)}i", len(face), *face) for face in faces)


def written(tmp_path: Path, data: bytes) -> Path:
    (tmp_path / "m.ply").write_bytes(data)
    return tmp_path / "m.ply"


def ascii_body(faces: list[tuple[int, ...]]) -> bytes:
    rows = [" ".join(map(str, (*p, *c))) for p, c in zip(POINTS, COLOURS, strict=True)]
    return "\n".join([*rows, *(" ".join(map(str, (len(f), *f))) for f in faces)]).encode() + b"\n"


@pytest.mark.parametrize(("kind", "order"), [("binary_little_endian", "<"), ("binary_big_endian", ">"), ("ascii", "")])
def test_points_colours_and_triangles(tmp_path: Path, kind: str, order: str) -> None:
    data = body(order, TRIANGLES) if order else ascii_body(TRIANGLES)  # type: ignore[arg-type]
    mesh = read_ply(written(tmp_path, head(kind) + data))
    assert mesh.points is not None and mesh.faces is not None and mesh.colours is not None
    assert (mesh.points.dtype, mesh.points.tolist()) == (np.float64, [list(p) for p in POINTS])
    assert (mesh.colours.dtype, mesh.colours.tolist()) == (np.uint8, [list(c) for c in COLOURS])
    assert mesh.faces.tolist() == [list(t) for t in TRIANGLES]


@pytest.mark.parametrize("kind", ["binary_little_endian", "ascii"])
def test_quads_become_triangles(tmp_path: Path, kind: str) -> None:
    data = body("<", [(0, 1, 2, 3)]) if kind != "ascii" else ascii_body([(0, 1, 2, 3)])
    mesh = read_ply(written(tmp_path, head(kind, faces=1) + data))
    assert mesh.faces is not None and mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_a_cloud_has_no_faces(tmp_path: Path) -> None:
    mesh = read_ply(written(tmp_path, head("binary_little_endian", faces=0) + body("<", [])))
    assert mesh.faces is None and mesh.points is not None and len(mesh.points) == 4


def test_a_vertex_list_by_its_other_name_and_of_another_type(tmp_path: Path) -> None:
    header = head("binary_little_endian", faces=1, listed="int uint vertex_index")
    mesh = read_ply(written(tmp_path, header + body("<", []) + struct.pack("<4i", 3, 2, 1, 0)))
    assert mesh.faces is not None and mesh.faces.tolist() == [[2, 1, 0]]


def test_windows_line_ends(tmp_path: Path) -> None:
    data = head("binary_little_endian").replace(b"\n", b"\r\n") + body("<", TRIANGLES)
    mesh = read_ply(written(tmp_path, data))
    assert mesh.points is not None and mesh.points.tolist() == [list(p) for p in POINTS]


def test_what_follows_the_faces_is_not_read(tmp_path: Path) -> None:
    header = head("binary_little_endian").replace(b"end_header", b"element edge 999\nproperty int a\nend_header")
    assert read_ply(written(tmp_path, header + body("<", TRIANGLES))).faces is not None


LITTLE = "binary_little_endian"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no PLY file"),
        (b"plyers\nend", "is no PLY file"),
        (head("binary_middle_endian"), "the PLY format must be one of ascii, binary_little_endian"),
        (head(LITTLE, vertices=10**11), "is cut off"),
        (head(LITTLE) + body("<", TRIANGLES)[:-1], "is cut off"),
        (head(LITTLE) + body("<", [(0, 1, 2), (0, 1, 2, 3)]), "differ in the number of corners"),
        (head(LITTLE, faces=1) + body("<", [(0, 1)]), "faces must have three or four corners"),
        (head(LITTLE, faces=1) + body("<", [tuple(range(65))]), "a face with a list of 65 entries is not supported"),
        (head(LITTLE) + body("<", [(0, 1, 2), (0, 1, 4)]), "each the number of a vertex"),
        (head(LITTLE) + body("<", [(0, 1, 2), (0, 1, -1)]), "each the number of a vertex"),
        (head(LITTLE).replace(b"float z", b"float w") + body("<", TRIANGLES), "vertices with x, y and z"),
        (head(LITTLE).replace(b"float z", b"quad z"), "cannot read the PLY header line 'property quad z'"),
        (head(LITTLE).replace(b"vertex 4", b"vertex -4"), "number of vertex rows must be a whole number"),
        (head("ascii") + b"1 2 3", "is cut off"),
        (head("ascii") + ascii_body(TRIANGLES).replace(b"0.25", b"zero"), "not a number in the vertex rows"),
        (head("ascii") + ascii_body([(0, 1, 2), (0, 1, 2, 3)]), "differ in the number of corners"),
        (head("ascii") + ascii_body([(0, 1, 2, 3), (0, 1, 2)]), "differ in the number of corners"),  # too few numbers
        (head("ascii", 3) + ascii_body([(0, 1, 2, 3), (0, 1, 2, 3), (0, 1, 2)]), "differ in the number of corners"),
        (head(LITTLE, 3) + body("<", [(0, 1, 2, 3), (0, 1, 2), (0, 1, 2)]), "differ in the number of corners"),
        (head("ascii") + ascii_body([(0, 1, 2)]), "is cut off"),
        (
            head(LITTLE).replace(b"float y", b"float x") + body("<", TRIANGLES),
            "the property 'x' of 'vertex' stands twice",
        ),
        (head("ascii").replace(b"uchar blue", b"uchar red") + ascii_body(TRIANGLES), "'red' of 'vertex' stands twice"),
        (head(LITTLE).replace(b"element face 2", b"element vertex 2"), "cannot read the PLY header line 'element ver"),
        (head(LITTLE).replace(b"vertex 4", b"vertex " + b"9" * 5000), "number of vertex rows must be a whole number"),
        (head("ascii") + ascii_body(TRIANGLES).replace(b"0.25", b"1e8"), "at most 1e\\+07 m from the origin"),
    ],
)
def test_broken_files(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_ply(written(tmp_path, data))


def test_whose_point_it_is_as_export_writes_it(tmp_path: Path) -> None:
    text = "ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty float z\n"
    found = read_ply(written(tmp_path, f"{text}property int instance\nend_header\n1 2 3 7\n4 5 6 -1\n".encode()))
    assert found.instances is not None and found.instances.tolist() == [7, -1]
    assert read_ply(written(tmp_path, f"{text}end_header\n1 2 3\n4 5 6\n".encode())).instances is None


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*none\.ply: No such file"):
        read_ply(tmp_path / "none.ply")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from([LITTLE, "ascii"]))
def test_damaged_files_are_user_errors_or_meshes(tmp_path: Path, data: st.DataObject, kind: str) -> None:
    whole = bytearray(head(kind) + (body("<", TRIANGLES) if kind == LITTLE else ascii_body(TRIANGLES)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        mesh = read_ply(written(tmp_path, bytes(whole)))
    except UserError:
        return
    assert mesh.points is not None and mesh.points.shape[1] == 3
    assert mesh.faces is None or mesh.faces.max() < len(mesh.points)


@pytest.mark.parametrize("kind", [LITTLE, "ascii"])
def test_an_element_without_properties_has_no_rows(tmp_path: Path, kind: str) -> None:
    header = head(kind).replace(b"element face", b"element nothing 999999999\nelement face")
    mesh = read_ply(written(tmp_path, header + (body("<", TRIANGLES) if kind == LITTLE else ascii_body(TRIANGLES))))
    assert mesh.faces is not None and mesh.faces.tolist() == [list(t) for t in TRIANGLES]


def test_vertices_that_are_not_finite_are_kept(tmp_path: Path) -> None:
    mesh = read_ply(written(tmp_path, head("ascii") + ascii_body(TRIANGLES).replace(b"0.25", b"nan")))
    assert mesh.points is not None and np.isnan(mesh.points[2, 2])
