"""What is known of every object in every frame before anything is drawn: where it is deepest, how large it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from grounding.core import Masklets
from prompting.anchors import pole
from prompting.sampling import Sampled, sample_dense, sample_runs

FRAMES_AT_ONCE = 64  # of a long video, so that its masks need little room


@dataclass(frozen=True, eq=False)
class Spots:
    """Objects of some frames, in pixels of the frame that is drawn on.

    Args:
        ids: Ascending, N of them.
        times: Seconds, ascending, shape (T,).
        poles: (x, y) of the middle of a disc inside each object, shape (T, N, 2); 0 where not seen.
        radii: Of that disc, shape (T, N).
        areas: Shape (T, N); 0 where not seen.
        boxes: Tight xyxy, shape (T, N, 4); 0 where not seen.
    """

    ids: tuple[int, ...]
    times: np.ndarray
    poles: np.ndarray
    radii: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """Which object is seen when, bool (T, N)."""
        return self.areas > 0


def empty_spots(ids: Sequence[int], times: np.ndarray) -> Spots:
    """Nothing seen yet."""
    shape = (len(times), len(ids))
    return Spots(tuple(ids), times, np.zeros((*shape, 2)), np.zeros(shape), np.zeros(shape), np.zeros((*shape, 4)))


def spots_of_masklets(masklets: Masklets, times: np.ndarray, room: tuple[int, int]) -> Spots:
    """The objects at some times, each taken from the source frame nearest in time.

    Args:
        masklets: All objects.
        times: Seconds, ascending, shape (T,).
        room: (height, width) of the frames drawn on.

    Raises:
        UserError: If the runs of a mask do not fill its picture.
    """
    spots = empty_spots(masklets.ids, times)
    frames = [masklets.frame_at(time) for time in times]
    scale = room[1] / masklets.size[1], room[0] / masklets.size[0]
    last: dict[int, tuple[float, float]] = {}
    for begin in range(0, len(frames), FRAMES_AT_ONCE):
        wanted = {
            (object_id, frame): counts
            for frame in frames[begin : begin + FRAMES_AT_ONCE]
            for object_id in spots.ids
            if (counts := masklets.tracks[object_id][frame])
        }
        found = sample_runs(wanted, masklets.size)
        for t, frame in enumerate(frames[begin : begin + FRAMES_AT_ONCE], begin):
            here = {object_id: found[object_id, frame] for object_id in spots.ids if (object_id, frame) in found}
            fill_spots(spots, t, here, scale, last)
    return spots


def spots_of_masks(
    masks: Mapping[int, np.ndarray], time: float, room: tuple[int, int], last: dict[int, tuple[float, float]]
) -> Spots:
    """The objects of one frame.

    Args:
        masks: For each id a bool mask (h, w), of any resolution.
        time: Seconds.
        room: (height, width) of the frame drawn on.
        last: Where each object was before, pixels of its mask; brought up to date.
    """
    spots = empty_spots(sorted(masks), np.array([time]))
    for object_id, mask in masks.items():
        if mask.size:
            scale = room[1] / mask.shape[1], room[0] / mask.shape[0]
            fill_spots(spots, 0, {object_id: sample_dense(mask)}, scale, last)
    return spots


def fill_spots(
    spots: Spots,
    t: int,
    masks: Mapping[int, Sampled],
    scale: tuple[float, float],
    last: dict[int, tuple[float, float]],
) -> None:
    """Write what the masks of a frame say into its row, and where each object is into `last`."""
    for object_id, mask in masks.items():
        found = pole(mask, last.get(object_id))
        if found is None:
            continue
        n = spots.ids.index(object_id)
        last[object_id] = found.x, found.y
        spots.poles[t, n] = found.x * scale[0], found.y * scale[1]
        spots.radii[t, n] = found.radius * min(scale)
        spots.areas[t, n] = mask.area * scale[0] * scale[1]
        spots.boxes[t, n] = np.array(mask.box) * (scale * 2)
