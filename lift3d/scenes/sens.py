"""ScanNet's `.sens` (version 4): one file of all frames, indexed by their headers, each decoded when asked for.

Little endian: u32 version, u64 + name, four 4x4 float32 (intrinsic and extrinsic of colour, of depth), i32 codecs of
colour and depth, u32 sizes, f32 units a metre, u64 frames; then each frame: 4x4 float32 camera-to-world, u64 times,
u64 byte counts, colour, depth. The mesh and its alignment beside the file are read as for the export.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.files import inside
from grounding.core.limits import check_frames
from grounding.core.pictures import picture_size
from lift3d.scenes.binary import BinaryFile, Cut
from lift3d.scenes.images import Picture, decoded, metres
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.scannet import alignment, superpoints, surface
from lift3d.scenes.text import image_size, positive

_RAW, _PNG, _JPEG = 0, 1, 2
_RAW_U16, _ZLIB_U16 = 0, 1
_MICROSECONDS = 1e6
_SLACK = 65536  # bytes: headers of a small picture, perhaps a colour profile


@dataclass(frozen=True, eq=False)
class _Header:
    path: Path
    intrinsics: np.ndarray
    colour_codec: int
    depth_codec: int
    colour_size: tuple[int, int]
    depth_size: tuple[int, int]
    units: float
    frames: int


def _read(root: Path) -> RawScene:
    found = sorted(root.glob("*.sens"))
    if len(found) != 1:
        raise UserError(f"{root}: expected one .sens file, found {len(found)}; give the folder of one scene")
    frames: list[Frame] = []
    problems: tuple[str, ...] = ()
    with BinaryFile(inside(root, found[0].name)) as file:
        header = _header(file)
        try:
            while len(frames) < header.frames:
                check_frames(len(frames) + 1, str(file.path))
                frames.append(_frame(file, header, len(frames)))
        except Cut:
            problems = (f"{file.path} announces {header.frames} frames but ends within frame {len(frames)}; "
                        f"the {len(frames)} before it are used",)  # fmt: skip
    return RawScene(frames, problems, surface(root), alignment(root), superpoints(root))


def _header(file: BinaryFile) -> _Header:
    (version,) = file.unpack("I")
    if version != 4:
        raise UserError(f"{file.path}: expected a .sens file of version 4, got {version}")
    (length,) = file.unpack("Q")
    file.skip(length)
    file.skip(2 * 64)
    intrinsics = np.array(file.unpack("16f")).reshape(4, 4)[:3, :3]
    file.skip(64)
    colour_codec, depth_codec = file.unpack("ii")
    colour_width, colour_height, width, height, units, frames = file.unpack("4IfQ")
    if colour_codec not in (_RAW, _PNG, _JPEG) or depth_codec not in (_RAW_U16, _ZLIB_U16):
        raise UserError(f"{file.path}: colour codec {colour_codec} with depth codec {depth_codec} is not supported; "
                        "supported are raw, PNG, JPEG (0, 1, 2) with raw, zlib (0, 1)")  # fmt: skip
    colour_size = image_size(colour_height, colour_width, f"{file.path}, colour")
    depth_size = image_size(height, width, f"{file.path}, depth")
    return _Header(
        file.path,
        intrinsics,
        colour_codec,
        depth_codec,
        colour_size,
        depth_size,
        positive(units, f"{file.path}: the depth's units a metre"),
        frames,
    )


def _frame(file: BinaryFile, header: _Header, index: int) -> Frame:
    pose = np.array(file.unpack("16f"), dtype=np.float64).reshape(4, 4)
    _, time, colour_bytes, depth_bytes = file.unpack("4Q")
    at = file.position
    file.skip(colour_bytes)
    file.skip(depth_bytes)
    read_depth = partial(_depth, header, index, at + colour_bytes, depth_bytes)
    depth = Picture(header.depth_size, read_depth, units=header.units)
    colour = Picture(header.colour_size, partial(_colour, header, index, at, colour_bytes))
    return Frame(str(index), pose, header.intrinsics, lambda: depth, lambda: colour, time=time / _MICROSECONDS)


def _depth(header: _Header, index: int, at: int, count: int) -> np.ndarray:
    where = f"{header.path}, depth of frame {index}"
    expected = 2 * math.prod(header.depth_size)
    data = _payload(header.path, at, count, expected, where)
    if header.depth_codec == _ZLIB_U16:
        try:
            data = zlib.decompressobj().decompress(data, expected + 1)  # no more than that: it may be a bomb
        except zlib.error as error:
            raise UserError(f"{where} cannot be decompressed: {error}") from error
    if len(data) != expected:
        raise UserError(f"{where}: expected {expected} bytes for {header.depth_size}, got {len(data)}")
    return metres(np.frombuffer(data, "<u2").astype(np.uint16).reshape(header.depth_size), header.units, where)


def _colour(header: _Header, index: int, at: int, count: int) -> np.ndarray:
    where = f"{header.path}, colour of frame {index}"
    expected = 3 * math.prod(header.colour_size)
    data = _payload(header.path, at, count, expected, where)
    if header.colour_codec != _RAW:
        size = picture_size(data, where)
        if size != header.colour_size:
            raise UserError(f"{where}: expected {header.colour_size} pixels (height, width), got {size}")
        return decoded(data, where, mode="RGB")
    if len(data) != expected:
        raise UserError(f"{where}: expected {expected} bytes, got {len(data)}")
    return np.frombuffer(data, np.uint8).reshape(*header.colour_size, 3).copy()


def _payload(path: Path, at: int, count: int, raw: int, where: str) -> bytes:
    """The `count` bytes of an image whose pixels have `raw` bytes; compressed it has hardly more."""
    if count > 2 * raw + _SLACK:
        raise UserError(f"{where}: {count:,} bytes are too many for {raw:,} bytes of pixels; the file is damaged")
    with BinaryFile(path) as file:
        file.seek(at)
        return file.bytes(count)


LAYOUT = Layout("sens", "*.sens", lambda root: any(root.glob("*.sens")), _read)
