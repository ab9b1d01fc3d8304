"""Picture files: only formats that are named, and sizes checked before decoding.

Pillow decides by a file's content which decoder runs, and some decoders start other programs; hence the list.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from grounding.core.errors import UserError
from grounding.core.limits import Limits, check_pixels, variable
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
_UNREADABLE += (MemoryError, struct.error, zlib.error)
_TOO_LARGE = (Image.DecompressionBombError, Image.DecompressionBombWarning)  # of Pillow, before we see the size


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
    except _TOO_LARGE as error:
        most, name = Limits.from_environment().pixels, variable("pixels")
        raise UserError(
            f"{where} is larger than the limit of {most:,} pixels; give a smaller one, or set {name}"
        ) from error
    except _UNREADABLE as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {where} as a picture: {reason}; it may be cut off or damaged") from error


def picture_size(source: str | Path | bytes, where: str, formats: Sequence[str] = FORMATS) -> tuple[int, int]:
    """(height, width) of a picture from its header; errors as `open_picture`."""
    with open_picture(source, where, formats) as image:
        return image.height, image.width


def _source(source: str | Path | bytes) -> Path | io.BytesIO:
    most = Limits.from_environment().pixels
    if Image.MAX_IMAGE_PIXELS is not None and most > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = most  # the user raised our limit; Pillow has one of its own
    return io.BytesIO(source) if isinstance(source, bytes) else regular_file(source)
