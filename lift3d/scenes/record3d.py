"""Record3D: an unpacked `.r3d`: `metadata` (JSON) and `rgbd/N.depth` (LZFSE), `rgbd/N.jpg`.

Depth float32 metres, not a number where unknown; poses `qx qy qz qw tx ty tz`, camera-to-world with OpenGL axes, world
y up; `K` column by column, for the colour image, its principal point as given. Recordings older than the fields `dh`
and `dw` (height and width of the depth) have one of two sizes. LZFSE needs `pip install pyliblzfse`.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.files import inside
from grounding.core.reading import read_bytes, regular_file
from lift3d.scenes.cameras import camera_matrix, from_opengl, from_quaternion
from lift3d.scenes.images import Picture, colour_file, metres
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import field, image_size, matrix, numbers, optional_number, read_object

_LIDAR, _TRUEDEPTH = (256, 192), (640, 480)  # height and width of depth by the sensor at the back and in front
_UNITS = 1.0  # of depth a metre
_SLACK = 4096  # bytes: what does not compress is stored, with a few bytes around it


def _read(root: Path) -> RawScene:
    path = inside(root, "metadata")
    meta = read_object(path)
    poses = field(meta, "poses", list, str(path))
    fps = optional_number(meta.get("fps"))
    colour_size = image_size(meta.get("h"), meta.get("w"), str(path))
    if "dh" in meta or "dw" in meta:
        depth_size = image_size(meta.get("dh"), meta.get("dw"), f"{path}, depth")
    else:
        depth_size = _older_size(root, len(poses))
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


def _older_size(root: Path, frames: int) -> tuple[int, int]:
    """(height, width) of depth by the number of values in the first frame that can be read."""
    for index in range(frames):
        with contextlib.suppress(UserError):  # the frame will say it
            data = _decompressed(inside(root, f"rgbd/{index}.depth"), 4 * math.prod(_TRUEDEPTH))
            return _TRUEDEPTH if len(data) == 4 * math.prod(_TRUEDEPTH) else _LIDAR
    return _LIDAR


def _depth_picture(root: Path, index: int, size: tuple[int, int]) -> Picture:
    path = regular_file(inside(root, f"rgbd/{index}.depth"))
    return Picture(size, partial(_depth, path, size), units=_UNITS)


def _colour_picture(root: Path, index: int) -> Picture:
    return colour_file(inside(root, f"rgbd/{index}.jpg"))


def _depth(path: Path, size: tuple[int, int]) -> np.ndarray:
    expected = 4 * math.prod(size)
    data = _decompressed(path, expected)
    if len(data) != expected:
        raise UserError(f"{path}: expected {expected} bytes of depth for {size}, got {len(data)}")
    return metres(np.frombuffer(data, "<f4").astype(np.float32).reshape(size), _UNITS, str(path))


def _decompressed(path: Path, most: int) -> bytes:
    """The bytes of a file, which compressed must not be more than `most` bytes of data can become."""
    try:
        lzfse = importlib.import_module("liblzfse")
    except ImportError as error:
        raise UserError("Record3D's depth is LZFSE-compressed; install its decoder: pip install pyliblzfse") from error
    data = read_bytes(path)
    if len(data) > most + _SLACK:
        raise UserError(f"{path} has {len(data):,} bytes, more than {most:,} bytes of depth can become; it is no depth")
    try:
        return lzfse.decompress(data)
    except (ValueError, lzfse.error) as error:
        raise UserError(f"cannot read {path}: its LZFSE data are cut off or damaged") from error


LAYOUT = Layout(
    "record3d",
    "metadata and rgbd/*.depth",
    lambda root: (root / "metadata").is_file() and (root / "rgbd").is_dir(),
    _read,
)
