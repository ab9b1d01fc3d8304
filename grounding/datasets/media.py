"""The files that annotation rows point to: found inside the root, probed once each, and checked against each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from grounding.core.clip import Clip
from grounding.core.errors import UserError
from grounding.core.files import inside
from grounding.core.intervals import Interval
from grounding.core.masklets import Masklets
from grounding.core.reading import file_version, is_file
from grounding.core.video import VideoInfo, probe, read_clip, read_frames
from grounding.core.video_picture import is_picture, probe_picture, read_picture
from grounding.masks import read_masklets

LONGEST = 200  # times as long as wide: the processors of Qwen-VL and GLM-V refuse longer frames
_KEPT_MASKLETS = 8  # megabytes each; rows of one video usually follow each other
_KEPT_VIDEOS = 4096  # a few kilobytes each

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True)
class ClipOptions:
    """How clips are read of videos, see `grounding.core.video.read_clip`.

    Args:
        fps: Frames a second to sample, > 0.
        max_frames: Most frames of a clip, >= 1.
        max_pixels: Most pixels of a frame, or None for all.
        backend: Video decoder.
    """

    fps: float = 2.0
    max_frames: int = 64
    max_pixels: int | None = None
    backend: str = "auto"

    def read(self, path: Path) -> Clip:
        """The sampled frames of a video; errors as `read_clip`."""
        return read_clip(path, **vars(self))

    def still(self, path: Path, frame: int) -> Clip:
        """One frame of a video, by its number from 0, or a picture; errors as `read_frames` and `read_picture`."""
        if is_picture(path):
            return read_picture(path, self.max_pixels)
        return read_frames(path, [frame], max_pixels=self.max_pixels, backend=self.backend)

    def of_segment(self, segment: Interval, duration: float) -> ClipOptions:
        """How a whole video of so many seconds is read of which only a segment will be seen.

        At least one frame lies within; those outside do not count as the most.
        """
        lasts = min(segment.end, duration) - segment.start
        fps = min(max(self.fps, 1 / lasts), self.max_frames / lasts)
        return replace(self, fps=fps, max_frames=math.ceil(duration * fps) + 1)


@dataclass
class Media:
    """Videos and masklets below one folder; what was read last is kept, and so is the reason why it was refused.

    Args:
        root: The folder that no path may leave.
    """

    root: str | Path
    _videos: dict[str, VideoInfo | UserError] = field(default_factory=dict, init=False, repr=False)
    _masklets: dict[tuple[str, str], Masklets | UserError] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.root = Path(self.root)

    def find(self, relative: str) -> Path:
        """Where a path relative to the root leads.

        Raises:
            UserError: If it leaves the root, also through a link, or leads to nothing.
        """
        path = inside(Path(self.root), relative)
        try:
            found = path.exists()
        except OSError:  # a name too long for the file system
            found = False
        if not found:
            raise UserError(f"{relative!r} not found in {self.root}; mend the path (relative to data.root) or add it")
        return path

    def version(self, relative: str) -> str:
        """The path and the version of what it leads to; errors as `find`."""
        return f"{relative} {file_version(self.find(relative))}"

    def video(self, relative: str) -> VideoInfo:
        """Frame times and size of a video, without decoding it, or of a picture, which is decoded.

        Raises:
            UserError: If it is not found or not a video.
        """
        return _remembered(self._videos, relative, lambda: self._probe(relative), _KEPT_VIDEOS)

    def no_masklets(self, relative: str) -> Masklets:
        """Masklets of a video that hold no object.

        Raises:
            UserError: As `video`.
        """
        info = self.video(relative)
        return Masklets(info.size, info.fps, info.pts, {})

    def masklets(self, relative: str, video: str) -> Masklets:
        """The masklets of a video, from a file or folder in any format that `read_masklets` knows.

        Raises:
            UserError: If they are not found, cannot be read, or are not of this video: another size, number of
                frames, frame rate or other frame times.
        """
        return _remembered(
            self._masklets,
            (relative, video),
            lambda: read_masklets(self.find(relative), self.video(video)),
            _KEPT_MASKLETS,
        )

    def _probe(self, relative: str) -> VideoInfo:
        path = self.find(relative)
        if not is_file(path):
            raise UserError(f"{relative!r} in {self.root} is not a file; give a video")
        info = probe_picture(path) if is_picture(path) else probe(path)
        height, width = info.size
        if max(height, width) > LONGEST * min(height, width):
            raise UserError(
                f"{relative!r} has frames of {width} x {height} pixels; "
                f"models take frames of at most {LONGEST} times as long as wide"
            )
        return info


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
