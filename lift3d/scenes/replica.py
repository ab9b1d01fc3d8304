"""Replica as NICE-SLAM renders it: `results/frameN.jpg`, `results/depthN.png`, `traj.txt`.

Depth with 6553.5 units a metre; `traj.txt` has one camera-to-world matrix a line, 16 numbers, OpenCV axes. The camera
is that of the rendering (1200 x 680) unless `cam_params.json` is in the folder. A `mesh.ply` in the folder is read.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from grounding.core.files import inside
from lift3d.scenes.cameras import camera_matrix
from lift3d.scenes.images import checked_size, colour_file, depth_file
from lift3d.scenes.ply import Mesh, read_ply
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import field, files, matrix, positive, read_json, rows

UNITS = 6553.5
_CAMERA, _SIZE = (600.0, 600.0, 599.5, 339.5), (680, 1200)


def _matches(root: Path) -> bool:
    return (root / "traj.txt").is_file() and (root / "results").is_dir()


def _read(root: Path) -> RawScene:
    images = files(root, "results", (".png", ".jpg", ".jpeg"))
    depth, colour = _numbered(images, "depth"), _numbered(images, "frame")
    path = inside(root, "traj.txt")
    poses = [matrix(fields, f"{path}, line {number}") for number, fields in rows(path)]
    camera, size, units = _camera(root)
    frames = [
        Frame(
            name=str(index),
            pose=poses[index] if index < len(poses) else None,
            intrinsics=camera,
            depth=partial(depth_file, depth[index], units) if index in depth else None,
            colour=partial(colour_file, colour[index]) if index in colour else None,
            intrinsics_of=size,
        )
        for index in sorted({*depth, *range(len(poses))})
    ]
    return RawScene(frames, mesh=read_ply(inside(root, "mesh.ply")) if (root / "mesh.ply").is_file() else Mesh())


def _numbered(images: dict[str, Path], prefix: str) -> dict[int, Path]:
    """`depth000012` -> 12."""
    named = {name.removeprefix(prefix): path for name, path in images.items() if name.startswith(prefix)}
    return {int(number): path for number, path in named.items() if number.isascii() and number.isdigit()}


def _camera(root: Path) -> tuple[np.ndarray, tuple[int, int], float]:
    if not (root / "cam_params.json").is_file():
        return camera_matrix(*_CAMERA), _SIZE, UNITS
    path = inside(root, "cam_params.json")
    camera = field(read_json(path), "camera", dict, str(path))
    fx, fy, cx, cy = (field(camera, key, float, str(path)) for key in ("fx", "fy", "cx", "cy"))
    scale = positive(camera.get("scale"), f"{path}: scale")
    size = checked_size((field(camera, "h", int, str(path)), field(camera, "w", int, str(path))), str(path))
    return camera_matrix(fx, fy, cx, cy), size, scale


LAYOUT = Layout("replica", "traj.txt and results/depth*.png", _matches, _read)
