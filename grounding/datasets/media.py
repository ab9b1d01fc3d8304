"""The files that annotation rows point to: found inside the root, probed once each, and checked against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from grounding.core.errors import UserError
from grounding.core.files import inside
from grounding.core.masklets import Masklets, load_masklets
from grounding.core.video import VideoInfo, probe
from grounding.datasets.masks import read_id_maps

_KEPT_MASKLETS = 8  # megabytes each; rows of one video usually follow each other
_KEPT_VIDEOS = 4096  # a few kilobytes each

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass
class Media:
    """Videos and masklets below one folder; what was read last is kept, and so is the reason why it was refused.

    Args:
        root: The folder that no path may leave.
    """

    root: Path
    _videos: dict[str, VideoInfo | UserError] = field(default_factory=dict, init=False, repr=False)
    _masklets: dict[tuple[str, str], Masklets | UserError] = field(default_factory=dict, init=False, repr=False)

    def find(self, relative: str) -> Path:
        """Where a path relative to the root leads.

        Raises:
            UserError: If it leaves the root, also through a link, or leads to nothing.
        """
        path = inside(self.root, relative)
        try:
            found = path.exists()
        except OSError:  # a name too long for the file system
            found = False
        if not found:
            raise UserError(f"{relative!r} not found in {self.root}; mend the path (relative to data.root) or add it")
        return path

    def video(self, relative: str) -> VideoInfo:
        """Frame times and size of a video, without decoding it.

        Raises:
            UserError: If it is not found or not a video.
        """
        return _remembered(self._videos, relative, lambda: self._probe(relative), _KEPT_VIDEOS)

    def masklets(self, relative: str, video: str) -> Masklets:
        """The masklets of a video, from a `.masklets.json` file or a folder of id maps.

        Raises:
            UserError: If they are not found, cannot be read, or are not of this video: another size, number of
                frames, frame rate or other frame times.
        """
        key = relative, video
        return _remembered(self._masklets, key, lambda: self._read(relative, self.video(video)), _KEPT_MASKLETS)

    def _probe(self, relative: str) -> VideoInfo:
        path = self.find(relative)
        if not path.is_file():
            raise UserError(f"{relative!r} in {self.root} is not a file; give a video")
        return probe(path)

    def _read(self, relative: str, video: VideoInfo) -> Masklets:
        path = self.find(relative)
        if path.is_dir():
            masklets = read_id_maps(path, video.pts, video.fps)
        elif path.is_file():
            masklets = load_masklets(path)
        else:
            raise UserError(f"{relative!r} in {self.root} is neither a file nor a folder; give masklets or id maps")
        _check_same_video(relative, masklets, video)
        return masklets


def _remembered(memory: dict[Key, Value | UserError], key: Key, read: Callable[[], Value], kept: int) -> Value:
    """The value of `key`, read unless it is among the `kept` asked for last; a refusal is remembered like a value."""
    value = memory.pop(key, None)
    if value is None:
        try:
            value = read()
        except UserError as error:
            value = UserError(str(error))  # without the traceback, which would keep what was read so far
    memory[key] = value
    while len(memory) > kept:
        del memory[next(iter(memory))]
    if isinstance(value, UserError):
        raise UserError(str(value))
    return value


def _check_same_video(name: str, masklets: Masklets, video: VideoInfo) -> None:
    frames, expected = len(masklets.pts), len(video.pts)
    if frames != expected:
        raise UserError(
            f"masklets {name} hold {frames} frames, the video has {expected}; give one entry a source frame"
        )
    if masklets.size != video.size:
        mine, its = (f"{size[1]} x {size[0]}" for size in (masklets.size, video.size))
        raise UserError(f"masklets {name} are {mine} pixels, the video is {its}; make them from the source frames")
    half = 0.5 / video.fps
    if abs(1 / masklets.fps - 1 / video.fps) > half:  # it tells how long the last frame stays
        rates = f"{masklets.fps:g} frames a second, the video has {video.fps:g}"
        raise UserError(f"masklets {name} are of {rates}; make them from this video")
    late = np.abs(masklets.pts - video.pts) > half
    if late.any():
        at = int(late.argmax())
        times = f"frame {at} at {masklets.pts[at]:.6g} s, the video shows it at {video.pts[at]:.6g} s"
        raise UserError(f"masklets {name} have {times}; make them from this video")
