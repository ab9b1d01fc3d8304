"""All frames of a video one after another, forwards or backwards, in memory that does not grow with its length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from grounding.core.intervals import nearest_frames
from grounding.core.video_backends import read_pyav
from grounding.core.video_probe import VideoInfo

HELD_FRAMES = 64  # most frames held to turn their order round
HELD_BYTES = 128 << 20  # the same for large pictures: 20 of 1920 x 1080


def forwards(info: VideoInfo) -> Iterator[tuple[int, np.ndarray]]:
    """Index and picture, RGB uint8 (H, W, 3) of the video's size, of every frame that can be decoded, in order."""
    return _read(info, np.arange(info.frame_count))


def backwards(info: VideoInfo, wanted: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """The same for some frames (ascending indices), last to first.

    Videos can only be decoded forwards, so this goes in pieces, each decoded from the key frame before it.
    """
    height, width = info.size
    piece = max(1, min(HELD_FRAMES, HELD_BYTES // (height * width * 3)))
    for end in range(len(wanted), 0, -piece):
        yield from reversed(list(_read(info, np.asarray(wanted[max(0, end - piece) : end]))))


def _read(info: VideoInfo, wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    import cv2

    for time, picture in read_pyav(info, wanted):
        if picture.shape[:2] != info.size:  # a stream may change its size on the way; masks have one
            picture = cv2.resize(picture, info.size[::-1], interpolation=cv2.INTER_AREA)
        yield int(nearest_frames(info.pts, np.array(time))), picture
