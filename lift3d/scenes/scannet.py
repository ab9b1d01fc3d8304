"""ScanNet as its exporter writes it: `depth/N.png`, `color/N.jpg`, `pose/N.txt`, `intrinsic/intrinsic_depth.txt`.

Depth in millimetres, poses camera-to-world in OpenCV axes, not finite where tracking was lost; names padded or not.
The exporter's `extrinsic_*` are not applied: colour and depth are aligned already. Beside them, if there:
`*_vh_clean_2.ply`, its `*.segs.json` (superpoints) and `<scene>.txt` (axis alignment).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.files import inside
from lift3d.scenes.images import colour_file, depth_file
from lift3d.scenes.ply import Mesh, read_ply
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import files, matrix, matrix_file, natural, read_text, segments

MILLIMETRES = 1000.0
COLOURS = (".jpg", ".jpeg", ".png")


def _matches(root: Path) -> bool:
    return (root / "depth").is_dir() and (root / "pose").is_dir() and _intrinsics_file(root) is not None


def _read(root: Path) -> RawScene:
    depth, colour, pose = (
        files(root, "depth", (".png",)),
        files(root, "color", COLOURS),
        files(root, "pose", (".txt",)),
    )
    path = _intrinsics_file(root)
    if path is None:
        raise UserError(f"{root}: expected intrinsic/intrinsic_depth.txt or intrinsic/intrinsic_color.txt, found none")
    intrinsics = matrix_file(path)[:3, :3]
    frames = [
        Frame(
            name=name,
            pose=partial(matrix_file, pose[name]) if name in pose else None,
            intrinsics=intrinsics,
            depth=partial(depth_file, depth[name], MILLIMETRES) if name in depth else None,
            colour=partial(colour_file, colour[name]) if name in colour else None,
            intrinsics_of="depth" if path.stem == "intrinsic_depth" else "colour",
        )
        for name in sorted(depth.keys() | pose.keys(), key=natural)
    ]
    return RawScene(frames, mesh=surface(root), axis_alignment=alignment(root), superpoints=superpoints(root))


def surface(root: Path) -> Mesh:
    """The cleaned mesh of a ScanNet folder; an empty `Mesh` where there is none."""
    path = _one(root, "*_vh_clean_2.ply")
    return read_ply(path) if path else Mesh()


def superpoints(root: Path) -> np.ndarray | None:
    """Segment number of each vertex of the cleaned mesh, (N,) int64, or None."""
    path = _one(root, "*_vh_clean_2.*.segs.json")
    return segments(path) if path else None


def alignment(root: Path) -> np.ndarray | None:
    """The matrix `axisAlignment` of `<scene>.txt`, (4, 4), or None."""
    for found in sorted(root.glob("*.txt")):
        path = inside(root, found.name)
        for line in read_text(path).splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "axisAlignment":
                return matrix(value.split(), f"{path}, axisAlignment")
    return None


def _one(root: Path, pattern: str) -> Path | None:
    found = sorted(root.glob(pattern))
    if len(found) > 1:
        raise UserError(f"{root}: expected one file {pattern}, found {len(found)}; keep those of one scene")
    return inside(root, found[0].name) if found else None


def _intrinsics_file(root: Path) -> Path | None:
    for name in ("intrinsic_depth.txt", "intrinsic_color.txt"):
        for folder in ("intrinsic", "intrinsics", "."):
            if (root / folder / name).is_file():
                return inside(root, f"{folder}/{name}")
    return None


LAYOUT = Layout(
    "scannet",
    "depth/*.png, pose/*.txt, intrinsic/intrinsic_depth.txt",
    _matches,
    _read,
    checked_on="two real scenes converted to this layout (bookshelf, sevenscenes)",
)
