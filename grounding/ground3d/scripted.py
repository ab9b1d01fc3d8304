"""A tracker for generated scenes: it knows the true masks, and makes the mistakes that it is told to make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from grounding.core import UserError
from grounding.core.boxes import mask_box, paired_box_iou
from grounding.core.seeds import generator

LEAST = 0.3  # IoU of a prompted box with the box around what is visible of a thing; below it nothing is followed
WIDEST = 100  # pixels by which masks may be wrong
MOST_IDS = 256


@dataclass(frozen=True)
class Flaws:
    """What the scripted tracker gets wrong.

    Args:
        erosion: Pixels that its masks lack all around.
        bleed: Pixels by which its masks grow onto what is around, after the erosion.
        drop_outs: Share of the frames, but for the prompted one, on which it does not see the object; in [0, 1).

    Raises:
        UserError: If one is out of its range.
    """

    erosion: int = 0
    bleed: int = 0
    drop_outs: float = 0.0

    def __post_init__(self) -> None:
        for name in ("erosion", "bleed"):
            if not 0 <= getattr(self, name) <= WIDEST:
                raise UserError(f"{name} must be 0 to {WIDEST} pixels, got {getattr(self, name)}")
        if not 0 <= self.drop_outs < 1:
            raise UserError(f"drop_outs must be in [0, 1), got {self.drop_outs}")


class ScriptedTracker:
    """A `Tracker` that follows things by their true masks.

    A box means the thing around whose visible pixels the box is most like it, a mask the thing that it holds most of.

    Args:
        labels: True ids of a frame, (H, W) of 0 to 255, 0 = nothing that can be followed.
        flaws: What it gets wrong.
        seed: Of the drop-outs, which also depend on thing and frame, and on nothing else.
    """

    def __init__(self, labels: Callable[[int], np.ndarray], flaws: Flaws = Flaws(), seed: int = 0) -> None:
        self.passes = 0
        self.labels, self.flaws, self.seed = labels, flaws, seed
        self.reset()

    def reset(self) -> None:
        """Forget all objects and the current frame."""
        self._followed: dict[int, int] = {}
        self._frame = -1
        self._shown = np.zeros((0, 0), np.uint8)

    def show(self, frame: int, picture: np.ndarray, *, reverse: bool = False) -> None:
        """Make a frame current."""
        self.passes += 1
        self._frame, self._shown = frame, self.labels(frame)

    def start(self, key: int, box: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """The mask of the thing that a box or a mask means, which is followed from here; empty if it means none."""
        self._followed[key] = _most(self._shown[mask]) if mask is not None else _in_box(self._shown, box)
        return self._mask(self._followed[key])

    def follow(self, keys: Sequence[int]) -> list[np.ndarray]:
        """The masks of things on the current frame, some of which it may miss."""
        return [self._mask(0 if self._misses(self._followed[key]) else self._followed[key]) for key in keys]

    def embedding(self, mask: np.ndarray) -> np.ndarray:
        """A unit vector that is the same for all masks of one thing, (256,)."""
        looks = np.zeros(MOST_IDS)
        looks[_most(self._shown[mask])] = 1
        return looks

    def drop(self, key: int) -> None:
        """Forget one object."""
        del self._followed[key]

    def _misses(self, thing: int) -> bool:
        share = self.flaws.drop_outs
        return bool(share and generator(self.seed, thing, self._frame, "drop-outs").random() < share)

    def _mask(self, thing: int) -> np.ndarray:
        mask = np.logical_and(self._shown == thing, thing > 0)
        if self.flaws.erosion:
            mask = ~_grown(~mask, self.flaws.erosion)
        return _grown(mask, self.flaws.bleed) if self.flaws.bleed else mask


def _grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * pixels + 1,) * 2, np.uint8)) > 0


def _most(labels: np.ndarray) -> int:
    """The thing that most labels are of, the smallest id of several; 0 where none is of one."""
    counts = np.bincount(labels[labels > 0], minlength=1)
    return int(counts.argmax())


def _in_box(labels: np.ndarray, box: np.ndarray) -> int:
    """The thing whose visible box is most like a box; 0 where none is like it by `LEAST`."""
    things = [int(thing) for thing in np.unique(labels) if thing]
    if not things:
        return 0
    ious = paired_box_iou(np.stack([mask_box(labels == thing) for thing in things]), np.asarray(box)[None])
    return things[int(ious.argmax())] if ious.max() >= LEAST else 0
