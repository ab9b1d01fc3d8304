"""nerfstudio, Polycam and NeRFCapture: `transforms.json` whose frames have `depth_file_path`.

Poses camera-to-world with OpenGL axes, world z up; cameras for the colour image, pixel centres at integers plus a half,
for all frames or each for itself: focal lengths or `camera_angle_x` (radians), the centre in the middle unless it is
given. Depth in millimetres unless `depth_unit_scale_factor` (or instant-ngp's `integer_depth_scale`) says how many
metres a unit is; 0 is unknown. Lens distortion is reported, not applied.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.checks import shown
from lift3d.scenes.cameras import camera_matrix, from_corner_origin, from_opengl
from lift3d.scenes.images import colour_file, depth_file
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import existing, field, image_size, inside, matrix, positive, read_object

MILLIMETRE = 0.001
_FILE = "transforms.json"
_PINHOLE = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE", "SIMPLE_RADIAL", "RADIAL")
_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")


def _read(root: Path) -> RawScene:
    path = inside(root, _FILE)
    scene = read_object(path)
    entries = field(scene, "frames", list, str(path))
    frames, problems = [], []
    for index, entry in enumerate(entries):
        where = f"{path}, frame {index}"
        if not isinstance(entry, dict):
            raise UserError(f"{where}: expected an object, got {type(entry).__name__}")
        frames.append(_frame(root, {**scene, **entry}, where))
        if any(entry.get(key, scene.get(key)) not in (None, 0) for key in _DISTORTION):
            problems.append("the images have lens distortion (k1, k2, ...), which is not applied; undistort them first")
    return RawScene(_named_apart(root, frames, entries), tuple(dict.fromkeys(problems)))


def _named_apart(root: Path, frames: list[Frame], entries: list[dict[str, Any]]) -> list[Frame]:
    """Frames by the name of their file, or by its whole path where several folders use the same names."""
    if len({frame.name for frame in frames}) == len(frames):
        return frames
    whole = [PurePosixPath(_relative(root, entry["file_path"])).with_suffix("").as_posix() for entry in entries]
    return [replace(frame, name=name.replace("/", "_")) for frame, name in zip(frames, whole, strict=True)]


def _frame(root: Path, entry: dict[str, Any], where: str) -> Frame:
    model = entry.get("camera_model", "OPENCV")
    if model not in _PINHOLE:
        raise UserError(f"{where}: camera model {shown(model)} is no pinhole; undistort the images first")
    key = "depth_unit_scale_factor" if "depth_unit_scale_factor" in entry else "integer_depth_scale"
    units = 1 / positive(entry.get(key, MILLIMETRE), f"{where}: {key}")
    colour = _relative(root, field(entry, "file_path", str, where))
    depth = entry.get("depth_file_path", entry.get("depth_path"))
    return Frame(
        name=_name(colour),
        pose=partial(_pose, entry, where),
        intrinsics=partial(_camera, entry, where),
        depth=partial(depth_file, inside(root, _relative(root, depth)), units) if isinstance(depth, str) else None,
        colour=partial(colour_file, _image(root, colour)),
        intrinsics_of=image_size(entry.get("h"), entry["w"], where) if "w" in entry else "colour",
    )


def _camera(entry: dict[str, Any], where: str, size: tuple[int, int]) -> np.ndarray:
    """The camera matrix for images of `size`, (height, width)."""
    height, width = size
    if "fl_x" in entry:
        fx = field(entry, "fl_x", float, where)
    elif "camera_angle_x" in entry:
        fx = _focal(width, field(entry, "camera_angle_x", float, where))
    else:
        raise UserError(f"{where}: expected 'fl_x' or 'camera_angle_x', found neither")
    if "fl_y" in entry:
        fy = field(entry, "fl_y", float, where)
    elif "camera_angle_y" in entry and "fl_x" not in entry:
        fy = _focal(height, field(entry, "camera_angle_y", float, where))
    else:
        fy = fx
    cx, cy = (
        field(entry, key, float, where) if key in entry else side / 2 for key, side in (("cx", width), ("cy", height))
    )
    return from_corner_origin(camera_matrix(fx, fy, cx, cy))


def _focal(side: int, angle: float) -> float:
    """Pixels, by the angle of view along a side."""
    return side / 2 / math.tan(angle / 2) if 0 < angle < math.pi else math.nan


def _pose(entry: dict[str, Any], where: str) -> np.ndarray:
    return from_opengl(matrix(field(entry, "transform_matrix", list, where), where))


def _relative(root: Path, text: str) -> str:
    """A path of the file with slashes (Windows writes backslashes), from `root` on if it is absolute and in there."""
    path = PurePosixPath(text.replace("\\", "/"))
    for folder in (root.absolute(), root.resolve()):
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return path.as_posix()


def _image(root: Path, name: str) -> Path:
    """The colour file; NeRFCapture and instant-ngp leave out `.png`."""
    return existing(root, name) or (inside(root, name) if Path(name).suffix else inside(root, f"{name}.png"))


def _name(file_path: str) -> str:
    path = Path(file_path)
    return path.stem if path.suffix.lower() in (".png", ".jpg", ".jpeg") else path.name


LAYOUT = Layout("transforms", "transforms.json with depth_file_path", lambda root: (root / _FILE).is_file(), _read)
