"""Replica as NICE-SLAM renders it: `results/frameN.jpg`, `results/depthN.png`, `traj.txt`.

Depth with 6553.5 units a metre; `traj.txt` has one camera-to-world matrix a line, 16 numbers, OpenCV axes. The camera
is that of the rendering (1200 x 680) unless `cam_params.json` is in the folder. A `mesh.ply` in the folder is read.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.files import inside
from lift3d.scenes.cameras import camera_matrix
from lift3d.scenes.images import colour_file, depth_file
from lift3d.scenes.ply import read_ply
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import existing, field, files, image_size, matrix, positive, read_object, rows

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
    mesh = existing(root, "mesh.ply")
    return RawScene(frames, mesh=partial(read_ply, mesh) if mesh else None)


def _numbered(images: dict[str, Path], prefix: str) -> dict[int, Path]:
    """`depth000012` -> 12."""
    named = {name.removeprefix(prefix): path for name, path in images.items() if name.startswith(prefix)}
    found: dict[int, Path] = {}
    for number, path in named.items():
        if number.isascii() and number.isdigit() and found.setdefault(int(number), path) != path:
            raise UserError(f"{path} and {found[int(number)].name} have one number; remove one of them")
    return found


def _camera(root: Path) -> tuple[np.ndarray, tuple[int, int], float]:
    if not (root / "cam_params.json").is_file():
        return camera_matrix(*_CAMERA), _SIZE, UNITS
    path = inside(root, "cam_params.json")
    camera = field(read_object(path), "camera", dict, str(path))
    fx, fy, cx, cy = (field(camera, key, float, str(path)) for key in ("fx", "fy", "cx", "cy"))
    scale = positive(camera.get("scale"), f"{path}: scale")
    size = image_size(camera.get("h"), camera.get("w"), f"{path}, camera")
    return camera_matrix(fx, fy, cx, cy), size, scale


LAYOUT = Layout("replica", "traj.txt and results/depth*.png", _matches, _read)
