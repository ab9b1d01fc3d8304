"""Masks as the lift takes them: for a view, label maps in which overlapping masks lie on layers of their own.

A label map is uint16 (H, W), 0 = no object. One map holds all masks of a frame that do not overlap, so an id map is
a single layer and nothing of it is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from grounding.core import Masklets, UserError
from grounding.masks.id_maps import read_id_map

MAX_ID = 65535


class MaskSource(Protocol):
    """Where the masks of each view come from."""

    def layers(self, view: int) -> list[np.ndarray]:
        """Label maps of a view by its place in the scene; an empty list where nobody has looked for masks.

        A map of zeros says something else: that none of the objects is there.

        Raises:
            UserError: Naming the file that cannot be read.
        """
        ...


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """Label maps held in memory, one a view; None where a view has no masks."""

    maps: tuple[np.ndarray | None, ...]

    def layers(self, view: int) -> list[np.ndarray]:
        """The one label map of a view."""
        found = self.maps[view]
        return [] if found is None else [found]


@dataclass(frozen=True, eq=False)
class FromMasklets:
    """Masks of masklets whose source frames are the scene's views, one for one."""

    masklets: Masklets

    def __post_init__(self) -> None:
        if max(self.masklets.ids, default=0) > MAX_ID:
            raise UserError(f"the lift takes ids up to {MAX_ID}, got {max(self.masklets.ids)}; number the objects anew")

    def layers(self, view: int) -> list[np.ndarray]:
        """Decode the masks of one frame."""
        return packed(self.masklets.masks_at(view), self.masklets.size)


@dataclass(frozen=True, eq=False)
class IdMapFiles:
    """Id-map PNGs, one a view; views may be left out.

    Args:
        files: The PNG of each view, in the order of the scene, or None.
        doubts: One line for each thing that is doubtful about them.
    """

    files: tuple[Path | None, ...]
    doubts: tuple[str, ...] = ()

    def layers(self, view: int) -> list[np.ndarray]:
        """Read one PNG: palette or grey, of 1 to 16 bits, value = id."""
        file = self.files[view]
        return [] if file is None else [read_id_map(file).astype(np.uint16)]


def packed(masks: Mapping[int, np.ndarray], size: tuple[int, int]) -> list[np.ndarray]:
    """Lay masks on as few label maps as they need, at least one; each takes the first one where it overlaps nothing.

    Args:
        masks: id -> bool (H, W).
        size: (height, width).
    """
    layers = [np.zeros(size, np.uint16)]
    for number, mask in masks.items():
        free = next((layer for layer in layers if not layer[mask].any()), None)
        if free is None:
            free = np.zeros(size, np.uint16)
            layers.append(free)
        free[mask] = number
    return layers


def resized(layer: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label map at the depth's size, by the nearest pixel; the lens is the same, only the pixels differ.

    Raises:
        UserError: If the shapes of the pictures differ by more than 2 %: then they show different parts of the scene.
    """
    if layer.shape == size:
        return layer
    stretch = (layer.shape[0] / size[0]) / (layer.shape[1] / size[1])
    if not 0.98 < stretch < 1.02:
        mine, its = f"{layer.shape[1]} x {layer.shape[0]}", f"{size[1]} x {size[0]}"
        raise UserError(f"masks are {mine} pixels, depth {its}: another shape of picture; crop one to the other")
    rows, columns = (((np.arange(n) + 0.5) * m / n).astype(np.intp) for n, m in zip(size, layer.shape, strict=True))
    return layer[rows[:, None], columns]


def borders(layer: np.ndarray, width: int) -> np.ndarray:
    """Where a label map has another label within `width` pixels, bool (H, W): there a mask may be off."""
    window = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    return cv2.erode(layer, window) != cv2.dilate(layer, window)


def depth_edges(depth: np.ndarray, step: float) -> np.ndarray:
    """Where the depth differs from that of a neighbour by more than `step` of itself, bool (H, W).

    There a sensor mixes the depths of two surfaces, and a pixel of a mask falls on either. A share, not metres: a
    sensor's noise grows with the distance.
    """
    window = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    farthest = cv2.dilate(depth, window)
    nearest = cv2.erode(np.where(depth > 0, depth, np.float32(np.inf)), window)
    limit = np.float32(step) * depth
    return (depth > 0) & ((farthest - depth > limit) | (depth - nearest > limit))
