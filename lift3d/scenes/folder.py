"""The plain layout, for data of one's own: `scene.json`, `depth/NAME.png|npy`, `color/NAME.jpg|png`, `pose/NAME.txt`.

`scene.json`, everything but `intrinsics` may be left out:

    {"intrinsics": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]],  pixel centres at integers
     "intrinsics_size": [height, width],    the image size they are for; without it: that of the depth
     "depth_units_per_metre": 1000,         1 for .npy in metres
     "axes": "opencv",                      or "opengl" (y up, z backward)
     "poses": "camera_to_world",            or "world_to_camera"
     "up": [0, 0, 1],                       against gravity, in the frame of the poses
     "axis_alignment": [[...]],             4 x 4, to a frame whose z points up
     "mesh": "mesh.ply"}                    a mesh or cloud in the frame of the poses

Poses are 4 x 4 matrices as text, in metres; 0, 65535, negative and non-finite depth are invalid.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.checks import shown
from grounding.core.files import inside
from lift3d.scenes.cameras import from_opengl, from_world_to_camera
from lift3d.scenes.images import colour_file, depth_file
from lift3d.scenes.ply import read_ply
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import (
    field,
    files,
    image_size,
    matrix,
    matrix_file,
    natural,
    numbers,
    positive,
    read_object,
    rigid_matrix,
)

_FILE = "scene.json"
_DEFAULTS: dict[str, Any] = {
    "depth_units_per_metre": 1000,
    "axes": "opencv",
    "poses": "camera_to_world",
    "up": [0, 0, 1],
}
_KEYS = {*_DEFAULTS, "intrinsics", "intrinsics_size", "axis_alignment", "mesh"}


def _read(root: Path) -> RawScene:
    path = inside(root, _FILE)
    given = read_object(path)
    if unknown := given.keys() - _KEYS:
        raise UserError(f"{path}: unknown key {shown(min(unknown))}; known are {', '.join(sorted(_KEYS))}")
    spec = {**_DEFAULTS, **given}
    units = positive(spec["depth_units_per_metre"], f"{path}: depth_units_per_metre")
    intrinsics = matrix(field(spec, "intrinsics", list, str(path)), f"{path}, intrinsics", size=3)
    depth, colour = files(root, "depth", (".png", ".npy")), files(root, "color", (".jpg", ".jpeg", ".png"))
    poses, convert = files(root, "pose", (".txt",)), _conversion(spec, path)
    size = _size(spec["intrinsics_size"], path) if "intrinsics_size" in spec else "depth"
    frames = [
        Frame(
            name=name,
            pose=partial(_pose, poses[name], convert) if name in poses else None,
            intrinsics=intrinsics,
            depth=partial(depth_file, depth[name], units) if name in depth else None,
            colour=partial(colour_file, colour[name]) if name in colour else None,
            intrinsics_of=size,
        )
        for name in sorted(depth.keys() | poses.keys(), key=natural)
    ]
    return RawScene(
        frames,
        mesh=partial(read_ply, inside(root, field(spec, "mesh", str, str(path)))) if "mesh" in spec else None,
        axis_alignment=rigid_matrix(spec["axis_alignment"], f"{path}, axis_alignment")
        if "axis_alignment" in spec
        else None,
        up=_unit(spec["up"], path),
    )


def _conversion(spec: dict[str, Any], path: Path) -> tuple[bool, bool]:
    """Whether poses are OpenGL's, and whether they are world-to-camera."""
    chosen = []
    for key, default, other in (("axes", "opencv", "opengl"), ("poses", "camera_to_world", "world_to_camera")):
        if spec[key] not in (default, other):
            raise UserError(f"{path}: {key} must be {default} or {other}, got {shown(spec[key])}")
        chosen.append(spec[key] == other)
    return chosen[0], chosen[1]


def _pose(path: Path, convert: tuple[bool, bool]) -> np.ndarray:
    opengl, inverse = convert
    pose = matrix_file(path)
    if inverse and np.isfinite(pose).all():
        pose = from_world_to_camera(pose)
    return from_opengl(pose) if opengl else pose


def _size(value: Any, path: Path) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise UserError(f"{path}: intrinsics_size must be [height, width], got {shown(value)}")
    return image_size(value[0], value[1], f"{path}, intrinsics_size")


def _unit(value: Any, path: Path) -> tuple[float, float, float]:
    vector = numbers(value if isinstance(value, list) else [], 3, f"{path}, up")
    length = float(np.linalg.norm(vector))
    if not 0 < length < float("inf"):
        raise UserError(f"{path}: up must be a direction, got {shown(value)}")
    x, y, z = (float(item) / length for item in vector)
    return x, y, z


LAYOUT = Layout(
    "folder", "scene.json, depth/, pose/", lambda root: (root / _FILE).is_file() and (root / "depth").is_dir(), _read
)
