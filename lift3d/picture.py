"""A picture of the result: the coloured points from above and from one camera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from lift3d.boxes import ground_frame
from lift3d.formats.result import Result, tinted
from lift3d.scene import View
from lift3d.visibility import Points, in_image, placed

HEIGHT = 480  # pixels of each half
_WHITE = 255
_TINT = 0.75


def write_picture(folder: Path, result: Result) -> None:
    """Write `preview.png`."""
    colours = coloured(result)
    halves = [from_above(result, colours), from_camera(result, colours)]
    gap = np.full((HEIGHT, 8, 3), _WHITE, np.uint8)
    Image.fromarray(np.concatenate([halves[0], gap, halves[1]], axis=1)).save(folder / "preview.png")


def coloured(result: Result) -> np.ndarray:
    """The points' colours, paled, and tinted where they belong to an instance; uint8 (N, 3)."""
    colours = np.rint(120 + result.colours.astype(float) * 0.45).astype(np.uint8)  # at most 235
    for instance in result.lifted.instances:
        colours[instance.points] = tinted(result.colours[instance.points], instance.id, _TINT)
    return colours


def from_above(result: Result, colours: np.ndarray) -> np.ndarray:
    """Looking down; what is lower is hidden, ceilings too high above the instances are left out."""
    known = placed(result.lifted.points)
    local = result.lifted.points[known] @ ground_frame(np.array(result.lifted.scene.up))
    low, high = np.percentile(local, (1, 99), axis=0)
    owned = result.lifted.owner[known] > 0
    ceiling = local[owned, 2].max() + 0.3 if owned.any() else high[2]
    scale = (HEIGHT - 1) / max(float((high - low)[:2].max()), 1e-6)
    pixels = np.rint((local[:, :2] - (low + high)[:2] / 2) * scale) + HEIGHT // 2
    inside = ((pixels >= 0) & (pixels < HEIGHT)).all(axis=1) & (local[:, 2] <= ceiling)
    chosen = np.flatnonzero(inside)
    columns, rows = pixels[chosen].astype(int).T
    return painted((HEIGHT, HEIGHT), (HEIGHT - 1 - rows) * HEIGHT + columns, local[chosen, 2], colours[known][chosen])


def from_camera(result: Result, colours: np.ndarray) -> np.ndarray:
    """As the view that holds most points of instances sees it, z-buffered."""
    lifted = result.lifted
    views = [view for view in lifted.scene.views if view.name not in lifted.rejected]
    points = Points.of(lifted.points)
    step = max(len(views) // 20, 1)
    size = (HEIGHT, HEIGHT * 4 // 3)
    seen = [in_image(points, _framed(view, size), size) for view in views[::step]]
    best = max(seen, key=lambda one: np.count_nonzero(lifted.owner[one.points]))
    return painted(size, best.pixels, -best.depths, colours[best.points])


def painted(size: tuple[int, int], pixels: np.ndarray, nearness: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Paint points as dots of 3 x 3 pixels, the nearest on top; uint8 (H, W, 3)."""
    height, width = size
    order = np.argsort(nearness, kind="stable")
    picture = np.full((height + 2, width + 2, 3), _WHITE, np.uint8)
    rows, columns = np.divmod(pixels[order], width)
    depth = np.full((height + 2, width + 2), -np.inf)
    for down in range(3):
        for right in range(3):
            place = rows + down, columns + right
            ahead = nearness[order] >= depth[place]
            place = place[0][ahead], place[1][ahead]
            picture[place], depth[place] = colours[order][ahead], nearness[order][ahead]
    return picture[1:-1, 1:-1]


def _framed(view: View, size: tuple[int, int]) -> View:
    """The view with a lens that shows the same in a picture of another size: its middle stays in the middle."""
    k = view.intrinsics.copy()
    scale = size[1] / 2 / max(k[0, 2], 1.0)
    k[:2] *= scale
    k[1, 2] = size[0] / 2
    return replace(view, intrinsics=k)
