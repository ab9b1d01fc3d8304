"""Record3D: an unpacked `.r3d`: `metadata` (JSON) and `rgbd/N.depth` (LZFSE), `rgbd/N.jpg`.

Depth float32 metres, not a number where unknown; poses `qx qy qz qw tx ty tz`, camera-to-world with OpenGL axes, world
y up; `K` column by column, for the colour image, its principal point as given. LZFSE needs `pip install pyliblzfse`.
"""

from __future__ import annotations

import importlib
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.files import inside
from lift3d.scenes.cameras import camera_matrix, from_opengl, from_quaternion
from lift3d.scenes.images import Picture, checked_size, colour_file, metres
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import field, matrix, numbers, optional_number, read_json

_LIDAR = {"dh": 256, "dw": 192}  # height and width of depth in recordings older than these fields


def _read(root: Path) -> RawScene:
    path = inside(root, "metadata")
    meta = {**_LIDAR, **read_json(path)}
    poses = field(meta, "poses", list, str(path))
    fps = optional_number(meta.get("fps"))
    colour_size, depth_size = (
        checked_size((field(meta, height, int, str(path)), field(meta, width, int, str(path))), str(path))
        for height, width in (("h", "w"), ("dh", "dw"))
    )
    return RawScene(
        [
            Frame(
                name=str(index),
                pose=partial(_pose, pose, f"{path}, pose {index}"),
                intrinsics=_intrinsics(meta, index, str(path)),
                depth=partial(_depth_picture, root, index, depth_size),
                colour=partial(_colour_picture, root, index),
                intrinsics_of=colour_size,
                time=index / fps if fps else None,
            )
            for index, pose in enumerate(poses)
        ],
        up=(0.0, 1.0, 0.0),
    )


def _pose(values: Any, where: str) -> np.ndarray:
    flat = numbers(values if isinstance(values, list) else [], 7, where)
    return from_opengl(from_quaternion(flat[:4], flat[4:]))


def _intrinsics(meta: dict[str, Any], index: int, where: str) -> np.ndarray:
    each = meta.get("perFrameIntrinsicCoeffs")
    if isinstance(each, list) and index < len(each):
        return camera_matrix(*numbers(each[index], 4, f"{where}, perFrameIntrinsicCoeffs {index}"))
    return matrix(field(meta, "K", list, where), f"{where}, K", size=3).T


def _depth_picture(root: Path, index: int, size: tuple[int, int]) -> Picture:
    path = inside(root, f"rgbd/{index}.depth")
    if not path.is_file():
        raise UserError(f"cannot read {path}: there is no such file")
    return Picture(size, partial(_depth, path, size))


def _colour_picture(root: Path, index: int) -> Picture:
    return colour_file(inside(root, f"rgbd/{index}.jpg"))


def _depth(path: Path, size: tuple[int, int]) -> np.ndarray:
    try:
        lzfse = importlib.import_module("liblzfse")
    except ImportError as error:
        raise UserError("Record3D's depth is LZFSE-compressed; install its decoder: pip install pyliblzfse") from error
    try:
        data = lzfse.decompress(path.read_bytes())
    except (OSError, ValueError, lzfse.error) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    if len(data) != 4 * math.prod(size):
        raise UserError(f"{path}: expected {4 * math.prod(size)} bytes of depth for {size}, got {len(data)}")
    return metres(np.frombuffer(data, "<f4").astype(np.float32).reshape(size), 1.0, str(path))


LAYOUT = Layout(
    "record3d",
    "metadata and rgbd/*.depth",
    lambda root: (root / "metadata").is_file() and (root / "rgbd").is_dir(),
    _read,
)
