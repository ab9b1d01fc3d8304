"""A picture file where videos are read: a video of one frame that lasts a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ImageOps

from grounding.core.clip import Clip
from grounding.core.errors import UserError
from grounding.core.pictures import open_picture
from grounding.core.video import VideoInfo, resized, shrunk_size
from grounding.core.video_upright import Upright

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".tif", ".tiff")
SECONDS = 1.0


def is_picture(path: str | Path) -> bool:
    """Whether a file is a picture by the ending of its name."""
    return Path(path).suffix.lower() in ENDINGS


def probe_picture(path: Path) -> VideoInfo:
    """Size and the one frame's time of a picture, which is decoded; errors as `read_picture`."""
    once = np.zeros(1, np.int64)
    return VideoInfo(path, "picture", _shown(path).shape[:2], Upright(), once.astype(float), once, once, SECONDS)


def read_picture(path: Path, max_pixels: int | None = None) -> Clip:
    """The clip of a picture as it is shown (turned as the camera says), shrunk as `read_clip` shrinks frames.

    Raises:
        UserError: As `open_picture`, or if it has more than 8 bits a colour.
    """
    pixels = _shown(path)
    size = pixels.shape[:2]
    return Clip(resized(pixels, shrunk_size(size, max_pixels))[None], np.zeros(1), 1 / SECONDS, size, SECONDS)


def _shown(path: Path) -> np.ndarray:
    """RGB, uint8, shape (H, W, 3)."""
    with open_picture(path, f"picture {path}") as image:
        if image.mode[0] in "IF":  # Pillow would make white of all that is brighter than 255
            raise UserError(f"picture {path} has more than 8 bits a colour, as depth has; save it with 8")
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))
