"""How much one input may ask for: pixels of a picture, frames of a video, bytes of an array.

A header of a few bytes can promise gigabytes. Readers compare what it promises with these limits before they allocate.
An environment variable raises a limit, for all commands and the library alike:

    TUBELET_MAX_PIXELS   of one frame, picture or mask
    TUBELET_MAX_FRAMES   of one video, or of the masks of one video
    TUBELET_MAX_BYTES    of one decoded array, or of a file that is read as a whole
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

from grounding.core.errors import UserError


@dataclass(frozen=True)
class Limits:
    """The limits in force.

    Args:
        pixels: Of one frame, picture or mask; 8192 x 8192, and 8K video has half of it.
        frames: Of one video, or of the masks of one video; 9 hours at 30 frames a second.
        bytes: Of one decoded array, or of a file that is read as a whole.
    """

    pixels: int = 1 << 26
    frames: int = 1_000_000
    bytes: int = 1 << 31

    @classmethod
    def from_environment(cls) -> Limits:
        """The defaults, or what the environment variables say.

        Raises:
            UserError: If a variable holds no whole number of 1 or more.
        """
        return cls(**{f.name: _from_variable(variable(f.name), getattr(cls, f.name)) for f in fields(cls)})


def variable(name: str) -> str:
    """The environment variable of a limit."""
    return f"TUBELET_MAX_{name.upper()}"


def check_pixels(size: tuple[int, int], where: str) -> None:
    """Refuse a picture without pixels, or with more than the limit.

    Args:
        size: (height, width).
        where: What it is, for the message.

    Raises:
        UserError: Naming the size and the limit.
    """
    height, width = size
    if height < 1 or width < 1:
        raise UserError(f"{where} is {width} x {height} pixels; expected at least 1 x 1")
    _check("pixels", height * width, f"{where} is {width} x {height} = {height * width:,} pixels")


def check_frames(count: int, where: str) -> None:
    """Refuse more frames than the limit; errors as `check_pixels`."""
    _check("frames", count, f"{where} has {count:,} frames")


def check_bytes(count: int, where: str) -> None:
    """Refuse more bytes than the limit; errors as `check_pixels`."""
    _check("bytes", count, f"{where} needs {count:,} bytes")


def _check(name: str, count: int, what: str) -> None:
    most = getattr(Limits.from_environment(), name)
    if count > most:
        raise UserError(f"{what}, more than the limit of {most:,}; give a smaller one, or set {variable(name)}")


def _from_variable(name: str, default: int) -> int:
    text = os.environ.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text) >= 1):
        raise UserError(f"{name} must be a whole number of 1 or more, got {text[:40]!r}")
    return int(text)
