"""Depth and colour images: sizes from the header at once, pixels when asked for, invalid depth always 0."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from grounding.core import UserError

MAX_PIXELS = 64_000_000  # a header may promise more than the memory holds
NO_DEPTH = 65535  # what sensors write for 'too far' or 'unknown'; 0 is the other one
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class Picture:
    """An image that is decoded when asked for.

    Attributes:
        size: (height, width) in pixels, from the header.
        read: Decodes it; raises `UserError` when it cannot.
        name: Of its file, without ending; "" where it has none of its own.
    """

    size: tuple[int, int]
    read: Callable[[], np.ndarray]
    name: str = ""


def depth_file(path: Path, per_metre: float) -> Picture:
    """A depth image: 16-bit PNG, or `.npy` of numbers, with `per_metre` units a metre; read as float32 metres.

    Raises:
        UserError: At once for a file that is missing or no image, on reading for one that cannot be decoded.
    """
    if path.suffix.lower() == ".npy":
        size = checked_size(_array(path).shape, str(path))
        return Picture(size, lambda: metres(_array(path), per_metre, str(path)), path.stem)
    return Picture(image_size(path), lambda: metres(decoded(path, str(path)), per_metre, str(path)), path.stem)


def colour_file(path: Path) -> Picture:
    """A colour image (JPEG, PNG, ...), read as uint8 RGB (H, W, 3); errors as for `depth_file`."""
    return Picture(image_size(path), lambda: decoded(path, str(path), mode="RGB"), path.stem)


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) of an image file, from its header.

    Raises:
        UserError: If the file is missing, no image, or of an absurd size.
    """
    try:
        with Image.open(path) as image:
            size = (image.height, image.width)
    except _UNREADABLE as error:
        raise UserError(_reason(str(path), error)) from error
    return checked_size(size, str(path))


def decoded(source: Path | bytes, where: str, mode: str | None = None) -> np.ndarray:
    """The pixels of an image in a file or in memory, in their own type, or converted to Pillow's `mode`.

    Raises:
        UserError: If it is missing, cut off, no image, or too large; `where` names it.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            checked_size((image.height, image.width), where)
            return np.array(image if mode is None else image.convert(mode))
    except UserError:
        raise  # it is a ValueError also
    except _UNREADABLE as error:
        raise UserError(_reason(where, error)) from error


def metres(raw: np.ndarray, per_metre: float, where: str) -> np.ndarray:
    """Raw depth to float32 metres, (H, W); 0 where it is 65535 (16 bit), negative, infinite or not a number.

    Raises:
        UserError: If `raw` is not one channel of 16-bit or floating numbers.
    """
    whole = raw.dtype in (np.uint16, np.int32)  # older Pillow gives 16 bits as int32
    if raw.ndim != 2 or not (whole or np.issubdtype(raw.dtype, np.floating)):
        raise UserError(f"{where}: depth must have one channel of 16 bits or floats, got {raw.dtype} {raw.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        depth = (raw / per_metre).astype(np.float32)
    valid = (raw > 0) & np.isfinite(depth) & ((raw < NO_DEPTH) if whole else True)
    return np.where(valid, depth, np.float32(0))


def checked_size(size: tuple[int, ...], where: str) -> tuple[int, int]:
    """`size` as (height, width) when it is one that an image may have.

    Raises:
        UserError: If it has not two numbers >= 1 or more than `MAX_PIXELS` pixels.
    """
    if len(size) != 2 or min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
        raise UserError(f"{where}: expected an image of 1 to {MAX_PIXELS:,} pixels, its header says {size}")
    return size[0], size[1]


def _array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, OverflowError) as error:
        raise UserError(f"cannot read {path} as a NumPy array: {error}") from error


def _reason(where: str, error: BaseException) -> str:
    return f"cannot read {where} as an image: {getattr(error, 'strerror', None) or error}; it may be cut off or damaged"
