"""Depth and colour images: sizes and kinds from the header at once, pixels when asked for, invalid depth always 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from grounding.core import UserError
from grounding.core.arrays import read_npy, read_npy_header
from grounding.core.limits import check_pixels
from grounding.core.pictures import open_picture, picture_size
from grounding.core.reading import regular_file

NO_DEPTH = 65535  # what sensors write for 'too far' or 'unknown'; 0 is the other one
_DEPTH_TYPES = {"I;16": np.uint16, "I;16B": np.uint16, "I": np.int32, "F": np.float32}  # by Pillow's modes


class NoImage(UserError):
    """A frame has no such image at all."""


@dataclass(frozen=True)
class Picture:
    """An image that is decoded when asked for.

    Attributes:
        size: (height, width) in pixels, from the header.
        read: Decodes it; raises `UserError` when it cannot.
        name: Of its file, without ending; "" where it has none of its own.
        units: Of depth: how many of its file's units are a metre.
    """

    size: tuple[int, int]
    read: Callable[[], np.ndarray]
    name: str = ""
    units: float = 1000.0


def depth_file(path: Path, per_metre: float) -> Picture:
    """A depth image: 16-bit PNG, or `.npy` of numbers, with `per_metre` units a metre; read as float32 metres.

    Raises:
        UserError: At once for a file that is missing, no image, too large or of another kind than depth; on reading for
            one that cannot be decoded.
    """
    where, stem = str(path), path.stem
    if path.suffix.lower() != ".npy":
        with open_picture(path, where) as image:
            bands = len(image.getbands())
            shape = (image.height, image.width, *([bands] if bands > 1 else []))
            size = _checked_depth(np.dtype(_DEPTH_TYPES.get(image.mode, np.uint8)), shape, where)
        return Picture(size, lambda: metres(decoded(path, where), per_metre, where), stem, per_metre)
    with _opened(path) as file:
        shape, kind, _ = read_npy_header(file, where)
    return Picture(_checked_depth(kind, shape, where), lambda: metres(_array(path), per_metre, where), stem, per_metre)


def colour_file(path: Path) -> Picture:
    """A colour image (JPEG, PNG, ...), read as uint8 RGB (H, W, 3); errors as for `depth_file`."""
    where = str(path)
    return Picture(picture_size(path, where), lambda: decoded(path, where, mode="RGB"), path.stem)


def decoded(source: Path | bytes, where: str, mode: str | None = None) -> np.ndarray:
    """The pixels of an image in a file or in memory, in their own type, or converted to Pillow's `mode`.

    Raises:
        UserError: If it is missing, cut off, no image, or too large; `where` names it.
    """
    with open_picture(source, where) as image:
        return np.array(image if mode is None else image.convert(mode))


def metres(raw: np.ndarray, per_metre: float, where: str) -> np.ndarray:
    """Raw depth to float32 metres, (H, W); 0 where it is 65535 (16 bit), negative, infinite or not a number.

    Raises:
        UserError: If `raw` is not one channel of 16-bit or floating numbers.
    """
    _checked_depth(raw.dtype, raw.shape, where)
    with np.errstate(over="ignore", invalid="ignore"):
        depth = raw.astype(np.float32)
        depth /= per_metre
        valid = (raw > 0) & np.isfinite(depth) & ((raw < NO_DEPTH) if _is_whole(raw.dtype) else True)
    depth[~valid] = 0
    return depth


def _is_whole(kind: np.dtype) -> bool:
    """16 bits in either order of bytes, or 32 with a sign, as older Pillow gives 16 bits."""
    return (kind.kind, kind.itemsize) in (("u", 2), ("i", 4))


def _checked_depth(kind: np.dtype, shape: tuple[int, ...], where: str) -> tuple[int, int]:
    if len(shape) != 2 or not (_is_whole(kind) or np.issubdtype(kind, np.floating)):
        raise UserError(f"{where}: depth must have one channel of 16 bits or floats, got {kind} {shape}")
    check_pixels((shape[0], shape[1]), where)
    return shape[0], shape[1]


def _array(path: Path) -> np.ndarray:
    with _opened(path) as file:
        return read_npy(file, str(path))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with regular_file(path).open("rb") as file:
            yield file
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
