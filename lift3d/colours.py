"""Colours of depth pixels from the pictures of their frames; a picture that cannot be read gives grey, and is told."""

from __future__ import annotations

import numpy as np

from grounding.core import UserError
from lift3d.frames import Frame
from lift3d.scenes.images import NoImage
from lift3d.wording import listed

GREY = 128


class Colours:
    """Reads the picture of one frame after the other."""

    def __init__(self) -> None:
        self._asked = 0
        self._unread: dict[str, str] = {}  # name of a frame -> why its picture cannot be read

    def of(self, frame: Frame, pixels: np.ndarray) -> np.ndarray:
        """Colours of depth pixels, uint8 (M, 3); grey where there is no picture that can be read.

        Args:
            frame: Whose picture it is; it may be of another size than the depth.
            pixels: Flat indices of the pixels in the depth image, (M,).
        """
        self._asked += 1
        try:
            picture = frame.view.read_colour()
        except UserError as error:
            if not isinstance(error, NoImage):  # of pictures that are not there the scene tells
                self._unread[frame.view.name] = str(error)
            return np.full((len(pixels), 3), GREY, np.uint8)
        rows, columns = np.divmod(pixels, frame.depth.shape[1])
        scale = picture.shape[0] / frame.depth.shape[0], picture.shape[1] / frame.depth.shape[1]
        return picture[((rows + 0.5) * scale[0]).astype(np.intp), ((columns + 0.5) * scale[1]).astype(np.intp)]

    def problems(self) -> tuple[str, ...]:
        """How many pictures could not be read, and which; nothing if all could."""
        if not self._unread:
            return ()
        first = next(iter(self._unread.values()))
        return (
            f"{len(self._unread)} of {self._asked} pictures cannot be read, and what they show is grey: "
            f"{listed(list(self._unread), 'frame')}; the first one: {first}",
        )
