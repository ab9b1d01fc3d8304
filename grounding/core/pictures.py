"""Picture files: only formats that are named, sizes checked before decoding, and id maps with their numbers as written.

Pillow decides by a file's content which decoder runs, and some decoders start other programs; hence the list.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from grounding.core.errors import UserError
from grounding.core.files import inside
from grounding.core.limits import Limits, check_pixels
from grounding.core.order import natural
from grounding.core.reading import regular_file

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM", "TIFF")
_UNREADABLE: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
)
_UNREADABLE += (MemoryError, struct.error, zlib.error, Image.DecompressionBombError)

# What Pillow calls the pixels of a PNG that can be an id map, and what it multiplies their numbers with.
_ID_MAPS = {"1": 1, "L;2": 85, "L;4": 17, "L": 1, "I;16B": 1, "P;1": 1, "P;2": 1, "P;4": 1, "P": 1}


@contextmanager
def open_picture(source: str | Path | bytes, where: str, formats: Sequence[str] = FORMATS) -> Iterator[Image.Image]:
    """A picture of one of the formats, not decoded yet; what goes wrong in the block while it is decoded is caught too.

    Args:
        source: A file, or its bytes.
        where: What it is, for the message.
        formats: Pillow's names of the formats that are read.

    Raises:
        UserError: If it is missing, no regular file, of another format, too large, cut off or damaged.
    """
    try:
        with Image.open(_source(source), formats=list(formats)) as image:
            check_pixels((image.height, image.width), where)
            yield image
    except UserError:
        raise
    except UnidentifiedImageError as error:
        raise UserError(f"{where} is no picture that is read here; give one of {', '.join(formats)}") from error
    except _UNREADABLE as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {where} as a picture: {reason}; it may be cut off or damaged") from error


def picture_size(source: str | Path | bytes, where: str, formats: Sequence[str] = FORMATS) -> tuple[int, int]:
    """(height, width) of a picture from its header; errors as `open_picture`."""
    with open_picture(source, where, formats) as image:
        return image.height, image.width


def read_id_map(path: str | Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """The numbers of an index PNG (palette or grey, 1 to 16 bits): value = id, 0 = no object.

    Args:
        path: The file.
        size: (height, width) that it must have, if any; compared before decoding.

    Returns:
        uint8 (H, W), or uint16 where the PNG has 16 bits.

    Raises:
        UserError: Naming the file that cannot be read, is a colour picture, or has another size.
    """
    where = str(path)
    with open_picture(path, where, ("PNG",)) as image:
        pixels = str(image.tile[0][3]) if isinstance(image, ImageFile.ImageFile) and image.tile else ""
        if pixels not in _ID_MAPS:
            raise UserError(f"{where} is a colour picture, not an index image; save it as palette or grey, value = id")
        if size is not None and (image.height, image.width) != size:
            found, expected = f"{image.width} x {image.height}", f"{size[1]} x {size[0]}"
            raise UserError(f"{where} is {found} pixels, expected {expected}; make them equal")
        values = np.asarray(image)
    return values.astype(np.uint16 if pixels == "I;16B" else np.uint8) // _ID_MAPS[pixels]


def id_map_files(folder: str | Path) -> dict[str, Path]:
    """Name without ending -> path of each PNG of a folder, in natural order; hidden and other files are left alone.

    Raises:
        UserError: If the folder cannot be read, two names differ in nothing but padding or capitals of the ending, or
            one is a link out of the folder.
    """
    folder = Path(folder)
    try:
        names = [file.name for file in folder.iterdir()]
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read the folder {folder}: {getattr(error, 'strerror', None) or error}") from error
    stems = [(natural(name[:-4]), name) for name in names if name.lower().endswith(".png") and not name.startswith(".")]
    stems.sort()
    for (key, name), (following, other) in pairwise(stems):
        if key == following:
            raise UserError(f"{folder} holds {name} and {other}, which are of the same frame; remove one")
    return {name[:-4]: inside(folder, name) for _, name in stems}


def _source(source: str | Path | bytes) -> Path | io.BytesIO:
    most = Limits.from_environment().pixels
    if Image.MAX_IMAGE_PIXELS is not None and most > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = most  # the user raised our limit; Pillow has one of its own
    return io.BytesIO(source) if isinstance(source, bytes) else regular_file(source)
