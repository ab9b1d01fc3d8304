"""Frames one after the other, decoded ahead in threads; what cannot be used is set aside with its reason."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from grounding.core import UserError
from lift3d.labels import MaskSource, resized
from lift3d.scene import View, is_rigid
from lift3d.visibility import FAR, NEAR
from lift3d.wording import by_reason

AHEAD = 4  # frames that are decoded while one is worked on
WORKERS = 2


@dataclass(frozen=True, eq=False)
class Frame:
    """What the lift needs of a view.

    Attributes:
        index: The view's place in the scene.
        view: The view.
        depth: float32 (H, W), metres, 0 = invalid.
        layers: Label maps of the depth's size.
        rejected: Why the frame cannot be used, or "".
    """

    index: int
    view: View
    depth: np.ndarray
    layers: list[np.ndarray]
    rejected: str = ""


Progress = Callable[[Iterable[Frame], str], Iterable[Frame]]  # shows frames under a title as they pass


def plain(read: Iterable[Frame], _title: str) -> Iterable[Frame]:
    """No progress bar."""
    return read


@dataclass(frozen=True, eq=False)
class Frames:
    """All frames in order, read a few ahead each time they are gone through.

    Args:
        views: The views.
        masks: Their masks; None reads the depth alone.

    Raises:
        UserError: After the last one, if none can be used: says why.
    """

    views: Sequence[View]
    masks: MaskSource | None

    def __len__(self) -> int:
        return len(self.views)

    def __iter__(self) -> Iterator[Frame]:
        rejected: dict[str, str] = {}
        for frame in self._ahead():
            if frame.rejected:
                rejected[frame.view.name] = frame.rejected
            yield frame
        if len(rejected) == len(self.views):
            reasons = "; ".join(by_reason(rejected, "frame")[:3])
            raise UserError(f"none of the {len(self.views)} views can be used: {reasons or 'the scene has no views'}")

    def _ahead(self) -> Iterator[Frame]:
        with ThreadPoolExecutor(WORKERS) as pool:
            waiting: deque[Future[Frame]] = deque()
            for index, view in enumerate(self.views):
                waiting.append(pool.submit(read, index, view, self.masks))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def read(index: int, view: View, masks: MaskSource | None) -> Frame:
    """Read one view; a file that cannot be read rejects the frame, not the scene."""
    nothing = np.zeros((0, 0), np.float32)
    if not np.isfinite(view.pose).all():
        return Frame(index, view, nothing, [], "pose is not finite (tracking was lost)")
    if not is_rigid(view.pose):
        return Frame(index, view, nothing, [], "pose is no rotation with a translation")
    try:
        layers = masks.layers(index) if masks else []
        if masks and not layers:
            return Frame(index, view, nothing, [], "no masks")
        measured = view.read_depth()
        depth = usable(measured)
        layers = [resized(layer, (depth.shape[0], depth.shape[1])) for layer in layers]
    except UserError as error:
        return Frame(index, view, nothing, [], str(error))
    return Frame(index, view, depth, layers, "" if depth.any() else no_depth(measured))


def no_depth(measured: np.ndarray) -> str:
    """Why a depth image, (H, W) metres, 0 = invalid, is of no use when nothing of it is `usable`."""
    if not measured.any():
        return "no valid depth"
    median = np.median(measured[measured > 0])
    return f"no depth is from {NEAR:g} to {FAR:g} m, its median is {median:.3g} m: is its unit right?"


def usable(depth: np.ndarray) -> np.ndarray:
    """Depth with everything that is not between near and far, NaN included, as 0."""
    with np.errstate(invalid="ignore"):
        return np.where((depth >= NEAR) & (depth <= FAR), depth, np.float32(0)).astype(np.float32, copy=False)
