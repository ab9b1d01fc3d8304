"""Clips with known objects to measure marks on: DAVIS's schoolgirls, and generated clutter in fast motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from grounding.core import Clip, Masklets, rle
from grounding.core.video import read_clip
from legibility.textures import texture

NATIVE = (720, 1280)  # what is drawn on where a person has drawn


@dataclass(frozen=True, eq=False)
class Scene:
    """Sampled frames and the masks of everything in them.

    Args:
        clip: Frames of NATIVE size.
        masklets: Ids 1 to N, at the source's own size and rate.
    """

    clip: Clip
    masklets: Masklets

    def numbered(self, ids: Sequence[int]) -> Masklets:
        """The masklets with these ids in place of 1 to N."""
        tracks = {new: self.masklets.tracks[old] for old, new in enumerate(ids, 1)}
        return Masklets(self.masklets.size, self.masklets.fps, self.masklets.pts, tracks)

    def resized(self, size: tuple[int, int]) -> Clip:
        """The clip brought to (height, width), as a loader does."""
        return self.clip.with_frames(shrunk(self.clip.frames, size))

    def areas(self, size: tuple[int, int]) -> np.ndarray:
        """Pixels of each object in each frame of the clip at (height, width); float (frames, objects)."""
        scale = size[0] * size[1] / (self.masklets.size[0] * self.masklets.size[1])
        seen = [self.masklets.counts_at(self.masklets.frame_at(t)) for t in self.clip.pts]
        areas = [[rle.areas([c[i]], self.masklets.size)[0] if i in c else 0 for i in self.masklets.ids] for c in seen]
        return np.array(areas, float) * scale


def shrunk(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frames uint8 (T, H, W, 3) at another (height, width)."""
    return np.stack([cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA) for frame in frames])


def schoolgirls(shared_data: Path, fps: float = 8.0) -> Scene:
    """7 objects, four people and three bags, crossing; 80 frames at 24 fps."""
    folder = shared_data / "stvg" / "schoolgirls"
    clip = read_clip(folder / "video.mp4", fps=fps)
    frames = np.stack([cv2.resize(frame, NATIVE[::-1], interpolation=cv2.INTER_CUBIC) for frame in clip.frames])
    maps = [np.asarray(Image.open(path)) for path in sorted((folder / "masks").glob("*.png"))]
    return Scene(clip.with_frames(frames), _masklets(maps, clip.source_fps))


def clutter(seed: int, fps: float, objects: int = 8, duration: float = 8.0) -> Scene:
    """Textured shapes flying before a ground of such shapes, over one another and partly out of the frame.

    They cross the frame in 1 to 4 s, turn, grow and shrink, and cover up to a tenth of it.

    Args:
        seed: Same seed, same scene.
        fps: Sampled frames a second; the source has 12.
        objects: How many.
        duration: Seconds.
    """
    rng, source_fps, size = np.random.default_rng(seed), 12.0, (360, 640)
    ground = _patchwork(rng, (size[0] + 160, size[1] + 160))
    shapes = [_Shape.random(rng, size) for _ in range(objects)]
    times = np.arange(round(duration * source_fps)) / source_fps
    maps = [_stacked(shapes, time, size) for time in times]
    sampled = times[:: round(source_fps / fps)]
    frames = []
    for time in sampled:
        x, y = (80 + 70 * np.sin([0.9 * time, 1.3 * time])).astype(int)  # the camera moves too
        frame = ground[y : y + size[0], x : x + size[1]].copy()
        labels = _stacked(shapes, time, size)
        for number, shape in enumerate(shapes, 1):
            frame[labels == number] = shape.skin[labels == number]
        noisy = np.clip(frame + rng.normal(0, 5, (*size, 1)), 0, 255).astype(np.uint8)
        frames.append(cv2.resize(noisy, NATIVE[::-1], interpolation=cv2.INTER_CUBIC))
    return Scene(Clip(np.stack(frames), sampled, source_fps, size, duration), _masklets(maps, source_fps))


def _patchwork(rng: np.random.Generator, size: tuple[int, int], patches: int = 40) -> np.ndarray:
    """One texture with pieces of others on it, which look like objects and are none; uint8 (H, W, 3)."""
    ground = _skin(rng, size)
    for _ in range(patches):
        shape = _Shape.random(rng, size)
        piece = shape.covers(0.0)
        ground[piece] = shape.skin[piece]
    return ground


def _skin(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A texture that repeats, for it takes its time to make; uint8 (H, W, 3)."""
    tile = texture(rng, 180, 240)
    times = [-(-side // of) for side, of in zip(size, tile.shape, strict=False)]
    return np.tile(tile, (*times, 1))[: size[0], : size[1]]


def _masklets(maps: Sequence[np.ndarray], fps: float) -> Masklets:
    """From one id map a frame, 0 for none."""
    ids = range(1, max(int(labels.max()) for labels in maps) + 1)
    tracks = {i: tuple(rle.encode(labels == i) if (labels == i).any() else None for labels in maps) for i in ids}
    return Masklets(maps[0].shape[:2], fps, np.arange(len(maps)) / fps, tracks)


@dataclass(frozen=True, eq=False)
class _Shape:
    """A textured polygon that flies to and fro."""

    corners: np.ndarray
    skin: np.ndarray
    start: np.ndarray
    speed: np.ndarray
    turn: float
    pulse: float
    size: tuple[int, int]

    @classmethod
    def random(cls, rng: np.random.Generator, size: tuple[int, int]) -> _Shape:
        angles = np.linspace(0, 2 * np.pi, int(rng.integers(3, 13)), endpoint=False)
        radii = 18 * (110 / 18) ** rng.uniform() * rng.uniform(0.55, 1.0, len(angles))
        stretch = rng.uniform(0.35, 1.0)
        corners = np.stack([radii * np.cos(angles), stretch * radii * np.sin(angles)], 1)
        sides = np.array(size[::-1])
        speed = rng.uniform(0.25, 1.0, 2) * sides * rng.choice([-1, 1], 2)
        return cls(
            corners, _skin(rng, size), rng.uniform(0, 2, 2) * sides, speed, rng.normal(), rng.uniform(1, 3), size
        )

    def covers(self, time: float) -> np.ndarray:
        """Where it is at a time; bool (H, W), other shapes left out."""
        sides = np.array(self.size[::-1], float)
        middle = np.abs((self.start + self.speed * time) % (2 * sides) - sides)  # to and fro between the edges
        angle = self.turn * time
        turned = self.corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        points = middle + turned * (1 + 0.3 * np.sin(self.pulse * time))
        mask = np.zeros(self.size, np.uint8)
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1)
        return mask > 0


def _stacked(shapes: Sequence[_Shape], time: float, size: tuple[int, int]) -> np.ndarray:
    """Id map at a time: later shapes lie over earlier ones."""
    labels = np.zeros(size, np.uint8)
    for number, shape in enumerate(shapes, 1):
        labels[shape.covers(time)] = number
    return labels
