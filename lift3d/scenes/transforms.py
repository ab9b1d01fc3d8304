"""nerfstudio, Polycam and NeRFCapture: `transforms.json` whose frames have `depth_file_path`.

Poses camera-to-world with OpenGL axes, world z up; cameras for the colour image, pixel centres at integers plus a half,
for all frames or each for itself; depth in millimetres unless `depth_unit_scale_factor` (or instant-ngp's
`integer_depth_scale`) says how many metres a unit is; 0 is unknown. Lens distortion is reported, not applied.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.files import inside
from lift3d.scenes.cameras import camera_matrix, from_corner_origin, from_opengl
from lift3d.scenes.images import checked_size, colour_file, depth_file
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import field, matrix, positive, read_json

MILLIMETRE = 0.001
_FILE = "transforms.json"
_PINHOLE = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "PERSPECTIVE")
_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")


def _read(root: Path) -> RawScene:
    path = inside(root, _FILE)
    scene = read_json(path)
    entries = field(scene, "frames", list, str(path))
    frames, problems = [], []
    for index, entry in enumerate(entries):
        where = f"{path}, frame {index}"
        if not isinstance(entry, dict):
            raise UserError(f"{where}: expected an object, got {type(entry).__name__}")
        frames.append(_frame(root, {**scene, **entry}, where))
        if any(entry.get(key, scene.get(key)) not in (None, 0) for key in _DISTORTION):
            problems.append("the images have lens distortion (k1, k2, ...), which is not applied; undistort them first")
    return RawScene(_named_apart(frames, entries), tuple(dict.fromkeys(problems)))


def _named_apart(frames: list[Frame], entries: list[dict[str, Any]]) -> list[Frame]:
    """Frames by the name of their file, or by its whole path where several folders use the same names."""
    if len({frame.name for frame in frames}) == len(frames):
        return frames
    whole = [PurePosixPath(entry["file_path"]).with_suffix("").as_posix().replace("/", "_") for entry in entries]
    return [replace(frame, name=name) for frame, name in zip(frames, whole, strict=True)]


def _frame(root: Path, entry: dict[str, Any], where: str) -> Frame:
    model = entry.get("camera_model", "OPENCV")
    if model not in _PINHOLE:
        raise UserError(f"{where}: camera model {str(model)[:40]!r} is no pinhole; undistort the images first")
    fx, fy, cx, cy = (field(entry, key, float, where) for key in ("fl_x", "fl_y", "cx", "cy"))
    unit = entry.get("depth_unit_scale_factor", entry.get("integer_depth_scale", MILLIMETRE))
    colour = field(entry, "file_path", str, where)
    depth = entry.get("depth_file_path", entry.get("depth_path"))
    size = checked_size((field(entry, "h", int, where), field(entry, "w", int, where)), where) if "w" in entry else None
    return Frame(
        name=_name(colour),
        pose=partial(_pose, entry, where),
        intrinsics=from_corner_origin(camera_matrix(fx, fy, cx, cy)),
        depth=partial(depth_file, inside(root, depth), 1 / positive(unit, f"{where}: depth_unit_scale_factor"))
        if isinstance(depth, str)
        else None,
        colour=partial(colour_file, _image(root, colour)),
        intrinsics_of=size or "colour",
    )


def _pose(entry: dict[str, Any], where: str) -> np.ndarray:
    return from_opengl(matrix(field(entry, "transform_matrix", list, where), where))


def _image(root: Path, name: str) -> Path:
    """The colour file; NeRFCapture and instant-ngp leave out `.png`."""
    path = inside(root, name)
    return path if path.is_file() or path.suffix else inside(root, f"{name}.png")


def _name(file_path: str) -> str:
    path = Path(file_path)
    return path.stem if path.suffix.lower() in (".png", ".jpg", ".jpeg") else path.name


LAYOUT = Layout("transforms", "transforms.json with depth_file_path", lambda root: (root / _FILE).is_file(), _read)
