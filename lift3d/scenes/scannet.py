"""ScanNet as its exporter writes it: `depth/N.png`, `color/N.jpg`, `pose/N.txt`, `intrinsic/intrinsic_depth.txt`.

Also its official subset scannet_frames_25k, whose cameras are `intrinsics_depth.txt` and `intrinsics_color.txt`.

Depth in millimetres, poses camera-to-world in OpenCV axes, not finite where tracking was lost; names padded or not.
The exporter's `extrinsic_*` are not applied: colour and depth are aligned already. Beside them, if there:
`*_vh_clean_2.ply`, its `*.segs.json` (superpoints) and `<scene>.txt` (axis alignment).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.files import inside
from lift3d.scenes.images import colour_file, depth_file
from lift3d.scenes.ply import Mesh, read_ply
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import assignments, existing, files, matrix_file, natural, only, rigid_matrix, segments

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
            intrinsics_of="depth" if path.stem.endswith("depth") else "colour",
        )
        for name in sorted(depth.keys() | pose.keys(), key=natural)
    ]
    return RawScene(frames, mesh=surface(root), axis_alignment=alignment(root), superpoints=superpoints(root))


def surface(root: Path) -> Callable[[], Mesh] | None:
    """What reads the cleaned mesh of a ScanNet folder, or None."""
    path = only(root, "*_vh_clean_2.ply")
    return partial(read_ply, path) if path else None


def superpoints(root: Path) -> Callable[[], np.ndarray] | None:
    """What reads the segment number of each vertex of the cleaned mesh, (N,) int64, or None."""
    path = only(root, "*_vh_clean_2.*.segs.json")
    return partial(segments, path) if path else None


def alignment(root: Path) -> np.ndarray | None:
    """The matrix `axisAlignment` of `<scene>.txt`, (4, 4), or None.

    Raises:
        UserError: If two files have one, or it is no rotation with a translation.
    """
    paths = [inside(root, found.name) for found in sorted(root.glob("*.txt"))]
    found = [(path, lines["axisAlignment"]) for path in paths if "axisAlignment" in (lines := assignments(path))]
    if len(found) > 1:
        names = f"{found[0][0].name} and {found[1][0].name}"
        raise UserError(f"{root}: {names} both have an axisAlignment; keep the file of this scene")
    return rigid_matrix(found[0][1].split(), f"{found[0][0]}, axisAlignment") if found else None


def _intrinsics_file(root: Path) -> Path | None:
    names = [f"{stem}_{kind}.txt" for kind in ("depth", "color") for stem in ("intrinsic", "intrinsics")]
    places = [f"{folder}/{name}" for name in names for folder in ("intrinsic", "intrinsics", ".")]
    return next((path for place in places if (path := existing(root, place))), None)


LAYOUT = Layout(
    "scannet",
    "depth/*.png, pose/*.txt, intrinsic/intrinsic_depth.txt (or intrinsics_depth.txt)",
    _matches,
    _read,
    checked_on="two real scenes that were converted to this layout",
)
