"""A picture file, which is read as a video of one frame that lasts a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ImageOps

from grounding.core.pictures import open_picture

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".tif", ".tiff")


def is_picture(path: str | Path) -> bool:
    """Whether a file is a picture by the ending of its name."""
    return Path(path).suffix.lower() in ENDINGS


def read_picture(path: Path) -> np.ndarray:
    """The pixels as they are shown (turned as the camera says), RGB uint8 (H, W, 3).

    Raises:
        UserError: As `open_picture`.
    """
    with open_picture(path, f"picture {path}") as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))
