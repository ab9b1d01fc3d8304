"""A scene as a video: its views in their order are the frames, and are decoded one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grounding.core import Clip, Interval, UserError
from grounding.core.intervals import frames_within, nearest_frames
from grounding.core.limits import check_bytes
from grounding.core.video import VideoInfo, resized, sample_times
from grounding.core.video_upright import Upright
from grounding.datasets.scene_views import view_times
from lift3d.frames import usable
from lift3d.scene import Scene
from lift3d.scenes.raw import NoFrames

FPS = 30.0  # views a second where the layout has no clock; our default, that of most sensors


@dataclass(frozen=True, eq=False)
class Footage:
    """A scene as a video.

    Args:
        scene: Its views are the frames.
        times: When each view was taken, seconds from the first one, strictly ascending, shape (T,).
        size: (height, width) of the colour pictures; boxes and masks are in its pixels.
        name: What it is called, in messages and in files.
    """

    scene: Scene
    times: np.ndarray
    size: tuple[int, int]
    name: str = "scene"

    @classmethod
    def of(cls, scene: Scene, fps: float = FPS, name: str = "scene") -> Footage:
        """A scene with the times of its views, see `grounding.datasets.scene_views.view_times`.

        Raises:
            UserError: As there.
            NoFrames: If no view has a picture that can be read.
        """
        times, _ = view_times(scene.views, fps)
        return cls(scene, times - times[:1], _size(scene, name), name)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def rate(self) -> float:
        """Views a second, on average."""
        return (len(self) - 1) / float(self.times[-1]) if len(self) > 1 else FPS

    @property
    def duration(self) -> float:
        """Seconds, the time that the last view stays included."""
        return float(self.times[-1]) + 1 / self.rate

    def within(self, interval: Interval) -> range:
        """The views of some seconds; the nearest one if the seconds are too few for any, none if they come later."""
        views = frames_within(interval, self.times, self.rate)
        if views or interval.start >= self.duration:
            return views
        nearest = int(nearest_frames(self.times, np.array((interval.start + interval.end) / 2)))
        return range(nearest, nearest + 1)

    def picture(self, view: int) -> np.ndarray:
        """The colours of a view, uint8 RGB (H, W, 3), always of `size`.

        Raises:
            UserError: If its file cannot be read.
        """
        return resized(self.scene.views[view].read_colour(), self.size)

    def depth(self, view: int) -> np.ndarray:
        """The depth of a view, float32 metres, 0 = of no use, of the depth's own size; errors as `picture`."""
        return usable(self.scene.views[view].read_depth())

    def clip(self, fps: float, max_frames: int, size: tuple[int, int]) -> Clip:
        """Views sampled evenly in time, as `grounding.core.read_clip` samples a video; unreadable ones are left out.

        Args:
            fps: Views a second.
            max_frames: Most of them.
            size: (height, width) that they are brought to.

        Raises:
            UserError: If none of them can be read.
        """
        info = self._info()
        wanted = np.unique(nearest_frames(self.times, sample_times(info, fps, max_frames)))
        check_bytes(len(wanted) * size[0] * size[1] * 3, f"a clip of {len(wanted)} views of {self.name}")
        read = [(view, resized(picture, size)) for view, picture in self._readable(wanted.tolist())]
        if not read:
            raise UserError(f"none of the {len(wanted)} views that are shown can be read")
        views, pictures = zip(*read, strict=True)
        return Clip(np.stack(pictures), self.times[list(views)], self.rate, self.size, self.duration)

    def still(self, view: int, size: tuple[int, int]) -> Clip:
        """One view as a clip of one frame, brought to a size; errors as `picture`."""
        return Clip(resized(self.picture(view), size)[None], np.zeros(1), 1.0, self.size, 1.0)

    def _readable(self, views: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        for view in views:
            try:
                yield view, self.picture(view)
            except UserError:  # what else is made of the view says so
                continue

    def _info(self) -> VideoInfo:
        stamps = np.arange(len(self), dtype=np.int64)
        return VideoInfo(Path(self.name), "", self.size, Upright(), self.times, stamps, stamps, self.duration)


def _size(scene: Scene, name: str) -> tuple[int, int]:
    for view in scene.views:
        try:
            height, width = view.read_colour().shape[:2]
        except UserError:
            continue
        return height, width
    raise NoFrames(f"{name}: none of its {len(scene.views)} views has a colour picture that can be read")
