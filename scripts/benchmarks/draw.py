"""`bench.py draw`: drawing IDs on 1280 x 720 frames, against supervision's annotators, a floor and decoding."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from benchmarks.measure import Bar, interleave, medians, ratio

from grounding.core import Clip, Masklets, read_clip, rle, write_video
from prompting import IdMarker
from prompting.plan import Plan

BARS = [
    Bar("ratio_supervision", 5.0),
    Bar("ratio_floor", 3.0, most=True),
    Bar("share_of_decoding", 0.2, most=True),
]
FPS = 24.0


@dataclass(frozen=True)
class Scene:
    """A generated video of objects that wander over a textured ground.

    Args:
        size: (height, width) in pixels.
        objects: How many.
        frames: How many.
        sampled: Frames a second that are drawn where drawing is compared with decoding.
    """

    size: tuple[int, int] = (720, 1280)
    objects: int = 8
    frames: int = 96
    sampled: float = 2.0


def draw(folder: Path, scene: Scene, repeats: int) -> dict[str, Any]:
    """Every figure of the bench, on one core.

    Args:
        folder: Takes the video.
        scene: What is drawn on.
        repeats: Measured turns.
    """
    cv2.setNumThreads(1)
    masklets, frames = world(scene)
    marker = IdMarker()
    plan = marker.plan(masklets, masklets.pts, scene.size)
    masks = [masklets.masks_at(t) for t in range(scene.frames)]
    blits = [prepared(plan, frame, t) for t, frame in enumerate(frames)]
    calls: dict[str, Callable[[], None]] = {
        "ours": lambda: _draw_all(marker.plan(masklets, masklets.pts, scene.size), frames),
        "drawing": lambda: _draw_all(plan, frames),
        "floor": lambda: _blit_all(blits, frames),
        "supervision": lambda: _annotate_all(frames, masklets.masks_at),
        "supervision_ready": lambda: _annotate_all(frames, masks.__getitem__),
    }
    seconds = interleave(calls, repeats, time.process_time)
    share = decoding(folder, scene, masklets, frames, repeats)
    return {
        "ratio_supervision": ratio(seconds, "supervision", "ours"),
        "ratio_supervision_ready": ratio(seconds, "supervision_ready", "ours"),
        "ratio_floor": ratio(seconds, "drawing", "floor"),
        "ms_per_frame": medians(seconds)["ours"] / scene.frames * 1e3,
        "share_of_decoding": share,
        "ms_a_frame": {name: value / scene.frames * 1e3 for name, value in medians(seconds).items()},
        "objects": scene.objects,
        "bytes_a_mask": float(np.mean([len(c) for track in masklets.tracks.values() for c in track if c])),
    }


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The lines of the table."""
    names = ("ratio_supervision", "ratio_supervision_ready", "ratio_floor", "ms_per_frame", "share_of_decoding")
    lines: dict[str, Any] = {name: found[name] for name in names}
    return {**lines, **{f"{name}, a frame": f"{value:.3f} ms" for name, value in found["ms_a_frame"].items()}}


def decoding(folder: Path, scene: Scene, masklets: Masklets, frames: list[np.ndarray], repeats: int) -> float:
    """Time of drawing a sampled clip, of the time that decoding it takes with PyAV."""
    path = folder / "scene.mp4"
    write_video(path, frames, FPS)

    def decode() -> Clip:
        return read_clip(path, fps=scene.sampled, max_frames=scene.frames, backend="pyav")

    clip = decode()
    calls = {"decode": decode, "draw": lambda: IdMarker().annotate_clip(clip, masklets)}
    seconds = interleave(calls, repeats, time.process_time)
    return ratio(seconds, "draw", "decode")


def world(scene: Scene) -> tuple[Masklets, list[np.ndarray]]:
    """Objects of lobed outline that wander, and the frames that show them."""
    rng = np.random.default_rng(0)
    height, width = scene.size
    ground = cv2.resize(rng.integers(0, 255, (height // 8, width // 8, 3), np.uint8), (width, height))
    frames = [np.roll(ground, t, axis=1) for t in range(scene.frames)]
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    tracks = {}
    for object_id in range(1, scene.objects + 1):
        radius = height * rng.uniform(0.06, 0.2)
        lobes = 1 + 0.25 * np.sin(np.outer(angles, [2, 3, 5]) + rng.uniform(0, 6, 3)).sum(axis=1) / 2
        shape = radius * lobes[:, None] * np.stack([0.6 * np.cos(angles), np.sin(angles)], axis=1)
        start, speed = rng.uniform(0.15, 0.85, 2) * (width, height), rng.uniform(-0.003, 0.003, 2) * width
        colour = rng.integers(0, 255, 3).tolist()
        track = []
        for t, frame in enumerate(frames):
            mask = np.zeros(scene.size, np.uint8)
            cv2.fillPoly(mask, [np.rint(shape + start + t * speed).astype(np.int32)], 1)
            frame[mask > 0] = colour
            track.append(rle.encode(mask) if mask.any() else None)
        tracks[object_id] = tuple(track)
    return Masklets(scene.size, FPS, np.arange(scene.frames) / FPS, tracks), frames


def prepared(plan: Plan, frame: np.ndarray, t: int) -> list[tuple[int, int, np.ndarray]]:
    """The finished pictures of a frame's marks and where they go."""
    drawn = frame.copy()
    boxes = [mark.box for mark in plan.draw(drawn, t, {}) if mark.box is not None]
    return [(x1, y1, drawn[y1:y2, x1:x2].copy()) for x1, y1, x2, y2 in boxes]


def _draw_all(plan: Plan, frames: list[np.ndarray]) -> None:
    for t, frame in enumerate(frames):
        plan.draw(frame.copy(), t, {})


def _blit_all(blits: list[list[tuple[int, int, np.ndarray]]], frames: list[np.ndarray]) -> None:
    for frame, pictures in zip(frames, blits, strict=True):
        drawn = frame.copy()
        for x, y, picture in pictures:
            drawn[y : y + picture.shape[0], x : x + picture.shape[1]] = picture


def _annotate_all(frames: list[np.ndarray], masks_at: Callable[[int], dict[int, np.ndarray]]) -> None:
    import supervision as sv  # here: who draws without comparing needs no supervision

    tint, label = sv.MaskAnnotator(), sv.LabelAnnotator()
    for t, frame in enumerate(frames):
        masks = masks_at(t)
        stacked, ids = np.stack(list(masks.values())), np.array(list(masks))
        found = sv.Detections(xyxy=sv.mask_to_xyxy(stacked), mask=stacked, class_id=ids, tracker_id=ids)
        label.annotate(tint.annotate(frame.copy(), found), found, labels=[str(i) for i in ids])
