"""ScanNet++, iPhone stream: `iphone/depth/frame_N.png`, `iphone/rgb/frame_N.jpg`, `iphone/pose_intrinsic_imu.json`.

Depth in millimetres (256 x 192), colour 1920 x 1440; `aligned_pose` is camera-to-world, OpenCV axes, in the frame of
`scans/mesh_aligned_0.05.ply`; `intrinsic` is that of the colour image. The release has a video and `depth.bin`: its
own toolbox extracts the frames first.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.files import inside
from lift3d.scenes.images import colour_file, depth_file
from lift3d.scenes.ply import read_ply
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import existing, field, files, matrix, natural, optional_number, read_object, segments

MILLIMETRES = 1000.0
_POSES = "iphone/pose_intrinsic_imu.json"
_MESH, _SEGMENTS = "scans/mesh_aligned_0.05.ply", "scans/segments.json"


def _read(root: Path) -> RawScene:
    path = inside(root, _POSES)
    entries = read_object(path)
    depth = files(root, "iphone/depth", (".png",))
    colour = files(root, "iphone/rgb", (".jpg", ".jpeg", ".png"))
    if not depth:
        raise UserError(
            f"{root}: no frames in iphone/depth; extract them from depth.bin with ScanNet++'s toolbox first"
        )
    frames = [
        Frame(
            name=name,
            pose=partial(_pose, entries.get(name), f"{path}, {name}") if name in entries else None,
            intrinsics=_intrinsics(entries.get(name), f"{path}, {name}"),
            depth=partial(depth_file, depth[name], MILLIMETRES) if name in depth else None,
            colour=partial(colour_file, colour[name]) if name in colour else None,
            intrinsics_of="colour",
            time=_time(entries.get(name)),
        )
        for name in sorted(depth, key=natural)
    ]
    mesh, segmented = existing(root, _MESH), existing(root, _SEGMENTS)
    return RawScene(
        frames,
        mesh=partial(read_ply, mesh) if mesh else None,
        superpoints=partial(segments, segmented) if segmented else None,
    )


def _pose(entry: Any, where: str) -> np.ndarray:
    return matrix(field(entry, "aligned_pose", list, where), where)


def _intrinsics(entry: Any, where: str) -> np.ndarray:
    if entry is None:
        return np.full((3, 3), np.nan)  # the frame is left out anyway: it has no pose
    return matrix(field(entry, "intrinsic", list, where), where, size=3)


def _time(entry: Any) -> float | None:
    return optional_number(entry.get("timestamp")) if isinstance(entry, dict) else None


LAYOUT = Layout(
    "scannetpp", "iphone/pose_intrinsic_imu.json and iphone/depth/*.png", lambda root: (root / _POSES).is_file(), _read
)
