"""`rates`: how fast videos become inputs on this machine's CPU cores."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
from benchmarks.draw import FPS, Scene, world
from gpu_parts.parts import Place, Tell

from grounding.core import read_clip, write_video
from prompting import IdMarker

REPEATS = 3


def rates(place: Place, tell: Tell) -> None:
    """Frames a second of drawing and decoding, and toy videos a second that a collator makes ready."""
    scene = Scene(size=(180, 320), frames=12) if place.tiny else Scene()
    frames = frame_rates(place.folder, scene)
    height, width = scene.size
    said = (
        f"{width} x {height}: drawing {frames['drawing']:.0f} frames/s on one core, decoding {frames['decoding']:.0f}"
    )
    tell(frames=frames, result=said)
    workers, batches = (2, 2) if place.tiny else (4, 16)
    videos = video_rates(place.folder, batches, workers, settle=0.0 if place.tiny else 6.0)
    tell(videos=videos, result=f"{said}; toy videos/s: {videos['0']:.3g}, {workers} workers {videos[str(workers)]:.3g}")


def frame_rates(folder: Path, scene: Scene) -> dict[str, float]:
    """Frames a second: IDs drawn on one core, and a video decoded by PyAV with its own threads."""
    cv2.setNumThreads(1)
    masklets, frames = world(scene)
    path, marker = folder / "scene.mp4", IdMarker()
    write_video(path, frames, FPS)

    def draw() -> None:
        plan = marker.plan(masklets, masklets.pts, scene.size)
        for t, frame in enumerate(frames):
            plan.draw(frame.copy(), t, {})

    def decode() -> None:
        read_clip(path, fps=FPS, max_frames=scene.frames, backend="pyav")

    return {"drawing": scene.frames / _seconds(draw), "decoding": scene.frames / _seconds(decode)}


def video_rates(folder: Path, batches: int, workers: int, settle: float) -> dict[str, float]:
    """Toy videos a second that the collator reads, draws and encodes, by the number of its workers."""
    from benchmarks import loader  # here: it needs what training needs, and frames do not

    work = loader.Work(loader._policy(folder / "model"), loader._videos(folder / "toy", batches), generations=1)
    return {
        str(count): loader.PROMPTS / loader.steady(loader.shared, work, count, settle if count else 0.0)
        for count in (0, workers)
    }


def _seconds(call: Callable[[], Any]) -> float:
    spent = []
    for _ in range(REPEATS + 1):  # the first is not counted
        begin = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begin)
    return statistics.median(spent[1:])
