"""What the views of an RGB-D scene show of its objects, seen one view at a time while they become a video.

A view that cannot be used (no depth, no masks, an unreadable picture) is in neither; it is named with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from grounding.core import UserError
from grounding.core.order import natural
from lift3d.frames import Frame
from lift3d.scene import View
from lift3d.visibility import Points, Tolerance, visible
from lift3d.wording import by_reason

SLOWEST, FASTEST = 0.001, 1000.0  # frames a second
SPARSEST = 1000  # frames of a capture for each one that was kept, at most; ScanNet's subsets keep every 100th
REACH = 0.03  # metres from a vertex; those of ScanNet's meshes lie about 2 cm apart
PERCENTILES = (1, 99)  # of the pixels' columns and rows, between which a box lies; our default

Look = Callable[[Frame], tuple[np.ndarray, np.ndarray]]  # ids and flat pixels of the depth image, (M,) each


@dataclass(frozen=True)
class Sight:
    """What one view shows of one object.

    Attributes:
        pixels: How many of the depth image.
        box: Around all of them but the outermost 1 %, xyxy in pixels of the colour picture, half-open.
    """

    pixels: int
    box: tuple[float, float, float, float]


@dataclass(eq=False)
class Watched:
    """The frames of a video, and what they show.

    Attributes:
        times: From when each frame is shown, seconds; the first one's is 0.
        sights: Id -> frame of the video -> what it shows of the object.
        left_out: Name of each view that is no frame of the video -> reason.
        size: (height, width) of the frames; (0, 0) while there is none.
    """

    times: list[float] = field(default_factory=list)
    sights: dict[int, dict[int, Sight]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)

    def watch(self, frames: Iterable[Frame], times: np.ndarray, look: Look) -> Iterator[tuple[float, np.ndarray]]:
        """Note what each frame shows, and give the time and the picture of those that can be used.

        Args:
            frames: Of the scene, in order.
            times: Of each view of the scene, seconds, ascending, (V,).
            look: What a frame shows.

        Raises:
            UserError: After the last one, if none can be used: says why.
        """
        first = 0.0
        for frame in frames:
            try:
                picture = self._picture(frame)
            except UserError as error:
                self.left_out[frame.view.name] = str(error)
                continue
            first = first if self.times else times[frame.index]
            self.size = (picture.shape[0], picture.shape[1])
            for number, sight in sights(*look(frame), frame.depth.shape[:2], self.size).items():
                self.sights.setdefault(number, {})[len(self.times)] = sight
            self.times.append(float(times[frame.index] - first))
            yield self.times[-1], picture
        if not self.times:
            raise UserError(f"no frame can be used: {'; '.join(by_reason(self.left_out, 'frame')[:3])}")

    def _picture(self, frame: Frame) -> np.ndarray:
        if frame.rejected:
            raise UserError(frame.rejected)
        picture = frame.view.read_colour()
        size = (picture.shape[0], picture.shape[1])
        if self.times and size != self.size:
            mine, its = (f"{width} x {height}" for height, width in (size, self.size))
            raise UserError(f"its picture is {mine} pixels, those before are {its}")
        return picture


def sights(ids: np.ndarray, pixels: np.ndarray, size: tuple[int, ...], picture: tuple[int, int]) -> dict[int, Sight]:
    """What pixels with ids show of each object.

    Args:
        ids: Whole numbers, (M,).
        pixels: Flat indices into an image of `size` (height, width), (M,); of one id no two are the same.
        size: Of the depth image.
        picture: (height, width) of the colour picture, which shows the same.
    """
    order = np.argsort(ids, kind="stable")
    numbers, begins = np.unique(ids[order], return_index=True)
    found = {}
    for number, begin, end in zip(numbers.tolist(), begins, [*begins[1:], len(order)], strict=False):
        mine = pixels[order[begin:end]]
        rows, columns = np.divmod(mine, size[1])
        (x1, x2), (y1, y2) = np.percentile(columns, PERCENTILES), np.percentile(rows, PERCENTILES)
        across, down = picture[1] / size[1], picture[0] / size[0]
        box = (float(x1 * across), float(y1 * down), float((x2 + 1) * across), float((y2 + 1) * down))
        found[number] = Sight(len(mine), box)
    return found


def masks_of(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of a frame's masks; a `Look`."""
    pixels = [np.flatnonzero(layer) for layer in frame.layers]
    ids = [layer.ravel()[at] for layer, at in zip(frame.layers, pixels, strict=True)]
    return np.concatenate(ids).astype(np.int64), np.concatenate(pixels)


def vertices_of(points: np.ndarray, owner: np.ndarray) -> Look:
    """A `Look` for the pixels on the vertices of objects.

    A pixel is of the vertex that is nearest to it in the picture, among those that the view sees (`lift3d.visibility`),
    if the two are on one surface and at most `REACH` apart: the vertices of a mesh leave most pixels between them.

    Args:
        points: Vertices of the scene's mesh, (N, 3), metres.
        owner: Id of the object of each, (N,), -1 = none.
    """
    ready, tolerance = Points.of(points), Tolerance()

    def look(frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        seen = visible(ready, frame.view, frame.depth, tolerance)
        if not len(seen.points):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        away = np.ones(frame.depth.shape, np.uint8)
        away.ravel()[seen.pixels] = 0
        apart, cell = cv2.distanceTransformWithLabels(away, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        at = cell.ravel()[seen.pixels]
        owners, depths = np.full(cell.max() + 1, -1), np.zeros(cell.max() + 1, np.float32)
        owners[at], depths[at] = owner[seen.points], seen.depths
        nearest = depths[cell]
        reached = apart * nearest <= REACH * np.float32(frame.view.intrinsics[0, 0])
        level = np.abs(frame.depth - nearest) <= np.maximum(tolerance.absolute, tolerance.relative * nearest)
        pixels = np.flatnonzero((owners[cell] >= 0) & reached & level & (frame.depth > 0))
        return owners[cell.ravel()[pixels]], pixels

    return look


def check_fps(fps: float) -> None:
    """Refuse what is no rate of a sensor.

    Raises:
        UserError: If it is not from 0.001 to 1000.
    """
    if not SLOWEST <= fps <= FASTEST:  # NaN neither
        raise UserError(f"fps must be a number from {SLOWEST:g} to {FASTEST:g}, got {fps:g}")


def view_times(views: Sequence[View], fps: float) -> tuple[np.ndarray, str]:
    """The time of each view in seconds, (V,), strictly ascending, and in words where it comes from.

    It is the view's own time; without a clock the number in its name, or else its place in the scene, divided by `fps`.
    A clock that stands still or goes back is none.

    Raises:
        UserError: As `check_fps`.
    """
    check_fps(fps)
    clock = np.array([np.nan if view.time is None else view.time for view in views])
    if _ascends(clock):
        return clock, "the clock of the scene"
    numbers = [[part for part, _ in natural(view.name) if part >= 0] for view in views]
    counted = np.array([one[0] if len(one) == 1 else np.nan for one in numbers], float)
    if _ascends(counted) and counted[-1] - counted[0] <= SPARSEST * len(views):  # nanoseconds count no frames
        return counted / fps, f"the numbers of the frames, {fps:g} a second"
    return np.arange(len(views)) / fps, f"the order of the frames, {fps:g} a second"


def _ascends(times: np.ndarray) -> bool:
    return bool(np.isfinite(times).all() and (np.diff(times) > 0).all())
